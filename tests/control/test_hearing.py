"""Which backends `causal-ctl doctor` listens with."""

import sys
from importlib.metadata import EntryPoint

import pytest

from causal.control import hearing
from causal.errors import SourceError
from causal.testing.fake_source import FakeSource

NAMES = ("file", "portaudio", "pulse", "radio", "soundcard")


@pytest.fixture
def backends(monkeypatch):
    """Each with a microphone that has gone by the time it is opened; by their names."""
    made = {name: FakeSource(live=name != "file") for name in NAMES}
    for name, backend in made.items():
        backend.add(f"{name}:mic", default=True)
    entries = [EntryPoint(name, f"causal_fake_{name}:Backend", hearing.GROUP) for name in NAMES]
    monkeypatch.setattr(hearing, "entry_points", lambda group: entries)
    monkeypatch.setattr(EntryPoint, "load", lambda entry: lambda block_ms: made[entry.name])
    monkeypatch.setattr(hearing, "WITHIN_S", 0.0)
    monkeypatch.setattr(sys, "platform", "linux")
    return made


def heard(wanted="auto"):
    found = hearing.hear(wanted)
    return [device.id for device in found.devices], [problem.message for problem in found.problems]


def test_one_backend_of_ours_is_listened_with_and_those_of_others(backends):
    assert heard() == (["pulse:mic", "radio:mic"], [])
    assert backends["portaudio"].opened == []


def test_the_setting_chooses(backends):
    assert heard("soundcard") == (["soundcard:mic", "radio:mic"], [])


def test_where_the_first_does_not_answer_the_next_takes_its_place(backends):
    backends["pulse"].problem = SourceError("device-unavailable", "no sound server answers")
    assert heard() == (["portaudio:mic", "radio:mic"], [])


def test_when_none_answers_the_first_ones_reason_is_told(backends):
    backends["pulse"].problem = SourceError("device-unavailable", "no sound server answers")
    backends["portaudio"].problem = SourceError("device-unavailable", "PortAudio cannot be loaded")
    assert heard() == (["radio:mic"], ["no sound server answers"])


def test_a_server_without_devices_is_an_answer(backends):
    backends["pulse"].lose("pulse:mic")
    assert heard() == (["radio:mic"], [])
