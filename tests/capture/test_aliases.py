import pytest

from causal.capture.aliases import resolve
from causal.errors import SourceError
from causal.messages.control import Device


def device(name, kind, default=False):
    return Device(id=f"x:{name}", name=name, kind=kind, backend="x", default=default, channels=1, rate_hz=48_000)


def test_an_id_stands_for_itself_whether_it_is_there_or_not():
    assert resolve("pulse:anything", []) == "pulse:anything"


def test_mic_and_system_are_the_defaults_of_their_kinds():
    devices = [device("a", "input"), device("b", "input", True), device("c", "loopback", True)]
    assert resolve("mic", devices) == "x:b"
    assert resolve("system", devices) == "x:c"


@pytest.mark.parametrize(("alias", "other"), [("mic", "loopback"), ("system", "input")])
def test_one_kind_never_stands_in_for_the_other(alias, other):
    with pytest.raises(SourceError, match="there is no") as caught:
        resolve(alias, [device("a", other, True)])
    assert caught.value.retryable


def test_without_a_default_the_hint_names_one_to_choose():
    with pytest.raises(SourceError, match="no default") as caught:
        resolve("mic", [device("a", "input")])
    assert "x:a" in caught.value.hint


def test_why_devices_cannot_be_listed_comes_before_that_there_are_none():
    problem = SourceError("device-unavailable", "no sound server answers")
    with pytest.raises(SourceError, match="no sound server"):
        resolve("mic", [], [problem])
