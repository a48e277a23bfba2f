"""A list of devices that nobody reports changes of: read anew when a cheap sign of it differs, else at intervals."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from causal.errors import SourceError
from causal.messages.control import Device, DeviceKind

log = logging.getLogger(__name__)

RETRY_AFTER_S = 60.0


class PolledDevices:
    """Keeps the newest list, by a thread of its own, which calls `on_change` when it differs from the one before.

    `sign` is asked every `every_s`, and `read` when its answer is another one; without a `sign`, `read` is asked
    each time. What could not be read is tried again after `RETRY_AFTER_S`.
    """

    def __init__(
        self,
        read: Callable[[], list[Device]],
        on_change: Callable[[], None],
        every_s: float,
        sign: Callable[[], object] | None = None,
    ) -> None:
        self._read = read
        self._on_change = on_change
        self._every_s = every_s
        self._sign = sign
        self._found: list[Device] | SourceError = SourceError(
            "device-unavailable", "the devices are not known yet", "They are being looked for.", retryable=True
        )
        self._retry_s = 0.0
        self._known = threading.Event()
        self._asked = False
        self._closing = threading.Event()
        threading.Thread(target=self._run, name="devices", daemon=True).start()

    def wait(self, timeout_s: float) -> list[Device]:
        """The newest list; the first call waits for one. Raises `SourceError`."""
        if not self._asked:
            self._asked = True
            self._known.wait(timeout_s)
        found = self._found
        if isinstance(found, SourceError):
            raise found.with_traceback(None)
        return found

    def kind_of(self, device_id: str) -> DeviceKind | None:
        """The kind of a device that was listed last, None when it was not."""
        found = [] if isinstance(self._found, SourceError) else self._found
        return next((device.kind for device in found if device.id == device_id), None)

    def close(self) -> None:
        """Nothing is told any more; the thread ends when what it reads has answered."""
        self._closing.set()

    def _run(self) -> None:
        last: object = None
        failed = False
        while not self._closing.is_set():
            sign = self._ask_sign()
            if self._sign is None or sign != last or time.monotonic() >= self._retry_s:
                last = sign
                self._look()
                failed = isinstance(self._found, SourceError)
                self._retry_s = time.monotonic() + RETRY_AFTER_S if failed else math.inf
            self._closing.wait(self._every_s if self._sign or not failed else RETRY_AFTER_S)

    def _ask_sign(self) -> object:
        """One that cannot be asked is no end: what it says instead is a sign too."""
        try:
            return self._sign() if self._sign else None
        except Exception as error:
            return repr(error)

    def _look(self) -> None:
        before = self._found
        try:
            self._found = self._read()
        except SourceError as error:
            self._found = error
        except Exception as error:
            self._found = SourceError("internal", f"the devices cannot be listed: {error!r}", retryable=True)
        first = not self._known.is_set()
        self._known.set()
        if (first or _essence(before) != _essence(self._found)) and not self._closing.is_set():
            if isinstance(self._found, SourceError):
                log.info("%s", self._found.message)
            self._on_change()


def _essence(found: list[Device] | SourceError) -> object:
    return str(found) if isinstance(found, SourceError) else found


class Watchers:
    """Who wants to know of changes: while there is anybody, or `devices` was asked, the list is kept up to date."""

    def __init__(self, start: Callable[[Callable[[], None]], PolledDevices]) -> None:
        self._start = start
        self._devices: PolledDevices | None = None
        self._told: list[Callable[[], None]] = []

    def devices(self) -> PolledDevices:
        if self._devices is None:
            self._devices = self._start(self._tell)
        return self._devices

    def kind_of(self, device_id: str) -> DeviceKind | None:
        """The kind of a device that was listed last, None when it was not."""
        return self._devices.kind_of(device_id) if self._devices else None

    def watch(self, on_change: Callable[[], None]) -> Watch:
        """Calls `on_change` on another thread at each change, until it is closed."""
        self._told.append(on_change)
        self.devices()
        return Watch(lambda: self._unwatch(on_change))

    def _unwatch(self, on_change: Callable[[], None]) -> None:
        self._told.remove(on_change)
        if not self._told and self._devices is not None:
            self._devices.close()
            self._devices = None

    def _tell(self) -> None:
        for on_change in list(self._told):
            on_change()


class Watch:
    """Ends by `close`."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end

    def close(self) -> None:
        self._end()
