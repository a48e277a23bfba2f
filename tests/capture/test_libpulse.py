import ctypes

import pytest

from causal.capture import libpulse
from causal.capture.pulse import PulseBackend
from causal.errors import SourceError


@pytest.fixture
def without_libpulse(monkeypatch):
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    libpulse.library.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", missing)
    yield
    libpulse.library.cache_clear()


def test_a_missing_library_is_an_error_that_names_the_package(without_libpulse):
    with pytest.raises(SourceError, match=r"libpulse\.so\.0") as caught:
        PulseBackend(50).devices()
    assert caught.value.code == "device-unavailable"
    assert "libpulse0" in caught.value.hint


def test_a_missing_library_does_not_keep_the_backend_from_being_made(without_libpulse):
    assert PulseBackend(50).live
