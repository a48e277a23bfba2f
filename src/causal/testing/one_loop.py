"""Services, and whatever talks to them, on one loop in one thread: real sockets, no processes.

with OneLoop(tmp_path) as stack:
    stack.start_broker()
    subscription = Subscription(stack.loop, stack.context, stack.paths, events.append)
    stack.publish(Gap(...))
    stack.run_until(lambda: events)
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import zmq

from causal import settings
from causal.broker_link import BrokerLink
from causal.loop import Loop, Readable, Timer
from causal.messages import Event
from causal.paths import Paths
from causal.service import Service
from causal.transport import PICK_UP_S, Doors, Lines, chosen

LOOK_EVERY_S = 0.005


class _ResumableLoop(Loop):
    def run(self) -> None:
        self._running = True
        super().run()


class OwnEnd:
    """The common loop as one service has it: when that one ends, the others go on."""

    def __init__(self, loop: Loop) -> None:
        self.ended = False
        """Whether the service has asked for its end."""
        self._loop = loop

    def on_readable(self, source: Readable, callback: Callable[[], None]) -> None:
        self._loop.on_readable(source, callback)

    def forget(self, source: Readable) -> None:
        self._loop.forget(source)

    def look_again(self, source: Readable) -> None:
        self._loop.look_again(source)

    def every(self, period_s: float, callback: Callable[[], None]) -> Timer:
        return self._loop.every(period_s, lambda: None if self.ended else callback())

    def stop(self) -> None:
        self.ended = True


class OneLoop:
    """On exit it says bye to the broker, which else would wait for more when it ends, and closes all its sockets."""

    def __init__(self, folder: Path | Paths) -> None:
        """`folder` is for the data; or the directories of a stack that runs already, to talk to."""
        self._own = Path(tempfile.mkdtemp(prefix="causal-"))  # a socket's path must be short
        self.paths = folder if isinstance(folder, Paths) else Paths(self._own, folder / "data", folder / "cache")
        self.paths.make()
        self.loop: Loop = _ResumableLoop()
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._doors = Doors(self.context, self.paths, chosen("auto"))
        self._lines = Lines(self.paths)
        self._publisher: BrokerLink | None = None
        self._condition: Callable[[], object] = bool
        self._looks_left = 0
        self._holds = False
        self.loop.every(LOOK_EVERY_S, self._look)
        self.loop.every(PICK_UP_S, self._lines.renew)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._publisher is not None:
            self._publisher.say_bye()
            self._publisher.close()
        self.context.destroy(linger=0)
        shutil.rmtree(self._own, ignore_errors=True)

    def service(self, name: str, instance: str = "1") -> Service[Any]:
        """The surroundings of a worker that runs on this loop; `loop.ended` says whether it has ended."""
        values = settings.load({}, {})
        return Service(name, instance, values, self.paths, self.context, OwnEnd(self.loop), self._doors, self._lines)

    def bind(self, socket: zmq.Socket[bytes], name: str) -> None:
        """Binds by name, in the place of a service."""
        self.service("test").bind(socket, name)

    def connect(self, socket: zmq.Socket[bytes], name: str) -> None:
        """Connects by name, as a service does."""
        self._lines.connect(socket, name)

    def publish(self, *events: Event) -> None:
        """Sends durable events to the broker, which must run here, and waits until it has stored them."""
        link = self._link()
        for event in events:
            link.publish(event)
        self.run_until(lambda: link.idle)

    def emit(self, event: Event) -> None:
        """Sends an ephemeral event."""
        self._link().emit(event)

    def say_bye(self) -> None:
        """Tells the broker that nothing more will be published here."""
        self._link().say_bye()

    def run_until(self, condition: Callable[[], object], within_s: float = 20.0) -> None:
        """Turns the loop until `condition` holds. Raises `TimeoutError` if it does not come to that.

        The time is counted in looks, of which a process that stands still has none."""
        self._condition, self._looks_left = condition, round(within_s / LOOK_EVERY_S)
        self.loop.run()
        if not self._holds:
            raise TimeoutError(f"not within {within_s} s")

    def _look(self) -> None:
        self._looks_left -= 1
        self._holds = bool(self._condition())
        if self._holds or self._looks_left <= 0:
            self.loop.stop()

    def _link(self) -> BrokerLink:
        self._publisher = self._publisher or BrokerLink(self.service("test"))
        return self._publisher
