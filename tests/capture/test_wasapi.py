import threading

import pytest

from causal.capture import driver_stream, endpoints, wasapi
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


def test_elsewhere_than_on_windows_there_are_no_endpoints():
    with pytest.raises(SourceError, match="Windows"):
        WasapiBackend().devices()
