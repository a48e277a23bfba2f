"""The page's line to the controller, on asyncio: what is asked on behalf of a person, and how the stack is."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import Any

import msgspec
import zmq
import zmq.asyncio

from causal import wire
from causal.errors import START_COMMAND, CausalError, WireError
from causal.messages import Message
from causal.messages.control import PROTOCOL_VERSION, List, Status
from causal.paths import Paths
from causal.transport import Line

from .web_hub import Hub

ASK_AGAIN_S = 1.0
STATUS_PERIOD_S = 1.0
STATUS_WITHIN_S = 2.5
DEVICES_PERIOD_S = 2.0
DEVICES_WITHIN_S = 5.0
"""The controller itself waits 3 s for a capture that is about to come."""


class Control:
    """Questions to the controller. Opens a socket for each; ends with `close`."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._context: zmq.asyncio.Context = zmq.asyncio.Context()

    async def ask(self, request: Message, within_s: float = 10.0) -> dict[str, Any]:
        """The reply's map. Raises `CausalError` with code, message and hint of a refusal, or of silence."""
        fields = wire.to_map(request) | {"v": PROTOCOL_VERSION, "id": secrets.token_hex(8)}
        with self._context.socket(zmq.DEALER) as dealer:
            dealer.linger = 0
            dealer.immediate = True
            Line(dealer, self._paths, "control")
            try:
                reply = await asyncio.wait_for(_exchange(dealer, fields), within_s)
            except TimeoutError:
                message = f"the controller has not answered for {within_s:.0f} s"
                raise CausalError("no-stack", message, f"Is the stack running? Start it: {START_COMMAND}") from None
        if not reply.get("ok"):
            error = reply.get("error") or {}
            code, message, hint = (str(error.get(name, "")) for name in ("code", "message", "hint"))
            raise CausalError(code or "internal", message or "refused", hint)
        return reply

    def close(self) -> None:
        self._context.destroy(linger=0)


async def watch_stack(control: Control, hub: Hub) -> None:
    """Tells the pages, while there are any, who hears the room and what is wrong."""
    while True:
        await hub.occupied.wait()
        try:
            reply = await control.ask(Status(), STATUS_WITHIN_S)
        except CausalError as error:
            hub.tell_fact("stack", {"running": False, "error": error_map(error)})
        else:
            hub.tell_fact("stack", {"running": True} | _stack(reply))
        await asyncio.sleep(STATUS_PERIOD_S)


async def watch_devices(control: Control, hub: Hub) -> None:
    """Tells the pages, while there are any, what can be heard."""
    while True:
        await hub.occupied.wait()
        with contextlib.suppress(CausalError):  # `watch_stack` tells
            reply = await control.ask(List(), DEVICES_WITHIN_S)
            hub.tell_fact("devices", {"devices": reply["devices"]})
        await asyncio.sleep(DEVICES_PERIOD_S)


def error_map(error: CausalError) -> dict[str, str]:
    """An error as the page gets it."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def _stack(reply: dict[str, Any]) -> dict[str, Any]:
    """What of `status` a page shows; the numbers that move all the time come as events."""
    sessions = {
        view["status"]["session"]: {"state": view["status"]["state"], "faults": view.get("faults", {})}
        for view in reply.get("sessions", ())
    }
    faults = [
        {"service": view["status"]["service"]} | view["fault"]
        for view in reply.get("services", ())
        if view.get("fault")
    ]
    return {"engine": reply.get("engine", ""), "sessions": sessions, "faults": faults}


async def _exchange(dealer: zmq.asyncio.Socket, fields: dict[str, Any]) -> dict[str, Any]:
    """Asks, and asks again with the same id, until the reply comes."""
    frame = wire.pack_map(fields)
    while True:
        await dealer.send_multipart([b"", frame])
        while await dealer.poll(round(ASK_AGAIN_S * 1000)):
            with contextlib.suppress(WireError, msgspec.ValidationError):
                reply = wire.unpack_map((await dealer.recv_multipart())[-1])
                if reply.get("id") == fields["id"]:
                    return reply
