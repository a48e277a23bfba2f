"""Devices that come, go and change, on a real PulseAudio and a real PipeWire."""

import itertools

import pytest

from causal.testing.pipewire_server import PrivatePipeWire
from causal.testing.pulse_server import PrivatePulse

pytestmark = pytest.mark.live

Server = PrivatePulse | PrivatePipeWire

WIDEST_SEAM_MS = 50.0


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
