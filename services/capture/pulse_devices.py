"""What a sound server has to hear, kept up to date by a thread of its own. Only to be imported where libpulse is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulsectl
from pulsectl import _pulsectl as types

from causal.errors import SourceError
from causal.messages.control import Device

from .pulse_loudness import Loudness, loudness_of
from .pulse_stream import no_server

log = logging.getLogger(__name__)

RETRY_FIRST_S, RETRY_SLOWEST_S = 0.1, 1.0
"""A server that is restarted is back at once; one that does not run is asked once a second."""


@dataclass(frozen=True)
class Snapshot:
    """All devices of one moment, or why they are not known."""

    devices: tuple[Device, ...] = ()
    loudness: Mapping[str, Loudness] = field(default_factory=dict)
    """By the source's name."""
    error: SourceError | None = None


class PulseDevices:
    """Reads the list at every change that the server tells, and calls `on_change` on its own thread when it differs.
    A server that is away is tried again, every second in the end."""

    def __init__(self, on_change: Callable[[Snapshot], None], server: str | None = None) -> None:
        self.snapshot = Snapshot(error=no_server("not asked yet"))
        self._on_change = on_change
        self._server = server
        self._known = threading.Event()
        self._asked = False
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._listening: pulsectl.Pulse | None = None
        self._retry_s = RETRY_FIRST_S
        self._changed = False
        self._thread = threading.Thread(target=self._run, name="pulse-devices", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> Snapshot:
        """The newest snapshot; the first call waits for one. Later ones do not: a server may hang for ever."""
        if not self._asked:
            self._asked = True
            self._known.wait(timeout_s)
        return self.snapshot

    def close(self) -> None:
        """Ends the thread, unless a hung server holds it: then it ends with the process."""
        self._closing.set()
        for _ in range(20):
            with self._lock:
                if self._listening is not None:
                    self._listening.event_listen_stop()
            self._thread.join(0.05)
            if not self._thread.is_alive():
                return

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._follow()
            except Exception as error:  # pulsectl has no common base for its errors
                self._publish(Snapshot(error=no_server(str(error) or type(error).__name__)))
            self._closing.wait(self._retry_s)
            self._retry_s = min(RETRY_SLOWEST_S, 2 * self._retry_s)

    def _follow(self) -> None:
        with _Server("Causal devices", server=self._server, connect=False) as server:
            server.connect(autospawn=False)  # its own timeout would always be waited out
            server.event_mask_set("sink", "source", "server")
            server.event_callback_set(self._note_change)
            with self._lock:
                self._listening = server
            try:
                while not self._closing.is_set():
                    self._changed = False
                    self._publish(_read(server))
                    self._retry_s = RETRY_FIRST_S
                    while not self._changed and not self._closing.is_set():
                        server.event_listen()
            finally:
                with self._lock:
                    self._listening = None

    def _note_change(self, _event: Any) -> None:
        self._changed = True
        raise pulsectl.PulseLoopStop

    def _publish(self, snapshot: Snapshot) -> None:
        before, self.snapshot = self.snapshot, snapshot
        first = not self._known.is_set()
        self._known.set()
        if first or _essence(before) != _essence(snapshot):
            if snapshot.error is not None:
                log.info("%s", snapshot.error.message)
            self._on_change(snapshot)


class _SourceInfo(pulsectl.PulseSourceInfo):  # type: ignore[misc]
    """A source with its rate: pulsectl's own `sample_spec` points into memory that libpulse has freed by then."""

    def _init_from_struct(self, struct: Any) -> None:
        self.rate_hz = int(struct.sample_spec.rate)


class _Server(pulsectl.Pulse):  # type: ignore[misc]
    source_list = pulsectl.Pulse._pulse_get_list(
        types.PA_SOURCE_INFO_CB_T, types.pa.context_get_source_info_list, _SourceInfo
    )


def _read(server: pulsectl.Pulse) -> Snapshot:
    defaults = server.server_info()
    pipewire = "PipeWire" in (defaults.server_name or "")
    sinks = {sink.name: sink for sink in server.sink_list()}
    sources = server.source_list()
    return Snapshot(
        devices=tuple(_device(source, defaults) for source in sources),
        loudness={s.name: loudness_of(s, sinks.get(s.monitor_of_sink_name), pipewire=pipewire) for s in sources},
    )


def _device(source: Any, defaults: Any) -> Device:
    sink = source.monitor_of_sink_name
    return Device(
        id=f"pulse:{source.name}",
        name=source.description or source.name,
        kind="loopback" if sink else "input",
        backend="pulse",
        default=(sink == defaults.default_sink_name) if sink else (source.name == defaults.default_source_name),
        channels=source.channel_count,
        rate_hz=source.rate_hz,
    )


def _essence(snapshot: Snapshot) -> tuple[Any, ...]:
    return snapshot.devices, snapshot.loudness, str(snapshot.error)
