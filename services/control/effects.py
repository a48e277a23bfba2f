"""What the desk wants done: the shell carries it out, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from causal.messages import Event

from .session import Session

Ticket = Any
"""Whatever the shell needs to answer a request."""


@dataclass(frozen=True)
class Answer:
    """Replies to a request; `fields` have `ok` and what goes with it."""

    ticket: Ticket
    fields: dict[str, Any]


@dataclass(frozen=True)
class Save:
    """Writes the session down, before anybody hears of it."""

    session: Session


@dataclass(frozen=True)
class Publish:
    """A durable event."""

    event: Event


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

    ticket: Ticket
    expires_in_s: int


@dataclass(frozen=True)
class Close:
    """The controller has nothing left to do."""


Effect = Answer | Save | Publish | Emit | Ring | MintToken | Close
