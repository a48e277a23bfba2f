"""How a stream is doing, as the controller shall hear it: told when it changes, logged once."""

from __future__ import annotations

import logging
from collections.abc import Callable

from causal.messages.control import Fault
from causal.messages.events import SpeechState

log = logging.getLogger("causal.stt.health")


class Health:
    """What a stream says of itself; `changed` is called when that is news."""

    def __init__(self, stream: str, changed: Callable[[], None]) -> None:
        self.speech: SpeechState = "idle"
        self.fault: Fault | None = None
        self._stream = stream
        self._changed = changed

    def show(self, speech: SpeechState) -> None:
        """A new state."""
        if speech != self.speech:
            self.speech = speech
            self._changed()

    def complain(self, fault: Fault, speech: SpeechState) -> None:
        """Something is wrong."""
        if fault != self.fault:
            log.warning("%s: %s", self._stream, fault.message)
            self.fault = fault
            self._changed()
        self.show(speech)

    def well(self) -> None:
        """Nothing is wrong any more."""
        if self.fault is not None:
            self.fault = None
            self._changed()
