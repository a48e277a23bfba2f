"""What a sink is: the door by which all of them enter, ours and yours.

A sink is a class with three methods and a name in the entry-point group `causal.sinks`. `causal-sink NAME` calls it
with `SinkOptions`, opens it, and gives it the events; where it stood when it was killed, what it missed meanwhile and
what to do when its disk is full is not its business.

Besides, a sink may have `flush` (see `Flushing`), `fault` (see `Reporting`), `queues` (see `Holding`), and two class
attributes: `ephemeral`, the ephemeral types it wants instead of `causal.subscription.TRANSCRIPT` (none, if it only
stores: partials then do not wake it), and `parameters`, a sequence of `click.Option`, whose values it finds in
`SinkOptions.own`.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from causal import settings
from causal.messages import Event, QueueDepth
from causal.messages.control import Fault
from causal.paths import Paths
from causal.settings import Settings

GROUP = "causal.sinks"


@dataclass(frozen=True)
class SinkOptions:
    """What the command line says."""

    data: Path
    """Where Causal keeps its data; a sink without `out` puts its own there."""
    out: str | None = None
    session: str | None = None
    """Only this session is told; None means all."""
    source: str | None = None
    own: Mapping[str, Any] = field(default_factory=dict)
    """The sink's own options, by the names of its `parameters`."""
    paths: Paths = field(default_factory=Paths.from_environment)
    """The directories of the stack."""
    settings: Settings = field(default_factory=settings.load)


class Sink(Protocol):
    """A consumer of events.

    `OSError` and `CausalError` mean that it cannot work now: it is closed, its state is shown in `status`, and every
    2 s it is opened again and told everything since. A `ConfigError` at the first `open` ends the command.
    """

    def open(self) -> int | None:
        """Makes ready. Returns the `seq` of the last event that is stored for good, None if nothing is remembered."""

    def write(self, event: Event) -> None:
        """Takes an event. Durable ones have a `seq` and come in order, once; the others come as they happen."""

    def close(self) -> None:
        """Ends what `open` began; also called when that failed."""


@runtime_checkable
class Flushing(Protocol):
    """A sink that only collects in `write`."""

    def flush(self) -> None:
        """Stores what was collected. Called twice a second and before an orderly `close`; errors as in `Sink`."""


@runtime_checkable
class Reporting(Protocol):
    """A sink that may go on although something is wrong."""

    def fault(self) -> Fault | None:
        """What that is, for `status`: its receiver is away, say."""


@runtime_checkable
class Holding(Protocol):
    """A sink in which something waits."""

    def queues(self) -> Mapping[str, QueueDepth]:
        """How much, and how much may, for `status`. Also asked while the sink is closed."""


def about(make: Callable[..., object]) -> str:
    """What a sink does, in the words of its module's first paragraph and of its class."""
    module = inspect.getdoc(sys.modules[make.__module__]) or ""
    general = re.sub(r"^`causal-sink .*?`: ", "", module.partition("\n\n")[0])
    return f"{general[:1].upper()}{general[1:]} {inspect.getdoc(make) or ''}".strip()


def names() -> list[str]:
    """The sinks that are installed."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def find(name: str) -> Callable[[SinkOptions], Sink] | None:
    """The sink's class; None when there is none of this name."""
    for entry in entry_points(group=GROUP, name=name):
        make: Callable[[SinkOptions], Sink] = entry.load()
        return make
    return None
