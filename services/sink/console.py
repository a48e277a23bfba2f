"""`causal-sink console`: the transcript as lines; on a terminal, with what is being said at the bottom."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from causal.messages import Event, QueueDepth
from causal.rendering import view_for
from causal.subscription import TRANSCRIPT

from .output import Output, OutputBusy
from .sink import SinkOptions


class ConsoleSink:
    """Writes to standard output. Remembers nothing."""

    def __init__(self, options: SinkOptions) -> None:
        del options  # what is told is chosen before it comes here
        self._encoding = sys.stdout.encoding or "utf-8"
        self._view = view_for(sys.stdout.fileno())
        self.ephemeral = TRANSCRIPT if self._view.shows_partials else ()
        self._output = Output(sys.stdout.fileno())

    def open(self) -> None:
        self._output.check()

    def write(self, event: Event) -> None:
        self._output.check()  # before the view takes the event for told
        if text := self._view.on(event):
            self._write(text)

    def close(self) -> None:
        try:
            self._write(self._view.end())
        except OutputBusy:
            return
        self._output.flush()

    def queues(self) -> Mapping[str, QueueDepth]:
        return {"output": self._output.queue()}

    def _write(self, text: str) -> None:
        self._output.write(text.encode(self._encoding, "replace"))
