"""Transcripts as text, for those who ask the controller: read from the broker as by any other program."""

from __future__ import annotations

from typing import Any

import zmq

from causal.errors import CausalError
from causal.export import export
from causal.paths import Paths

from .effects import ReadSession

MAX_BYTES = 1 << 20
"""Longest text of a reply: the longest string that receivers take."""


def read(paths: Paths, wish: ReadSession) -> dict[str, Any]:
    """`{session, format, text}`. Blocks; raises `CausalError` also for a text that does not fit into a reply."""
    context: zmq.Context[zmq.Socket[bytes]]
    with zmq.Context() as context:  # the controller's own may end meanwhile
        text = export(context, paths, wish.session, wish.format, wish.known)
    size = len(text.encode())
    if size > MAX_BYTES:
        hint = "Use causal-ctl export, or read the events by replay, as docs/protocol.md says."
        raise CausalError("too-large", f"the transcript has {size} bytes, {MAX_BYTES} fit into a reply", hint)
    return {"session": wish.session, "format": wish.format, "text": text}
