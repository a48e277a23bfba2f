"""The backends that are used, and the one in the place of another that does not answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from causal.errors import SourceError
from causal.messages.control import Device
from causal.source_choice import OURS, groups

from .backend import Backend, Listener, Stream


def choose(backends: Mapping[str, Backend], wanted: str, system: str) -> dict[str, Backend]:
    """The backends for a hub, by name. `wanted` is the setting `backend`, `system` is as `sys.platform` says."""
    chosen: dict[str, Backend] = {name: backend for name, backend in backends.items() if name not in OURS}
    for group in groups(wanted, system):
        names = [name for name in group if name in backends]
        chosen |= {name: Unlisted(backends[name]) for name in names[1:]}
        chosen |= {name: FirstOf([backends[name] for name in names]) for name in names[:1]}
    return chosen


class FirstOf:
    """Lists the devices of the first backend that can tell them; opens those of the first one, whose place it has.

    When the first one has answered once, the others are not asked again: a sound server that is away for a moment
    must find its devices free when it comes back.
    """

    def __init__(self, backends: Sequence[Backend]) -> None:
        self.live = True
        self._backends = backends
        self._first = False
        """Whether the first one has answered."""
        self._watches: dict[int, Stream] = {}
        self._on_change: Callable[[], None] | None = None

    def devices(self) -> list[Device]:
        """Raises the first one's `SourceError` when none of them has a device."""
        try:
            found = self._backends[0].devices()
        except SourceError as error:
            if self._first:
                raise
            return self._from_others(error)
        self._first = True
        self._stop(range(1, len(self._backends)))
        return found

    def open(self, device_id: str, listener: Listener) -> Stream:
        return self._backends[0].open(device_id, listener)

    def watch(self, on_change: Callable[[], None]) -> Stream | None:
        """What cannot be watched is no obstacle: the others may be."""
        self._on_change = on_change
        try:
            self._watch(0)
        except SourceError:
            self._from_others(None)
        return self

    def close(self) -> None:
        """Ends all watching."""
        self._on_change = None
        self._stop(range(len(self._backends)))

    def _from_others(self, error: SourceError | None) -> list[Device]:
        for number, backend in enumerate(self._backends[1:], 1):
            try:
                self._watch(number)
                if found := backend.devices():
                    return found
            except SourceError:
                continue
        if error is not None:
            raise error
        return []

    def _watch(self, number: int) -> None:
        if self._on_change is not None and number not in self._watches:
            watch = self._backends[number].watch(self._on_change)
            if watch is not None:
                self._watches[number] = watch

    def _stop(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            if watch := self._watches.pop(number, None):
                watch.close()


class Unlisted:
    """A backend in the second place: `FirstOf` lists its devices, and each is opened here, by its name."""

    def __init__(self, backend: Backend) -> None:
        self.live = backend.live
        self._backend = backend

    def devices(self) -> list[Device]:
        """None: `FirstOf` has them."""
        return []

    def open(self, device_id: str, listener: Listener) -> Stream:
        return self._backend.open(device_id, listener)

    def watch(self, on_change: Callable[[], None]) -> Stream | None:
        return None
