"""`causal-sink webhook`: finals by HTTP POST, in order, each at least once.

    write ──▶ Delivery (1000 events) ──thread──▶ POST ──▶ position
                  │ full: the event log keeps the rest      └─given up──▶ dead letters, a line each

The receiver's troubles are its own: the loop never waits for it, and what does not fit into memory waits in the event
log, where it is anyway.
"""

from __future__ import annotations

import hashlib
import logging
import os
import random
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

from causal import event_json
from causal.errors import CausalError, ConfigError
from causal.messages import DURABLE, EVENT_TYPES, Event, QueueDepth
from causal.messages.control import Fault

from . import post as http_post
from .delivery import CAPACITY, Dead, Delivery, Post, Settled
from .post import Receiver
from .progress import Progress
from .sink import SinkOptions

log = logging.getLogger("causal.sink")

SECRET_VARIABLE = "CAUSAL_WEBHOOK_SECRET"
LAST_WITHIN_S = 1.5
"""At the end, for what waits; the rest is sent by the next sink."""
HINT = "It is tried again; meanwhile all is kept. Is the address right, and the receiver well?"


class Delivered(msgspec.Struct):
    seq: int


class WebhookSink:
    """Keeps at most 1000 events that are not delivered; then it is closed, and opened when half of them are."""

    ephemeral = ()
    parameters = (
        click.Option(["--url"], envvar="CAUSAL_WEBHOOK_URL", required=True, help="Where to."),
        click.Option(
            ["--batch"], type=click.IntRange(1, 500), default=1, show_default=True, help="Events in one POST, at most."
        ),
        click.Option(
            ["--event", "kinds"],
            type=click.Choice(sorted(DURABLE)),
            multiple=True,
            help="What is sent, instead of finals.",
        ),
        click.Option(
            ["--give-up-after", "give_up_s"],
            type=click.FloatRange(0),
            default=7200.0,
            show_default=True,
            metavar="SECONDS",
            help="When a POST that fails becomes a dead letter.",
        ),
    )

    def __init__(self, options: SinkOptions) -> None:
        self._url = str(options.own["url"])
        self._kinds = tuple(EVENT_TYPES[kind] for kind in options.own["kinds"] or ("transcript-final",))
        self._batch: int = options.own["batch"]
        self._give_up_s: float = options.own["give_up_s"]
        self._dead_letters = Path(options.out).absolute() if options.out else _default_path(options.data, self._url)
        self._makes_folder = options.out is None
        self._courier: Courier | None = None
        self._last_seq = 0
        self._is_full = False

    def open(self) -> int | None:
        if self._courier is not None:  # it was closed because it is full
            self._courier.check()
            if self._courier.waiting > CAPACITY // 2:
                raise self._full()
            self._is_full = False
            return self._last_seq
        receiver = Receiver.of(self._url)
        if self._dead_letters == Path("-").absolute():
            raise ConfigError("dead letters cannot go to standard output", "Give --out FILE.")
        if self._makes_folder:
            self._dead_letters.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        progress = Progress(self._dead_letters.with_name(f".{self._dead_letters.name}.progress"), Delivered)
        try:
            known = progress.open(self._dead_letters)
        except BaseException:
            progress.close()
            raise
        delivery = Delivery(self._batch, self._give_up_s, random.random)
        self._courier = Courier(delivery, receiver, progress, self._dead_letters)
        return known.seq if known else None

    def write(self, event: Event) -> None:
        assert self._courier is not None
        if event.seq is None:
            return
        if not isinstance(event, self._kinds):
            self._courier.pass_by(event.seq)
        elif not self._courier.offer(event):
            self._is_full = True
            raise self._full()
        self._last_seq = event.seq

    def flush(self) -> None:
        """Raises what went wrong in the thread: the position or a dead letter could not be written."""
        assert self._courier is not None
        self._courier.check()

    def close(self) -> None:
        if self._courier is None or (self._is_full and not self._courier.has_failed):
            return  # it goes on with what it has
        self._courier.end()
        self._courier = None
        self._is_full = False

    def fault(self) -> Fault | None:
        trouble = self._courier.trouble if self._courier else None
        return Fault(code="connection-failed", message=trouble, hint=HINT, retrying=True) if trouble else None

    def queues(self) -> Mapping[str, QueueDepth]:
        waiting = self._courier.waiting if self._courier else 0
        return {"posts": QueueDepth(depth=waiting, capacity=CAPACITY)}

    def _full(self) -> CausalError:
        assert self._courier is not None
        trouble = self._courier.trouble or "the webhook is slow"
        return CausalError("connection-failed", f"{trouble}; {CAPACITY} events wait, more wait in the event log", HINT)


