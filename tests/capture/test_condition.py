import pytest

from causal.capture.condition import condition_of
from causal.capture.intake import Intake
from causal.capture.line import Line, Track
from causal.capture.ring import Ring
from causal.errors import SourceError
from causal.testing.fake_source import FakeSource

S = 1_000_000_000


@pytest.fixture
def track():
    """A microphone that was opened at 10 s and is heard at 20 s."""
    line = Line("fake:a", FakeSource(), 0, 0, Intake(lambda: None, now_ns=lambda: 10 * S), quiet_since_ns=20 * S)
    line.intake.heard_ns = 20 * S
    return Track("s/mic", "mic", Ring(1.0), 0, 0, line)


def test_what_is_heard_is_captured_and_needs_no_advice(track):
    condition = condition_of(track, "input", 20 * S)
    assert (condition.device, condition.state, condition.error, condition.hint) == ("fake:a", "capturing", None, "")


def test_without_a_device_it_is_starting_or_failed(track):
    track.line = None
    assert condition_of(track, None, 20 * S).state == "starting"
    track.error = SourceError("device-not-found", "there is no microphone", retryable=True)
    condition = condition_of(track, None, 20 * S)
    assert (condition.state, condition.retrying, condition.error) == ("failed", True, track.error)


@pytest.mark.parametrize(
    ("sounded_s", "state"), [(None, "muted"), (9.0, "muted"), (10.5, "muted"), (12.0, "capturing")]
)
def test_muted_is_what_is_not_heard_since_the_system_said_so(track, sounded_s, state):
    track.line.intake.on_state("muted", "unmute it")
    track.sounded_ns = None if sounded_s is None else round(sounded_s * S)
    assert condition_of(track, "input", 20 * S).state == state


def test_a_stream_that_is_over_has_stopped_or_failed_for_good(track):
    track.over = True
    assert condition_of(track, "input", 20 * S).state == "stopped"
    track.error = SourceError("device-not-found", "no such file")
    condition = condition_of(track, "input", 20 * S)
    assert (condition.state, condition.retrying) == ("failed", False)
