"""A session's transcript as text, from the event log: for `causal-ctl export`, and for the controller's `export`.

Both read what the broker has stored, by replay as any program may, so a session that is going on can be exported too.
"""

from __future__ import annotations

import difflib
import logging
import time
from collections.abc import Iterable

import zmq

from causal import topics, wire
from causal.errors import START_COMMAND, CausalError, WireError
from causal.feed import START, Action, Ask, Deliver, Feed, Forgotten
from causal.loop import send_now
from causal.messages import Event
from causal.messages.log import Replayed
from causal.paths import Paths
from causal.transcript import collect
from causal.transcript_formats import FORMATS
from causal.transport import Line

log = logging.getLogger("causal.export")

SILENT_S = 10.0
"""A broker that is restarted is away for about a second."""
LOOK_EVERY_MS = 100


def export(
    context: zmq.Context[zmq.Socket[bytes]], paths: Paths, session: str, kind: str, known: Iterable[str] = ()
) -> str:
    """The session in a format of `FORMATS`. Blocks while it is read; `known` are sessions to name if there is no such.

    Raises `CausalError`: `bad-request`, `unknown-session`, or `no-stack` when the broker does not answer.
    """
    check_format(kind)
    events = session_events(context, paths, session)
    if not events:
        raise unknown_session(session, known)
    return FORMATS[kind](collect(events))


def check_format(kind: str) -> None:
    """Raises `CausalError` for a format that there is not."""
    if kind not in FORMATS:
        near = difflib.get_close_matches(kind, FORMATS, 1, 0.5)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise CausalError("bad-request", f"there is no format {kind!r}", f"{hint}Known are {', '.join(FORMATS)}.")


def unknown_session(session: str, known: Iterable[str]) -> CausalError:
    """What to say when nothing is stored of a session."""
    near = difflib.get_close_matches(session, list(known), 1, 0.5)
    hint = f"Did you mean {near[0]}?" if near else "causal-ctl sessions shows them."
    return CausalError("unknown-session", f"there is no session {session!r}", hint)


def session_events(context: zmq.Context[zmq.Socket[bytes]], paths: Paths, session: str) -> list[Event]:
    """All durable events of a session that are stored now, in the order of their numbers."""
    feed = Feed(START, session)
    events: list[Event] = []
    heard_s = time.monotonic()
    with context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        line = Line(socket, paths, "log")
        _carry_out(feed.tick(heard_s), feed, socket, events)
        while not feed.caught_up:
            now_s = time.monotonic()
            if now_s - heard_s > SILENT_S:
                raise CausalError("no-stack", "the broker does not answer", f"Start it: {START_COMMAND}")
            replayed = _replayed(socket) if socket.poll(LOOK_EVERY_MS) else None
            if replayed is None:
                line.renew()
                _carry_out(feed.tick(now_s), feed, socket, events)
            else:
                heard_s = now_s
                _carry_out(feed.on_replayed(replayed, now_s), feed, socket, events)
    return events


def _replayed(socket: zmq.Socket[bytes]) -> Replayed | None:
    parts = socket.recv_multipart()
    try:
        return wire.unpack(parts, Replayed) if parts[0] == topics.REPLAYED else None
    except WireError as error:
        log.warning("an answer of the broker is dropped: %s", error)
        return None


def _carry_out(actions: list[Action], feed: Feed, socket: zmq.Socket[bytes], events: list[Event]) -> None:
    for action in actions:
        match action:
            case Deliver(event):
                events.append(event)
            case Ask(replay):
                if not send_now(socket, wire.pack(topics.REPLAY, replay)):
                    feed.on_unsent()
            case Forgotten(from_seq, to_seq):
                log.warning("events %d to %d are not stored any more", from_seq, to_seq)
