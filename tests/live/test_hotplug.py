"""Devices that come, go and change, on a real PulseAudio and a real PipeWire."""

import itertools
from pathlib import Path

import pytest

from causal.testing.device_churn import PROCESSES, Churn
from causal.testing.pipewire_server import PrivatePipeWire
from causal.testing.pulse_server import PrivatePulse
from causal.testing.stack import Stack

pytestmark = pytest.mark.live

Server = PrivatePulse | PrivatePipeWire

WIDEST_SEAM_MS = 50.0
FOREIGN_DBFS = -40.0
"""A tone of another device would be at -12 dBFS; where a run is cut off, a little of any tone is everywhere."""


@pytest.fixture(params=["pulse_own", "pipewire"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


def seams_ms(ears) -> list[float]:
    """Between the end of each segment and the beginning of the next one, on the capture clock."""
    blocks = ears.blocks()
    return [
        (after.captured_ns - before.captured_ns) / 1e6 - len(before.samples) * 1000 / before.rate_hz
        for before, after in itertools.pairwise(blocks)
        if after.gap_reason
    ]


def test_the_seam_of_a_changed_default_is_shorter_than_50_ms(server, ears_on):
    names = ["speakers", "headphones"]
    server.add_sink("headphones")
    with ears_on(server.server) as ears:
        ears.listen("system")
        ears.hear(0.5)
        for n in range(1, 5):
            server.pactl("set-default-sink", names[n % 2])
            ears.until(lambda name=names[n % 2]: ears.device() == f"pulse:{name}.monitor")
            ears.hear(0.3)
        assert ears.reasons() == ["moved"] * 4
        assert all(-1.0 < seam_ms < WIDEST_SEAM_MS for seam_ms in seams_ms(ears))


def test_whatever_comes_and_goes_the_session_hears_the_right_devices_and_leaks_nothing(
    procfile: Path, server: Server, tmp_path: Path
) -> None:
    with (
        Stack(procfile, PROCESSES, environment={"PULSE_SERVER": server.server}) as stack,
        Churn(stack, server, tmp_path) as churn,
    ):
        churn.replug(6)
        churn.switch(6)
        found = churn.verdict()
    assert found.running
    assert found.same_process
    assert found.after.threads <= found.before.threads
    assert found.after.descriptors <= found.before.descriptors
    for source, heard in found.sources.items():
        assert heard.gaps_ms == heard.holes_ms, f"all that {source} did not hear is a gap, and nothing else"
        assert heard.heard_ms + sum(heard.gaps_ms) == pytest.approx(found.elapsed_s * 1000 - heard.begins_ms, abs=500)
    assert not found.sources["mic"].gaps_ms
    assert found.sources["mic"].mic_dbfs == pytest.approx(-12.0, abs=1.0)
    assert found.sources["mic"].system_dbfs < FOREIGN_DBFS
    for source in ("system", "system-2"):
        assert found.sources[source].system_dbfs == pytest.approx(-12.0, abs=1.0)
        assert found.sources[source].mic_dbfs < FOREIGN_DBFS
