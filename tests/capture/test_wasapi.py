import sys
import threading
from typing import ClassVar

import numpy as np
import pytest

from causal import clock
from causal.capture import driver_stream, endpoints, wasapi
from causal.capture.hub import Hub
from causal.capture.ring import Ring
from causal.capture.wasapi import WasapiBackend
from causal.errors import SourceError
from causal.testing.fake_wasapi import FakeWindows


@pytest.fixture
def windows(monkeypatch):
    machine = FakeWindows()
    monkeypatch.setattr(endpoints, "read", machine.read)
    monkeypatch.setattr(wasapi, "LOOK_EVERY_S", 0.01)
    return machine


def test_an_output_is_a_loopback_and_ids_are_those_of_windows(windows):
    speakers = windows.add("Lautsprecher", plays=True, default=True, channels=8, rate_hz=96_000)
    mic = windows.add("Mikrofon", default=True, channels=1)
    listed = {d.id: (d.name, d.kind, d.default, d.channels, d.rate_hz) for d in WasapiBackend().devices()}
    assert listed == {
        f"wasapi:{speakers.id}": ("Lautsprecher", "loopback", True, 8, 96_000),
        f"wasapi:{mic.id}": ("Mikrofon", "input", True, 1, 48_000),
    }


def test_another_default_and_another_device_are_changes(windows):
    first = windows.add("Lautsprecher", plays=True, default=True)
    changes = threading.Semaphore(0)
    backend = WasapiBackend()
    watch = backend.watch(changes.release)
    assert changes.acquire(timeout=10)
    windows.endpoints = [first._replace(default=False)]
    windows.add("Kopfhörer", plays=True, default=True)
    assert changes.acquire(timeout=10)
    while sum(device.default for device in backend.devices()) != 1 or len(backend.devices()) != 2:
        assert changes.acquire(timeout=10)
    assert next(device.name for device in backend.devices() if device.default) == "Kopfhörer"
    watch.close()


def test_what_is_opened_must_be_what_was_listed(windows, monkeypatch):
    speakers = windows.add("Lautsprecher", plays=True)
    orders = []
    monkeypatch.setattr(driver_stream, "DriverStream", lambda module, order, listener: orders.append((module, order)))
    backend = WasapiBackend(20)
    backend.devices()
    backend.open(f"wasapi:{speakers.id}", None)
    ((module, order),) = orders
    assert module == "causal.capture.wasapi_driver"
    assert (order.device, order.kind, order.block_ms) == (f"wasapi:{speakers.id}", "loopback", 20)


@pytest.mark.skipif(sys.platform == "win32", reason="is about other systems")
def test_elsewhere_than_on_windows_there_are_no_endpoints():
    with pytest.raises(SourceError, match="Windows"):
        WasapiBackend().devices()


class Process:
    """Stands for a driver process: delivers when the test says so."""

    opened: ClassVar[list["Process"]] = []

    def __init__(self, module, order, listener):
        self.order, self.listener, self.closed = order, listener, False
        listener.on_format(48_000, 2)
        Process.opened.append(self)

    def deliver(self):
        self.listener.on_samples(np.full((2400, 2), 0.5, np.float32), clock.now_ns() - 50_000_000)

    def close(self):
        self.closed = True


def test_system_follows_the_default_output_and_waits_when_there_is_none(windows, monkeypatch):
    monkeypatch.setattr(driver_stream, "DriverStream", Process)
    monkeypatch.setattr(Process, "opened", [])
    speakers = windows.add("Lautsprecher", plays=True, default=True)
    windows.add("Mikrofon", default=True)
    changes = threading.Semaphore(0)
    hub = Hub({"wasapi": WasapiBackend()}, wake=changes.release)
    ring = Ring(10.0)

    def until(what):
        while not what():
            assert changes.acquire(timeout=10)
            hub.tick()

    hub.add("s/system", "system", ring, origin_ns=clock.now_ns())
    hub.tick()
    until(lambda: Process.opened)
    Process.opened[0].deliver()
    phones = windows.add("Kopfhörer", plays=True)
    windows.endpoints = [speakers._replace(default=False), windows.endpoints[1], phones._replace(default=True)]
    until(lambda: len(Process.opened) == 2)
    assert not Process.opened[0].closed, "the old one is heard until the new one delivers"
    Process.opened[1].deliver()
    until(lambda: Process.opened[0].closed)
    windows.endpoints = [windows.endpoints[1]]
    error = SourceError("device-lost", "Kopfhörer has gone", retryable=True)
    Process.opened[1].listener.on_lost(error)
    until(lambda: hub.condition("s/system").state == "failed")
    assert {process.order.device for process in Process.opened} == {f"wasapi:{speakers.id}", f"wasapi:{phones.id}"}
    hub.close()
