"""What the desk wants done: the shell carries it out, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from causal.messages import Event

from .session import Session

RequestId = str | int | None
"""The asker's name for a request; None where it gave none that can be used."""


@dataclass(frozen=True)
class Ticket:
    """Whom a reply goes to."""

    envelope: tuple[bytes, ...]
    """What ZeroMQ put before the request: it leads back to who asked."""
    id: RequestId


@dataclass(frozen=True)
class Answer:
    """Replies to a request; `fields` have `ok` and what goes with it. Without a ticket nobody waits for it."""

    ticket: Ticket | None
    fields: dict[str, Any]


@dataclass(frozen=True)
class Save:
    """Writes the session down, before anybody hears of it."""

    session: Session


@dataclass(frozen=True)
class SaveGrants:
    """Writes down when which wish was granted, before anybody hears of it: the account's minute outlives us."""

    granted_s: dict[str, float]


@dataclass(frozen=True)
class Publish:
    """A durable event; the same `key` is stored once."""

    event: Event
    key: str | None = None


@dataclass(frozen=True)
class Emit:
    """An ephemeral event."""

    event: Event


@dataclass(frozen=True)
class Ring:
    """The services ask anew at once."""


@dataclass(frozen=True)
class MintToken:
    """Gets a temporary token from the speech service and answers with it."""

    ticket: Ticket | None
    expires_in_s: int


@dataclass(frozen=True)
class ReadSession:
    """Reads a session from the event log and answers with its transcript."""

    ticket: Ticket | None
    session: str
    format: str
    known: tuple[str, ...] = ()
    """Sessions to name if there is no such."""


@dataclass(frozen=True)
class Close:
    """The controller has nothing left to do."""


def refuse(ticket: Ticket | None, code: str, message: str, hint: str = "") -> Answer:
    """An answer that says no, and why."""
    return Answer(ticket, {"ok": False, "error": {"code": code, "message": message, "hint": hint}})


Effect = Answer | Save | SaveGrants | Publish | Emit | Ring | MintToken | ReadSession | Close
