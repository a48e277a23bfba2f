from pathlib import Path

import numpy as np
import pytest
import zmq

from causal.capture.outlet import Outlet
from causal.latency import Latency
from causal.messages.control import Assignment
from causal.paths import Paths
from causal.transport import Lines


@pytest.fixture
def outlet():
    nowhere = Path("/nowhere")
    assignment = Assignment(stream="s/mic", epoch=1, device="mic", engine="local", started_ns=0, started_unix_ns=0)
    with zmq.Context() as context:
        made = Outlet(assignment, context, Lines(Paths(nowhere, nowhere, nowhere)))
        made.ring.set_format(1000, 1)
        yield made


def second():
    return np.ones((1000, 1), np.float32)


def test_without_a_resampler_the_ring_keeps_ten_seconds(outlet):
    for n in range(10):
        assert outlet.ring.write(second(), n)
    outlet.send(Latency())
    assert (outlet.queue().depth, outlet.queue().capacity, outlet.queue().dropped) == (10_000, 10_000, 0)
    assert outlet.overflow(now_s=0.0) is None


def test_what_runs_over_is_told_for_as_long_as_it_does_and_a_little_longer(outlet):
    for n in range(12):
        outlet.ring.write(second(), n)
    assert outlet.queue().dropped == 2000
    fault = outlet.overflow(now_s=100.0)
    assert (fault.code, fault.retrying) == ("buffer-overflow", True)
    assert outlet.overflow(now_s=104.0) is not None
    assert outlet.overflow(now_s=106.0) is None
    outlet.ring.write(second(), 12)
    assert outlet.overflow(now_s=107.0) is not None


def test_what_runs_over_is_one_fault_however_much_it_becomes(outlet):
    """Each fault that differs from the one before is stored for good, and the seconds grow five times a second."""
    faults = set()
    for n in range(30):
        outlet.ring.write(second(), n)
        faults.add(outlet.overflow(now_s=float(n)))
    assert len(faults - {None}) == 1
