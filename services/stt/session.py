"""One connection to the speech service, without a socket: events and the time come in, actions go out.

    connecting ──Opened──▶ awaiting-begin ──Begin──▶ live ──Finish──▶ terminating ──Termination──▶ closed
         │                       │                    │                    │                         ▲
         └───────────────────────┴─ NotOpened, Dropped, Error, a deadline ─┴─────────────────────────┘

An open socket proves nothing: a key is refused only after the upgrade, so audio flows from `Begin` on. A peer that is
gone shows by a ping of our own, long before TCP would tell; a peer that has stopped reading, by a write that does
not end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from . import codec
from .codec import Begin, Heartbeat, ServerMessage, ServiceError, ServiceWarning, Termination, Turn, Unknown, Unreadable
from .failures import Failure, classify, lost
from .timing import Timing
from .turns import Fact, TurnAssembler


class State(Enum):
    CONNECTING = "connecting"
    AWAITING_BEGIN = "awaiting-begin"
    LIVE = "live"
    TERMINATING = "terminating"
    CLOSED = "closed"


@dataclass(frozen=True)
class Opened:
    """The socket is open."""

    unix_s: float
    """Wall clock, which the service's `expires_at` counts in."""


@dataclass(frozen=True)
class NotOpened:
    """The socket could not be opened."""

    reason: str
    status: int | None = None
    """The HTTP status of a refused upgrade."""


@dataclass(frozen=True)
class Received:
    message: ServerMessage


@dataclass(frozen=True)
class WriteBegan:
    pass


@dataclass(frozen=True)
class WriteEnded:
    pass


@dataclass(frozen=True)
class Ponged:
    pass


@dataclass(frozen=True)
class Finish:
    """All audio has been sent: end the session in good order."""


@dataclass(frozen=True)
class Dropped:
    """The socket is closed."""

    code: int
    reason: str = ""


@dataclass(frozen=True)
class Woke:
    """A deadline may have passed."""


Event = Opened | NotOpened | Received | WriteBegan | WriteEnded | Ponged | Finish | Dropped | Woke


@dataclass(frozen=True)
class SendText:
    text: str


@dataclass(frozen=True)
class SendPing:
    pass


@dataclass(frozen=True)
class GoLive:
    """Audio may flow."""

    session_id: str
    """The service's name of the session: its support asks for it."""


@dataclass(frozen=True)
class Publish:
    fact: Fact


@dataclass(frozen=True)
class Advance:
    """The service has come so far in the audio."""

    received_ms: int


@dataclass(frozen=True)
class Warn:
    text: str


@dataclass(frozen=True)
class RollOver:
    """The session expires soon: begin the next one at the end of a turn."""


@dataclass(frozen=True)
class Close:
    """Close the socket, without waiting for the other side. The session is over."""

    failure: Failure | None
    """`None` after an end in good order: everything that was sent has been answered."""


Action = SendText | SendPing | GoLive | Publish | Advance | Warn | RollOver | Close

NORMAL = 1000
"""The code of a close in good order (RFC 6455, 7.4.1)."""

_LATE = {
    "connect": "the speech service did not answer within {:.0f} s",
    "begin": "the speech service opened the connection, but no session within {:.0f} s",
    "write": "the speech service has taken nothing for {:.0f} s",
    "pong": "the speech service has not answered a ping for {:.0f} s",
    "drain": "the speech service did not end the session within {:.0f} s",
}


