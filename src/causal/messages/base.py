"""What all messages are: frozen records with names for their fields."""

from typing import TYPE_CHECKING, Any, dataclass_transform

import msgspec

if TYPE_CHECKING:

    @dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
    class Message:
        """A frozen record."""

        def __init_subclass__(cls, *, tag_field: str = "", tag: str = "") -> None: ...

else:

    class _MessageType(msgspec.StructMeta):
        """Makes every message frozen and keyword-only, so that the classes need not say so one by one."""

        def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any) -> type:
            return super().__new__(mcs, name, bases, namespace, **{"frozen": True, "kw_only": True, **config})

    class Message(msgspec.Struct, metaclass=_MessageType):
        """A frozen record. Fields that a reader does not know are ignored, so a newer sender may add some."""
