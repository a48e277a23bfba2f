"""Asks the controller, as any program may: one request, one reply, the same id when asked again."""

from __future__ import annotations

import secrets
import time
from typing import Any

import zmq

from causal import transport, wire
from causal.errors import START_COMMAND, CausalError, WireError
from causal.loop import send_now
from causal.messages import Message
from causal.messages.control import PROTOCOL_VERSION
from causal.paths import Paths
from causal.transport import Line

ANSWER_WITHIN_S = 10.0
ASK_AGAIN_S = 1.0
BACK_WITHIN_S = 3.0
"""A controller that was killed is there again after about a second."""
LOOK_EVERY_S = 0.05
KEYS = "The file was changed while the stack ran: end the stack's processes, and start it again."


class NoStack(CausalError):
    """Nothing runs that could answer."""

    def __init__(self, message: str) -> None:
        super().__init__("no-stack", message, f"Start it: {START_COMMAND}")


class Client:
    """Questions to the stack whose directories these are. Opens a socket for each, so threads may share it."""

    def __init__(self, paths: Paths, context: zmq.Context[zmq.Socket[bytes]] | None = None) -> None:
        self._paths = paths
        self._context = context or zmq.Context.instance()

    def ask(self, request: Message, within_s: float = ANSWER_WITHIN_S) -> dict[str, Any]:
        """The reply's map. Raises `NoStack`, or `CausalError` with code, message and hint of a refusal."""
        self._find_controller()
        fields = wire.to_map(request) | {"v": PROTOCOL_VERSION, "id": secrets.token_hex(8)}
        with self._context.socket(zmq.DEALER) as dealer:
            dealer.linger = 0
            line = Line(dealer, self._paths, "control")
            reply = _exchange(line, fields, time.monotonic() + within_s)
        if reply is None:
            raise NoStack(f"the controller has not answered for {within_s:.0f} s")
        if not reply.get("ok"):
            raise _refusal(reply)
        return reply

    def wait_gone(self, within_s: float) -> bool:
        """Whether controller and broker have ended by then."""
        deadline_s = time.monotonic() + within_s
        while self._listens("control") or self._listens("log"):
            if time.monotonic() > deadline_s:
                return False
            time.sleep(LOOK_EVERY_S)
        return True

    def _find_controller(self) -> None:
        """Waits for one that is being restarted: others of its stack are alive then."""
        deadline_s = time.monotonic() + BACK_WITHIN_S
        while not self._listens("control"):
            if time.monotonic() > deadline_s or not self._anybody_alive():
                raise NoStack(f"no stack is running in {self._paths.runtime}")
            time.sleep(LOOK_EVERY_S)

    def _listens(self, name: str) -> bool:
        """Whether a process has this socket; its file stays behind."""
        found = transport.look(self._context, self._paths, name)
        if found == "refused":
            runtime = self._paths.runtime
            raise CausalError("no-stack", f"the stack in {runtime} takes another key than curve-client.json has", KEYS)
        return found == "there"

    def _anybody_alive(self) -> bool:
        """Whether a process lives whose pid stands in a lock of the stack."""
        import psutil  # only in trouble

        texts = [lock.read_text("ascii", "replace").strip() for lock in self._paths.runtime.glob("*.lock")]
        return any(text.isdecimal() and psutil.pid_exists(int(text)) for text in texts)


def _exchange(line: Line, fields: dict[str, Any], until_s: float) -> dict[str, Any] | None:
    """Asks, and asks again with the same id, until the reply comes; None when it does not."""
    frame, dealer = wire.pack_map(fields), line.socket
    while (now_s := time.monotonic()) < until_s:
        line.renew()
        send_now(dealer, [b"", frame])
        again_s = min(until_s, now_s + ASK_AGAIN_S)
        while (wait_s := again_s - time.monotonic()) > 0:
            if dealer.poll(max(1, int(wait_s * 1000))) and (reply := _reply(dealer, fields["id"])):
                return reply
    return None


def _reply(dealer: zmq.Socket[bytes], request_id: str) -> dict[str, Any] | None:
    try:
        reply = wire.unpack_map(dealer.recv_multipart()[-1])
    except WireError:
        return None
    return reply if reply.get("id") == request_id else None


def _refusal(reply: dict[str, Any]) -> CausalError:
    error = reply.get("error") or {}
    return CausalError(
        str(error.get("code", "internal")), str(error.get("message", "refused")), str(error.get("hint", ""))
    )