class Courier:
    """A thread that sends what waits, one post after the other, until `end`."""

    def __init__(self, delivery: Delivery, receiver: Receiver, progress: Progress[Delivered], letters: Path) -> None:
        self._delivery = delivery
        self._receiver = receiver
        self._progress = progress
        self._letters = letters
        self._secret = os.environ.get(SECRET_VARIABLE, "")
        self._news = threading.Condition()
        self._hurry = False
        self._has_ended = False
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    @property
    def has_failed(self) -> bool:
        """Whether the disk has ended it."""
        return self._error is not None

    @property
    def waiting(self) -> int:
        return len(self._delivery)

    @property
    def trouble(self) -> str | None:
        """What is wrong with the receiver."""
        trouble = self._delivery.trouble
        return f"the webhook {self._receiver.host} {trouble}" if trouble else None

    def offer(self, event: Event) -> bool:
        """Takes an event; False when too many wait."""
        with self._news:
            taken = self._delivery.offer(event, time.monotonic())
            self._news.notify()
            return taken

    def pass_by(self, seq: int) -> None:
        """An event that is not sent, if nothing waits before it, counts as done."""
        with self._news:
            if not len(self._delivery) and self._error is None:
                self._keep(seq)

    def check(self) -> None:
        """Raises what went wrong with the disk."""
        with self._news:
            if self._error is not None:
                raise self._error

    def end(self) -> None:
        """Sends what waits, if the receiver takes it within 1.5 s."""
        with self._news:
            self._hurry = True
            self._news.notify()
        if self._delivery.trouble is None:
            self._thread.join(LAST_WITHIN_S)
        with self._news:
            self._has_ended = True
            self._news.notify()
            self._progress.close()

    def _run(self) -> None:
        while (post := self._next()) is not None:
            body = http_post.body_of(post)
            answer = http_post.send(self._receiver, body, http_post.headers_of(post, body, self._secret))
            with self._news:
                if self._has_ended:
                    return
                before = self._delivery.trouble
                outcome = self._delivery.on_answer(answer, time.monotonic())
                self._tell(before)
                try:
                    self._settle(outcome)
                except OSError as error:
                    self._error = error
                    return

    def _next(self) -> Post | None:
        """Waits for the next post; None at the end."""
        with self._news:
            while not self._has_ended:
                found = self._delivery.next_post(time.monotonic(), hurry=self._hurry)
                if isinstance(found, Post):
                    return found
                if found is None and self._hurry:
                    return None
                self._news.wait(found)
        return None

    def _settle(self, outcome: Settled | Dead | None) -> None:
        if isinstance(outcome, Dead):
            _append(self._letters, outcome)
            log.error("%d events were given up; they are in %s", len(outcome.post.events), self._letters)
        if outcome is not None:
            self._keep(outcome.post.last_seq)

    def _keep(self, seq: int) -> None:
        self._progress.keep(Delivered(seq))

    def _tell(self, before: str | None) -> None:
        if self._delivery.trouble is None and before is not None:
            log.info("the webhook %s takes events again", self._receiver.host)
        elif self._delivery.trouble is not None and before != self._delivery.trouble:
            log.warning("%s. %s", self.trouble, HINT)


def _append(path: Path, dead: Dead) -> None:
    """A line for each event, with the reason and the time: what is needed to send it once more."""
    events = [msgspec.Raw(event_json.line(event).rstrip()) for event in dead.post.events]
    given_up_unix_s = round(time.time())
    lines = [
        msgspec.json.encode({"reason": dead.reason, "given_up_unix_s": given_up_unix_s, "event": event}) + b"\n"
        for event in events
    ]
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(fd, "wb", buffering=0) as file:
        file.write(b"".join(lines))


def _default_path(data: Path, url: str) -> Path:
    """A file for each address, without telling it."""
    return data / "webhook" / f"{hashlib.sha256(url.encode()).hexdigest()[:12]}.dead.jsonl"
