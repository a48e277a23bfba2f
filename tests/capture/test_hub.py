"""The hub opens what streams name, shares it out, and closes it."""

import numpy as np
import pytest

from causal.testing.hub_bench import BLOCK_NS, HubBench


@pytest.fixture
def bench():
    return HubBench()


def test_a_stream_hears_the_device_it_names(bench):
    bench.source.add("fake:a")
    ring = bench.add("s/mic", "fake:a")
    assert bench.state("s/mic") == "starting"
    bench.hear("fake:a", 2)
    assert bench.state("s/mic") == "capturing"
    assert bench.hub.condition("s/mic").device == "fake:a"
    assert ring.heard_ns == 2 * BLOCK_NS


def test_two_streams_share_one_opening(bench):
    bench.source.add("fake:a", default=True)
    bench.add("s1/mic", "fake:a")
    bench.add("s2/mic", "mic")
    bench.hear("fake:a", 3)
    assert bench.source.opened == ["fake:a"]
    assert bench.rings["s1/mic"].heard_ns == bench.rings["s2/mic"].heard_ns == 3 * BLOCK_NS
    bench.hub.remove("s1/mic")
    bench.hear("fake:a")
    assert bench.source.is_open("fake:a") == 1
    assert bench.rings["s2/mic"].heard_ns == 4 * BLOCK_NS
    bench.hub.remove("s2/mic")
    assert bench.source.is_open("fake:a") == 0


def test_a_removed_stream_gets_its_end_and_nothing_more(bench):
    bench.source.add("fake:a")
    ring = bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.hub.remove("s/mic")
    assert ring.held(ring.head - 1).end
    assert bench.state("s/mic") == "stopped"


def test_what_happens_to_a_device_is_decided_without_waiting_for_the_next_tick(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    assert bench.hub.stirred is False
    for what in (
        lambda: bench.source.deliver("fake:a", np.ones((2400, 1), np.float32), bench.now_ns),
        lambda: bench.source.state("fake:a", "muted"),
        lambda: bench.source.add("fake:b"),
        lambda: bench.source.lose("fake:a"),
    ):
        what()
        assert bench.hub.stirred is True
        bench.hub.tick()
        assert bench.hub.stirred is False


@pytest.mark.parametrize(
    ("raised", "code"),
    [(OSError(28, "No space left on device"), "device-unavailable"), (ZeroDivisionError("of a plug-in"), "internal")],
)
def test_a_backend_that_fails_in_its_own_way_ends_nobody_and_is_tried_again(bench, raised, code):
    bench.source.problem = raised
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    assert bench.hub.problem.code == code
    condition = bench.hub.condition("s/mic")
    assert (condition.state, condition.retrying, condition.error.code) == ("failed", True, code)
    assert str(raised) in condition.error.message
    bench.source.problem = None
    bench.wait(2.1)
    bench.hear("fake:a")
    assert bench.state("s/mic") == "capturing"


def test_a_file_ends_by_itself_and_is_not_played_again():
    bench = HubBench(live=False)
    bench.source.add("fake:f", "file")
    ring = bench.add("s/file", "fake:f")
    bench.hear("fake:f", 2)
    bench.source.end("fake:f")
    for _ in range(50):
        bench.wait(0.1)
    assert ring.held(ring.head - 1).end
    assert bench.state("s/file") == "stopped"
    assert bench.source.opened == ["fake:f"]
    assert bench.source.is_open("fake:f") == 0


def test_a_file_that_cannot_be_read_fails_for_good():
    bench = HubBench(live=False)
    ring = bench.add("s/file", "fake:missing")
    for _ in range(50):
        bench.wait(0.1)
    condition = bench.hub.condition("s/file")
    assert (condition.state, condition.error.code, condition.retrying) == ("failed", "device-not-found", False)
    assert ring.ended
    assert bench.source.opened == ["fake:missing"]


def test_each_stream_has_a_file_of_its_own():
    bench = HubBench(live=False)
    bench.source.add("fake:f", "file")
    bench.add("s1/file", "fake:f")
    bench.add("s2/file", "fake:f")
    assert bench.source.is_open("fake:f") == 2


def test_a_source_that_nothing_hears_fails_and_says_what_is_known(bench):
    ring = bench.add("s/mic", "bogus:x")
    condition = bench.hub.condition("s/mic")
    assert (condition.state, condition.error.code) == ("failed", "device-not-found")
    assert "fake" in condition.error.hint
    assert ring.ended


def test_closing_ends_all_rings_and_devices(bench):
    bench.source.add("fake:a")
    ring = bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.hub.close()
    assert ring.ended
    assert bench.source.is_open("fake:a") == 0
