"""What ends a client's session, and with which code (the codes are AssemblyAI's)."""

from __future__ import annotations

from typing import Final

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
UNAUTHORIZED: Final = 1008
ENGINE_FAILED: Final = 1011
SERVER_ERROR: Final = 3005
BAD_INPUT: Final = 3006
BAD_AUDIO: Final = 3007

CLOSE_REASON: Final = "See Error message for details"
"""A close frame has little room; the text is in the Error message before it."""


class Refused(Exception):
    """What the client sent ends its session: an Error message with this text, and a close with this code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
