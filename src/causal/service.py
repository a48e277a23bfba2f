"""What every worker has: settings, directories, a lock, a loop, and an orderly end.

    with service.opened("broker", options, Loop()) as me:
        Broker(me)
        me.loop.run()

SIGTERM, Ctrl-C and the parent's death all come as one call of what was given to `on_stop`, from within the loop.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import click
import zmq

from causal import settings as settings_module
from causal import transport
from causal.errors import ConfigError
from causal.loop import AnyLoop
from causal.paths import Paths, locked
from causal.process import EXIT_CONFIG, STOP_SIGNALS, Lifeline
from causal.settings import Settings
from causal.transport import Doors, Lines
from causal.waker import Waker

log = logging.getLogger("causal.service")

L = TypeVar("L", bound=AnyLoop)
F = TypeVar("F", bound=Callable[..., Any])

HEARTBEAT_S = 1.0
PRIVATE = 0o077
"""What is taken from the rights of all new files: sound and words are for this user alone, also in a data directory
that others may look into."""
MAX_INSTANCE = 99
"""The names of sockets have room for two digits (`causal.paths`)."""


@dataclass(frozen=True)
class Options:
    """What the command line says to every service."""

    instance: str = "1"
    flags: dict[str, str] = field(default_factory=dict)


@dataclass
class Service(Generic[L]):
    """A worker's surroundings."""

    name: str
    instance: str
    settings: Settings
    paths: Paths
    context: zmq.Context[zmq.Socket[bytes]]
    loop: L
    doors: Doors
    lines: Lines
    stopping: bool = False
    _on_stop: list[Callable[[], None]] = field(default_factory=list)
    _on_end: list[Callable[[], None]] = field(default_factory=list)

    def bind(self, socket: zmq.Socket[bytes], name: str) -> None:
        """Binds one of the stack's sockets, for this process."""
        had_gate = self.doors.gate is not None
        self.doors.bind(socket, name)
        if not had_gate and (gate := self.doors.gate) is not None:
            self.loop.on_readable(gate.socket, gate.answer)

    def connect(self, socket: zmq.Socket[bytes], name: str) -> None:
        """Connects to one of the stack's sockets, wherever it is, and follows it when it moves."""
        self.lines.connect(socket, name)

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Calls `callback` once when the service shall end. It drains, then stops the loop, within 4 s."""
        self._on_stop.append(callback)

    def on_end(self, callback: Callable[[], None]) -> None:
        """Calls `callback` when the loop has ended in good order, while the sockets are still open."""
        self._on_end.append(callback)

    def end(self) -> None:
        """Says the last words. `opened` does it."""
        for callback in self._on_end:
            callback()

    def stop(self) -> None:
        """Begins the end, as SIGTERM does."""
        if not self.stopping:
            self.stopping = True
            for callback in self._on_stop:
                callback()


def options(command: F) -> F:
    """Adds the options of every service to a click command, which gets them as `options`."""

    @click.option(
        "--instance",
        type=click.IntRange(1, MAX_INSTANCE),
        default=_own_instance,
        help="Which worker of this service: 1, 2 …",
    )
    @click.option("--no-respawn", is_flag=True, help="Without a parent that restarts it when it dies or freezes.")
    @click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Overrides a setting.")
    @functools.wraps(command)
    def with_options(*args: Any, instance: int, no_respawn: bool, assignments: tuple[str, ...], **kwargs: Any) -> Any:
        del no_respawn  # process.main has acted on it
        return command(*args, options=Options(str(instance), parse_flags(assignments)), **kwargs)

    return with_options  # type: ignore[return-value]


@contextlib.contextmanager
def opened(name: str, options: Options, loop: L, *, lock: bool = True, owns_data: bool = False) -> Iterator[Service[L]]:
    """A service with everything open. Ends the process with exit code 2 at a configuration error that all share.

    `lock` keeps a second one of this instance out of the runtime directory; the service that `owns_data` also keeps
    the stack of another runtime directory out of the data directory.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(os.umask, os.umask(PRIVATE))
        try:
            settings = settings_module.load(options.flags)
            _set_up_log(settings)
            paths = Paths.from_environment()
            paths.make()
            what = f"causal-{name}" + ("" if options.instance == "1" else f" --instance {options.instance}")
            if lock:
                stack.enter_context(locked(paths.runtime / f"{name}-{options.instance}.lock", what))
            if owns_data:
                stack.enter_context(locked(paths.data / f"{name}.lock", what))
            kind = transport.chosen(settings.transport)
        except ConfigError as error:
            click.echo(f"causal-{name}: {error}", err=True)
            sys.exit(EXIT_CONFIG)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        stack.callback(context.destroy, linger=300)
        doors, lines = Doors(context, paths, kind), Lines(paths)
        stack.callback(doors.close)
        service = Service(name, options.instance, settings, paths, context, loop, doors, lines)
        loop.every(transport.PICK_UP_S, lines.renew)
        _tie_to_parent(service, loop)
        stack.enter_context(_stop_on_signals(service, loop))
        gc.collect()
        gc.freeze()  # a full collection would pause the loop for 10-18 ms
        try:
            yield service
        except ConfigError as error:
            click.echo(f"causal-{name}: {error}", err=True)
            sys.exit(1)  # the others may go on, and this one is tried again
        service.end()


def parse_flags(assignments: tuple[str, ...]) -> dict[str, str]:
    """`KEY=VALUE` texts as a map. Raises click's usage error for anything else."""
    flags = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"--set {text}: expected KEY=VALUE")
        flags[key.strip()] = value
    return flags


def _own_instance() -> str:
    """honcho calls the second process of `resample` `resample.2`."""
    return os.environ.get("HONCHO_PROCESS_NAME", "").partition(".")[2] or "1"


def _set_up_log(settings: Settings) -> None:
    logging.basicConfig(
        level=settings.log_level.upper(), stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", force=True
    )
    for noisy in ("websockets", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))


def _tie_to_parent(service: Service[L], loop: L) -> None:
    lifeline = Lifeline()
    loop.every(HEARTBEAT_S, lifeline.beat)
    if lifeline.parent_fd is not None:
        fd = lifeline.parent_fd

        def parent_gone() -> None:
            loop.forget(fd)
            if lifeline.is_orphan:
                log.warning("the parent process is gone; stopping")
            service.stop()

        loop.on_readable(fd, parent_gone)


@contextlib.contextmanager
def _stop_on_signals(service: Service[L], loop: L) -> Iterator[None]:
    waker = Waker()

    def on_wake() -> None:
        waker.rest()
        service.stop()

    loop.on_readable(waker.fd, on_wake)
    former = {number: signal.signal(number, lambda *_: waker.wake()) for number in (signal.SIGTERM, *STOP_SIGNALS)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        with contextlib.suppress(RuntimeError):  # asyncio's loop may be closed already
            loop.forget(waker.fd)
        waker.close()