class Session:
    """The state of one connection. Made when the shell begins to connect."""

    def __init__(self, *, now_s: float, formatting_requested: bool, timing: Timing) -> None:
        self.state = State.CONNECTING
        self.unreadable = 0
        """Messages that could not be read."""
        self.unknown = 0
        """Messages of types that we do not know."""
        self._timing = timing
        self._turns = TurnAssembler(formatting_requested=formatting_requested, hold_s=timing.hold_s)
        self._deadlines = {"connect": now_s + timing.connect_s}
        self._opened_unix_s = 0.0

    @property
    def deadline_s(self) -> float | None:
        """When `Woke` is due."""
        times = [*self._deadlines.values(), self._turns.deadline_s]
        return min((time_s for time_s in times if time_s is not None), default=None)

    @property
    def opened(self) -> bool:
        """Whether the socket ever was open: from then on the service counts a session."""
        return self._opened_unix_s > 0.0

    @property
    def _is_draining(self) -> bool:
        return self.state is State.TERMINATING

    @property
    def has_open_turn(self) -> bool:
        return self._turns.has_open_turn

    @property
    def dropped_turns(self) -> int:
        """Messages about turns that were final already."""
        return self._turns.dropped

    def on(self, event: Event, now_s: float) -> list[Action]:  # noqa: PLR0912 - a line per legal pair
        """What to do about `event`. Raises `RuntimeError` for an event that its state does not expect."""
        match self.state, event:
            case State.CLOSED, _:
                return []  # what was on its way when the session ended
            case State.CONNECTING, Opened(unix_s):
                return self._open(unix_s, now_s)
            case State.CONNECTING, NotOpened(reason, status):
                return self._end(classify(reason, status) if status else lost(reason))
            case State.AWAITING_BEGIN, Received(Begin() as begin):
                return self._begin(begin, now_s)
            case State.LIVE, Finish():
                return self._terminate(now_s)
            case State.CONNECTING | State.AWAITING_BEGIN, Finish():
                return self._end(None)
            case State.TERMINATING, Received(Termination()):
                return self._publish(self._turns.finish(complete=True)) + self._end(None)
            case _, Received(message) if self.state is not State.CONNECTING:
                return self._hear(message, now_s)
            case _, Dropped(code, reason):
                return self._end(replace(classify(reason, code), only_unsaid=self._is_draining and code == NORMAL))
            case _, WriteBegan():
                self._deadlines["write"] = now_s + self._timing.write_s
                return []
            case _, WriteEnded():
                self._deadlines.pop("write", None)
                return []
            case _, Ponged():
                return self._ponged(now_s)
            case _, Woke():
                return self._wake(now_s)
        raise RuntimeError(f"{type(event).__name__} while {self.state.value}")

    def _open(self, unix_s: float, now_s: float) -> list[Action]:
        self.state = State.AWAITING_BEGIN
        self._opened_unix_s = unix_s
        self._deadlines = {"begin": now_s + self._timing.begin_s}
        return []

    def _begin(self, begin: Begin, now_s: float) -> list[Action]:
        self.state = State.LIVE
        self._deadlines = {"ping": now_s + self._timing.ping_s}
        if begin.expires_at_unix_s is not None:
            left_s = begin.expires_at_unix_s - self._opened_unix_s - self._timing.rollover_s
            if left_s > 0:  # a shorter session, or clocks that disagree: its end by 3008 will tell
                self._deadlines["rollover"] = now_s + left_s
        return [GoLive(begin.id)]

    def _terminate(self, now_s: float) -> list[Action]:
        self.state = State.TERMINATING
        self._deadlines["drain"] = now_s + self._timing.drain_s
        self._deadlines.pop("rollover", None)
        return [SendText(codec.TERMINATE)]

    def _hear(self, message: ServerMessage, now_s: float) -> list[Action]:
        match message:
            case Turn():
                return self._publish(self._turns.turn(message, now_s))
            case ServiceError(code, text):
                return self._end(classify(text, code))
            case Heartbeat(ms) | codec.Silence(end_ms=ms) | codec.SpeechStarted(ms):
                return [Advance(ms)]
            case ServiceWarning(_, text):
                return [Warn(text)]
            case Unreadable():
                self.unreadable += 1
            case Unknown():
                self.unknown += 1
        return []

    def _ponged(self, now_s: float) -> list[Action]:
        if self._deadlines.pop("pong", None) is not None:
            self._deadlines["ping"] = now_s + self._timing.ping_s
        return []

    def _wake(self, now_s: float) -> list[Action]:
        due = {name for name, time_s in self._deadlines.items() if time_s <= now_s}
        for name, message in _LATE.items():
            if name in due:
                return self._end(replace(lost(message.format(self._allowed_s(name))), only_unsaid=name == "drain"))
        actions = self._publish(self._turns.wake(now_s))
        if "ping" in due:
            del self._deadlines["ping"]
            self._deadlines["pong"] = now_s + self._timing.pong_s
            actions.append(SendPing())
        if "rollover" in due:
            del self._deadlines["rollover"]
            actions.append(RollOver())
        return actions

    def _allowed_s(self, name: str) -> float:
        allowed_s: float = getattr(self._timing, f"{name}_s")
        return allowed_s

    def _end(self, failure: Failure | None) -> list[Action]:
        self.state = State.CLOSED
        self._deadlines.clear()
        return [*self._publish(self._turns.finish(complete=False)), Close(failure)]

    def _publish(self, facts: list[Fact]) -> list[Action]:
        return [Publish(fact) for fact in facts]
