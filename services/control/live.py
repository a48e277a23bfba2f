"""`causal-ctl watch`, `status --watch` and `list --watch`: shows what goes on until told to leave.

On a terminal a page is drawn over and over; in a pipe each change is a line; with `--json` it is a line of JSON. The
stack is left alone.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from datetime import datetime
from types import FrameType
from typing import Any

import click
import zmq

from causal import event_json
from causal.errors import CausalError
from causal.loop import Loop
from causal.messages import CaptureStatus, Event, Message
from causal.messages.control import Status
from causal.paths import Paths
from causal.screen import head
from causal.subscription import Subscription

from . import changes
from .changes import Facts
from .client import Client
from .panel import Panel, Row, Story
from .terminal import FullScreen, can_draw, size

ASK_EVERY_S = 1.0
DRAW_EVERY_S = 0.2

Reply = dict[str, Any]
Page = Callable[[int, int], list[Row]]
"""The page for so many columns and rows."""


class Asking:
    """Asks the controller once a second, beside the loop. Its first reply is there when it is made; raises what the
    first question raises."""

    def __init__(self, client: Client, request: Message) -> None:
        self._client = client
        self._request = request
        self._newest: Reply | None = client.ask(request)
        self._error: CausalError | None = None
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def take(self) -> Reply | None:
        """The newest reply, once. Raises `CausalError` when there will be no more."""
        if self._error is not None:
            raise self._error
        newest, self._newest = self._newest, None
        return newest

    def end(self) -> None:
        """Asks no more; does not wait for an answer that does not come."""
        self._leaving.set()
        self._thread.join(ASK_EVERY_S)

    def _run(self) -> None:
        while not self._leaving.wait(ASK_EVERY_S):
            try:
                self._newest = self._client.ask(self._request)
            except (CausalError, zmq.ZMQError) as error:
                self._error = error if isinstance(error, CausalError) else CausalError("internal", str(error))
                return


def watch(paths: Paths, as_json: bool) -> None:
    """Streams, levels, words, services. Returns when told to leave; raises `NoStack` when the stack ends."""
    asking = Asking(Client(paths), Status())
    loop = Loop()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    panel, lines = Panel(), Lines(changes.of_work)
    on_terminal = can_draw() and not as_json
    story = Story()

    def on_event(event: Event) -> None:
        if on_terminal:
            panel.on(event)
        elif not as_json:
            _say(story.on(event))
        elif event.seq is not None or not isinstance(event, CaptureStatus):  # not five levels a second
            _say([event_json.line(event).decode().rstrip()])

    def on_reply(reply: Reply) -> None:
        if on_terminal:
            panel.on_status(reply)
        elif not as_json:
            _say(story.on_status(reply) + lines.on(reply))

    events = Subscription(loop, context, paths, on_event)
    events.begin(None)
    try:
        _show(loop, asking, on_reply, (lambda c, r: panel.page(c, r, _clock())) if on_terminal else None)
    finally:
        events.end()
        context.destroy(linger=0)


def repeat(
    client: Client,
    request: Message,
    as_json: bool,
    lines_of: Callable[[Reply], list[str]],
    facts_of: Callable[[Reply], Facts],
) -> None:
    """A reply, kept up to date: `lines_of` it fill the terminal, changes of its facts are lines in a pipe."""
    asking = Asking(client, request)
    on_terminal = can_draw() and not as_json
    lines = Lines(facts_of)
    shown: list[str] = []

    def on_reply(reply: Reply) -> None:
        changed = lines.on(reply)
        if on_terminal:
            shown[:] = lines_of(reply)
        elif as_json and changed:
            _say([json.dumps(reply, ensure_ascii=False)])
        elif not as_json:
            _say(changed)

    def page(columns: int, rows: int) -> list[Row]:
        text = [Row(head(line, columns)) for line in shown]
        return text if len(text) <= rows else [*text[: rows - 1], Row(f"… {len(text) - rows + 1} more lines")]

    _show(Loop(), asking, on_reply, page if on_terminal else None)


class Lines:
    """Turns replies into lines that tell what has changed, with the time of day."""

    def __init__(self, facts_of: Callable[[Reply], Facts]) -> None:
        self._facts_of = facts_of
        self._known: Facts = {}

    def on(self, reply: Reply) -> list[str]:
        facts = self._facts_of(reply)
        changed, self._known = changes.between(self._known, facts), facts
        return [f"{_clock()} {line}" for line in changed]


def _show(loop: Loop, asking: Asking, on_reply: Callable[[Reply], None], page: Page | None) -> None:
    """Runs until q, Ctrl-C or SIGTERM, or until nobody answers any more."""

    def take() -> None:
        if (reply := asking.take()) is not None:
            on_reply(reply)

    former = signal.signal(signal.SIGTERM, _leave)
    try:
        if page is None:
            loop.every(DRAW_EVERY_S, take)
            loop.run()
        else:
            _draw(loop, take, page)
    except KeyboardInterrupt:
        pass  # Ctrl-C leaves; the stack goes on
    finally:
        signal.signal(signal.SIGTERM, former)
        asking.end()


def _draw(loop: Loop, take: Callable[[], None], page: Page) -> None:
    with FullScreen(colour=not os.environ.get("NO_COLOR")) as screen:

        def turn() -> None:
            take()
            screen.draw(page(*size()))
            if screen.keys.fd is None:
                on_key()

        def on_key() -> None:
            if screen.wants_to_leave():
                loop.stop()

        if screen.keys.fd is not None:
            loop.on_readable(screen.keys.fd, on_key)
        loop.every(DRAW_EVERY_S, turn)
        loop.run()


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _clock() -> str:
    return f"{datetime.now():%H:%M:%S}"


def _say(lines: list[str]) -> None:
    for line in lines:
        click.echo(line)
