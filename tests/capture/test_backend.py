import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from causal.capture import backend
from causal.capture.backend import load_backends
from causal.testing.fake_source import FakeSource


@pytest.mark.parametrize(("system", "own"), [("linux", "pulse"), ("darwin", "tap")])
def test_our_own_backends_enter_by_the_public_door(monkeypatch, system, own):
    monkeypatch.setattr(sys, "platform", system)
    found = load_backends(50)
    assert {"pulse", "tap"} & set(found) == {own}
    assert not found["file"].live
    assert found[own].live


def test_a_backend_that_cannot_be_loaded_is_left_out_and_named(monkeypatch, caplog):
    entries = [
        EntryPoint("broken", "causal.no_such_module:Backend", backend.GROUP),
        EntryPoint("fake", "causal.testing.fake_source:FakeSource", backend.GROUP),
    ]
    monkeypatch.setattr(backend, "entry_points", lambda group: entries)
    found = load_backends(20)
    assert list(found) == ["fake"]
    assert isinstance(found["fake"], FakeSource)
    assert found["fake"].block_ms == 20
    assert "broken" in caplog.text


def test_loading_backends_loads_no_system_library():
    program = (
        "import sys; from causal.capture.backend import load_backends; load_backends(50);"
        "print([m for m in ('pulsectl', 'soundfile') if m in sys.modules],"
        "'libpulse' in open('/proc/self/maps').read() if sys.platform == 'linux' else False)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"
