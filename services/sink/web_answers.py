"""What a page asks for, besides what it is told anyway."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from causal.errors import CausalError
from causal.messages import control as messages
from causal.transcript import collect
from causal.transcript_formats import FORMATS

from .web_control import Control
from .web_history import History
from .web_requests import AnyRequest, Export, Search, Sessions, Start, Stop

STOP_WITHIN_S = 10.0
STOP_MARGIN_S = 5.0


class Answers:
    """Asks the history and the controller. Raises `CausalError` for what is refused."""

    def __init__(self, history: History, control: Control) -> None:
        self._history = history
        self._control = control

    async def answer(self, request: AnyRequest) -> dict[str, Any]:
        match request:
            case Start():
                return await self._start(request)
            case Stop():
                question = messages.Stop(session=request.session, timeout_s=STOP_WITHIN_S)
                reply = await self._control.ask(question, STOP_WITHIN_S + STOP_MARGIN_S)
                return {"state": reply["state"], "backlog_ms": reply["backlog_ms"]}
            case Sessions():
                return {"sessions": await asyncio.to_thread(self._history.sessions, request.before)}
            case Search():
                return {"found": await asyncio.to_thread(self._history.search, request.text)}
            case Export():
                return await asyncio.to_thread(self._export, request)
        return {}

    async def _start(self, request: Start) -> dict[str, Any]:
        question = messages.Start(
            sources=tuple(map(_whole, request.sources)),
            label=request.label.strip(),
            engine=request.engine or None,
            language=request.language or None,
        )
        reply = await self._control.ask(question)
        return {"session": reply["session"], "engine": reply.get("engine", "")}

    def _export(self, request: Export) -> dict[str, Any]:
        status = self._history.session(request.session)
        if status is None:
            hint = "The list of sessions shows which there are."
            raise CausalError("unknown-session", f"there is no session {request.session!r}", hint)
        write = FORMATS.get(request.format)
        if write is None:
            raise CausalError("bad-request", f"unknown format {request.format!r}", f"Known are {', '.join(FORMATS)}.")
        transcript = collect([status, *self._history.full_events(request.session)])
        return {"name": f"{request.session}.{request.format}", "text": write(transcript)}


def _whole(source: str) -> str:
    """A file's path as people type it, from their home folder."""
    scheme, colon, path = source.partition(":")
    return f"file:{Path(path).expanduser()}" if scheme == "file" and colon and path.startswith("~") else source
