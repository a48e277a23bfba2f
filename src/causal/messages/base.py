"""What all messages are: frozen records with names for their fields."""

import msgspec


class Message(msgspec.Struct, frozen=True):
    """A frozen record. Fields that a reader does not know are ignored, so a newer sender may add some."""
