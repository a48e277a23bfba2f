"""Watches one session until it has ended: shows its transcript, or only waits.

Ctrl-C asks the controller to stop the session and goes on until the last words are there; a second one leaves at once.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Self

import click
import zmq

from causal import event_json
from causal.errors import CausalError
from causal.feed import START
from causal.loop import Loop
from causal.messages import CaptureError, Event, SessionStatus
from causal.messages.control import Stop
from causal.paths import Paths
from causal.rendering import view_for
from causal.subscription import Subscription
from causal.waker import Waker

from .client import Client, NoStack

SILENT_S = 10.0
"""A broker that is restarted is away for about a second."""
CLOSED_S = 2.0
TICK_S = 0.5
EXIT_INTERRUPTED = 130

Show = Callable[[Event], None]


class Interrupts:
    """Ctrl-C, from the entry of the `with` on: kept until a loop takes it. Without a loop the second one interrupts."""

    def __enter__(self) -> Self:
        self._count = 0
        self._taken = False
        self._told = 0
        self._waker = Waker()
        self._former = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._former)
        self._waker.close()

    def on_loop(self, loop: Loop, callback: Callable[[], None]) -> None:
        """Calls back from within the loop, once for each."""
        self._taken = True

        def on_wake() -> None:
            self._waker.rest()
            while self._told < self._count:
                self._told += 1
                callback()

        loop.on_readable(self._waker.fd, on_wake)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._count > 1 and not self._taken:
            raise KeyboardInterrupt
        self._waker.wake()


class Follower:
    """One session, from its start to its end."""

    def __init__(self, paths: Paths, session: str, show: Show, tell: Callable[[str], None]) -> None:
        """`show` gets every event, `tell` what else a person should know."""
        self.ended: SessionStatus | None = None
        self.left = False
        """Left by a second Ctrl-C."""
        self.error: CaptureError | None = None
        """The newest one that is not tried again."""
        self._session = session
        self._show = show
        self._tell = tell
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._client = Client(paths, self._context)
        self._loop = Loop()
        self._events = Subscription(self._loop, self._context, paths, self._on_event, session=session)
        self._stopping = False
        self._gone = False

    def run(self, interrupts: Interrupts) -> None:
        """Returns when the session has ended, or was left. Raises `NoStack` when the stack ends first."""
        interrupts.on_loop(self._loop, self._interrupt)
        self._events.begin(START)
        self._loop.every(TICK_S, self._check)
        self._loop.run()
        self._events.end()
        self._context.destroy(linger=0)
        if self._gone:
            raise NoStack("the stack has ended before the session; what is missing comes when it is started again")

    def _on_event(self, event: Event) -> None:
        self._show(event)
        match event:
            case CaptureError(retrying=False):
                self.error = event
            case SessionStatus(state="ended"):
                self.ended = event
                self._loop.stop()

    def _check(self) -> None:
        silent_s = time.monotonic() - self._events.heard_s
        if silent_s > (CLOSED_S if self._events.feed.closing else SILENT_S):
            self._gone = True
            self._loop.stop()

    def _interrupt(self) -> None:
        if self._stopping:
            self.left = True
            self._loop.stop()
            return
        self._stopping = True
        self._tell("stopping; the last words are on their way (Ctrl-C again leaves at once)")
        threading.Thread(target=self._ask_to_stop, daemon=True).start()

    def _ask_to_stop(self) -> None:
        try:
            self._client.ask(Stop(session=self._session, timeout_s=0.0))
        except (CausalError, zmq.ZMQError) as error:
            if self.ended is None and not self._gone:
                click.echo(f"causal-ctl: {error}", err=True)


def follow(paths: Paths, session: str, interrupts: Interrupts, *, live: bool, as_json: bool) -> int:
    """Follows a session, with its transcript on standard output if `live`. The exit code; says on standard error what
    went wrong."""
    view = view_for(sys.stdout.fileno())
    in_place = live and not as_json and sys.stdout.isatty()

    def show(event: Event) -> None:
        if live and as_json:
            _write(event_json.line(event).decode())
        elif live:
            _write(view.on(event))

    def tell(text: str) -> None:
        if in_place:
            _write(view.say(text))
        else:
            click.echo(text, err=True)

    follower = Follower(paths, session, show, tell)
    try:
        follower.run(interrupts)
    finally:
        if in_place:
            _write(view.end())
    return _verdict(follower)


def _verdict(follower: Follower) -> int:
    if follower.left:
        return EXIT_INTERRUPTED
    if follower.ended is not None and follower.ended.reason == "failed":
        error = follower.error
        text = f"{error.message}. {error.hint}".strip() if error else "the session failed; causal-ctl status says more"
        click.echo(f"causal-ctl: {text}", err=True)
        return 1
    return 0


def _write(text: str) -> None:
    if text:
        sys.stdout.write(text)
        sys.stdout.flush()
