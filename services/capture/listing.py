"""What can be heard now, by all backends: asked at each change, and again whoever fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from causal.clock import NS_PER_S
from causal.errors import SourceError
from causal.messages.control import Device, DeviceKind

from .backend import Backend, Stream, told

AGAIN_FIRST_S, AGAIN_SLOWEST_S = 1.0, 30.0
"""A backend that could not tell its devices is asked again after such times: nobody may say that it can now."""


@dataclass(eq=False)
class _Asked:
    """A backend, and what it answered."""

    name: str
    backend: Backend
    followed: bool = False
    watch: Stream | None = None
    devices: tuple[Device, ...] = ()
    problem: SourceError | None = None
    tries: int = 0
    """How often it has failed since it answered."""
    again_ns: int = 0


class Listing:
    """Lives on one thread; backends say on any that something may have changed, and `on_change` is called there."""

    def __init__(self, backends: Mapping[str, Backend], on_change: Callable[[], None]) -> None:
        self.devices: tuple[Device, ...] | None = None
        """All that can be heard now; None before the first tick has asked."""
        self._on_change = on_change
        self._stale = True
        self._asked = [_Asked(name, backend) for name, backend in backends.items()]
        for one in self._asked:
            self._follow(one)

    def close(self) -> None:
        """Nothing is followed any more."""
        for one in self._asked:
            if one.watch is not None:
                one.watch.close()
                one.watch = None

    @property
    def problems(self) -> list[SourceError]:
        """What keeps backends from telling their devices."""
        return [one.problem for one in self._asked if one.problem is not None]

    def kind_of(self, device_id: str) -> DeviceKind | None:
        return next((device.kind for device in self.devices or () if device.id == device_id), None)

    def tick(self, now_ns: int) -> bool:
        """Asks all backends if one said that something may have changed, else those that failed, when it is time.
        Whether anybody was asked."""
        stale, self._stale = self._stale, False
        due = [one for one in self._asked if stale or (one.problem is not None and now_ns >= one.again_ns)]
        for one in due:
            self._ask(one, now_ns)
        if due or stale:
            self.devices = tuple(device for one in self._asked for device in one.devices)
        return bool(due)

    def _note_change(self) -> None:
        self._stale = True
        self._on_change()

    def _follow(self, one: _Asked) -> None:
        try:
            with told(f"the changes of {one.name} cannot be followed"):
                one.watch = one.backend.watch(self._note_change)
            one.followed, one.problem = True, None
        except SourceError as error:
            one.problem = error

    def _ask(self, one: _Asked, now_ns: int) -> None:
        one.problem = None
        if not one.followed:
            self._follow(one)
        try:
            with told(f"the devices of {one.name} cannot be listed"):
                one.devices = tuple(one.backend.devices())
        except SourceError as error:
            one.devices, one.problem = (), error
        if one.problem is None:
            one.tries = 0
        else:
            one.again_ns = now_ns + round(min(AGAIN_SLOWEST_S, AGAIN_FIRST_S * 2.0 ** min(one.tries, 9)) * NS_PER_S)
            one.tries += 1
