import numpy as np
import pytest

from causal.capture.hub import Hub
from causal.capture.ring import Ring
from causal.errors import SourceError
from causal.testing.fake_source import FakeSource

S = 1_000_000_000
BLOCK_NS = 50_000_000


class Bench:
    """A hub with a fake source and a clock that stands until it is told."""

    def __init__(self, *, live: bool = True) -> None:
        self.now_ns = 100 * S
        self.source = FakeSource(live=live)
        self.rings: dict[str, Ring] = {}
        self.hub = Hub({"fake": self.source}, wake=lambda: None, now_ns=lambda: self.now_ns)

    def add(self, stream: str, source: str) -> Ring:
        ring = self.rings[stream] = Ring(10.0)
        self.hub.add(stream, source, ring, origin_ns=self.now_ns)
        self.hub.tick()
        return ring

    def hear(self, device: str, blocks: int = 1, level: float = 0.5) -> None:
        for _ in range(blocks):
            self.now_ns += BLOCK_NS
            self.source.deliver(device, np.full((2400, 1), level, np.float32), self.now_ns - BLOCK_NS)
            self.hub.tick()
            for stream in self.rings:
                self.hub.measure(stream)

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.now_ns += S // 10
            self.hub.tick()

    def stand_still(self, seconds: float) -> None:
        """The whole process, as when the machine sleeps."""
        self.now_ns += round(seconds * S)
        self.hub.tick()

    def state(self, stream: str) -> str:
        return self.hub.condition(stream).state

    def segments(self, stream: str) -> list[str]:
        ring = self.rings[stream]
        held = [ring.held(n) for n in range(ring.tail, ring.head)]
        return [h.gap_reason for i, h in enumerate(held) if not i or h.segment != held[i - 1].segment]


@pytest.fixture
def bench():
    return Bench()


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


def test_system_is_the_default_loopback_and_never_a_microphone(bench):
    bench.source.add("fake:mic", "input", default=True)
    bench.add("s/system", "system")
    condition = bench.hub.condition("s/system")
    assert (condition.state, condition.retrying) == ("failed", True)
    assert condition.error.code == "device-not-found"
    assert bench.source.opened == []
    bench.source.add("fake:out", "loopback", default=True)
    bench.hub.tick()
    assert bench.source.opened == ["fake:out"]


def test_a_new_default_is_opened_first_and_taken_when_it_delivers(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    ring = bench.add("s/mic", "mic")
    bench.hear("fake:a", 2)
    bench.source.make_default("fake:b")
    bench.hub.tick()
    assert (bench.source.is_open("fake:a"), bench.source.is_open("fake:b")) == (1, 1)
    bench.hear("fake:a")
    assert ring.heard_ns == 3 * BLOCK_NS
    bench.hear("fake:b")
    assert bench.source.is_open("fake:a") == 0
    bench.hear("fake:b")
    assert bench.segments("s/mic") == ["", "moved"]
    assert bench.hub.condition("s/mic").device == "fake:b"


def test_the_new_default_takes_over_on_the_frame_where_the_old_one_ends(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b", rate_hz=44_100)
    ring = bench.add("s/mic", "mic")
    bench.hear("fake:a", 3)
    bench.source.make_default("fake:b")
    bench.hub.tick()
    # The new one is 10 ms later than the old one's last block, and heard twice before that one's next block comes.
    began_ns = bench.now_ns + 10_000_000
    for n in range(2):
        bench.source.deliver("fake:b", np.full((2205, 1), 0.25, np.float32), began_ns + n * BLOCK_NS)
        bench.hub.tick()
    assert bench.segments("s/mic") == [""]
    bench.hear("fake:a")
    assert bench.segments("s/mic") == ["", "moved"]
    old, new = ring.held(3), ring.held(4)
    seam_ns = new.captured_ns - (old.captured_ns + BLOCK_NS)
    assert 0 <= seam_ns <= S / 44_100
    assert len(new.samples) == pytest.approx(2205 * 0.2, abs=1)
    assert ring.held(5).captured_ns == began_ns + BLOCK_NS


def test_a_new_default_is_taken_at_once_when_the_old_one_has_stopped_talking(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    bench.add("s/mic", "mic")
    bench.hear("fake:a", 2)
    bench.source.make_default("fake:b")
    bench.wait(0.6)
    bench.hear("fake:b")
    assert bench.segments("s/mic") == ["", "moved"]
    assert bench.hub.condition("s/mic").device == "fake:b"


def test_a_new_default_that_delivers_nothing_is_told_while_the_old_one_is_heard(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    bench.add("s/mic", "mic")
    bench.hear("fake:a")
    bench.source.make_default("fake:b")
    bench.hear("fake:a", 30)
    assert bench.hub.condition("s/mic").hint == ""
    bench.hear("fake:a", 20)
    condition = bench.hub.condition("s/mic")
    assert (condition.device, condition.state) == ("fake:a", "capturing")
    assert condition.hint.startswith("fake:b is the default now")
    bench.hear("fake:b", 3)
    bench.wait(0.6)
    bench.hear("fake:b")
    assert (bench.hub.condition("s/mic").device, bench.hub.condition("s/mic").hint) == ("fake:b", "")


def test_two_sources_that_come_to_mean_one_device_both_hear_it_without_a_gap(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    bench.add("s1/mic", "fake:b")
    ring = bench.add("s2/mic", "mic")
    for _ in range(4):
        bench.hear("fake:b")
        bench.source.deliver("fake:a", np.full((2400, 1), 0.5, np.float32), bench.now_ns - BLOCK_NS)
    bench.source.make_default("fake:b")
    bench.hub.tick()
    bench.hear("fake:b", 2)
    assert bench.source.opened == ["fake:b", "fake:a"]
    held = [ring.held(n) for n in range(ring.tail, ring.head)]
    assert [h.captured_ns for h in held[1:]] == [h.captured_ns + BLOCK_NS for h in held[:-1]]
    assert bench.segments("s2/mic") == ["", "moved"]


def test_a_default_that_changes_its_mind_changes_nothing(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    bench.add("s/mic", "mic")
    bench.hear("fake:a")
    bench.source.make_default("fake:b")
    bench.hub.tick()
    bench.source.make_default("fake:a")
    bench.hub.tick()
    assert (bench.source.is_open("fake:a"), bench.source.is_open("fake:b")) == (1, 0)
    bench.hear("fake:a")
    assert bench.segments("s/mic") == [""]


def test_a_named_device_is_not_left_for_the_default(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.source.make_default("fake:b")
    bench.hub.tick()
    assert bench.source.is_open("fake:b") == 0


def test_a_lost_device_is_waited_for_and_taken_up_again(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a", 2)
    bench.source.lose("fake:a")
    bench.hub.tick()
    condition = bench.hub.condition("s/mic")
    assert (condition.state, condition.error.code, condition.retrying) == ("failed", "device-lost", True)
    bench.wait(1.0)
    bench.source.add("fake:a")
    bench.hub.tick()
    bench.hear("fake:a")
    assert bench.state("s/mic") == "capturing"
    assert bench.segments("s/mic") == ["", "device-lost"]


def test_a_lost_device_ends_its_segment_at_once_and_the_end_tells_what_was_not_heard(bench):
    bench.source.add("fake:a")
    ring = bench.add("s/mic", "fake:a")
    bench.hear("fake:a", 2)
    heard_to_ns = bench.now_ns
    bench.source.lose("fake:a")
    bench.hub.tick()
    assert [len(ring.held(n).samples) for n in range(ring.head)] == [2400, 2400, 0]
    bench.wait(30.0)
    assert ring.head == 3, "it is told once, however often the device is tried"
    bench.hub.remove("s/mic", bench.now_ns)
    end = ring.held(ring.head - 1)
    assert (end.end, end.gap_reason, end.captured_ns) == (True, "device-lost", bench.now_ns)
    assert bench.now_ns - heard_to_ns == 30 * S


def test_a_device_that_comes_late_tells_that_nothing_was_heard_before(bench):
    ring = bench.add("s/mic", "mic")
    bench.wait(5.0)
    bench.source.add("fake:a", default=True)
    bench.hub.tick()
    bench.hear("fake:a")
    assert ring.held(0).gap_reason == "device-lost"


def test_when_all_is_closed_a_stalled_device_was_not_heard_until_now(bench):
    bench.source.add("fake:a")
    ring = bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.wait(2.0)
    bench.hub.close()
    assert (ring.held(ring.head - 1).gap_reason, ring.held(ring.head - 1).captured_ns) == ("suspended", bench.now_ns)


def test_what_is_known_of_a_device_s_clock_outlives_its_loss(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.now_ns += S
    assert bench.hub.drift_ppm("s/mic") is None
    for _ in range(1300):
        bench.now_ns += 49_990_000
        bench.source.deliver("fake:a", np.zeros((2400, 1), np.float32), bench.now_ns)
    assert bench.hub.drift_ppm("s/mic") == pytest.approx(200, abs=2)
    bench.source.lose("fake:a")
    bench.wait(1.0)
    bench.source.add("fake:a")
    bench.hub.tick()
    assert bench.hub.drift_ppm("s/mic") == pytest.approx(200, abs=2)


def test_a_device_that_is_away_is_tried_again_soon_and_then_every_two_seconds(bench):
    bench.add("s/mic", "fake:a")
    bench.wait(1.0)
    assert len(bench.source.opened) == 3
    bench.wait(20.0)
    assert 12 <= len(bench.source.opened) <= 15
    assert bench.hub.condition("s/mic").error.code == "device-not-found"
    assert bench.state("s/mic") == "failed"


def test_a_device_that_is_back_before_its_loss_was_seen_is_taken_up_at_once(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.source.lose("fake:a")
    bench.source.add("fake:a")
    bench.wait(0.4)
    bench.hear("fake:a")
    assert bench.state("s/mic") == "capturing"
    assert bench.segments("s/mic") == ["", "device-lost"]


def test_who_follows_the_default_is_not_told_to_wait_for_the_lost_device(bench):
    bench.source.add("fake:a", default=True)
    bench.add("s/mic", "mic")
    bench.add("s/mic-2", "fake:a")
    bench.hear("fake:a")
    bench.source.lose("fake:a")
    bench.hub.tick()
    assert "next default" in bench.hub.condition("s/mic").error.hint
    assert "next default" not in bench.hub.condition("s/mic-2").error.hint


def test_a_lost_device_that_is_looked_for_is_still_called_lost(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.source.lose("fake:a")
    bench.wait(5.0)
    assert bench.hub.condition("s/mic").error.code == "device-lost"


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


def test_when_the_default_is_unplugged_the_next_default_is_taken_at_once(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    bench.add("s/mic", "mic")
    bench.hear("fake:a")
    bench.source.lose("fake:a")
    bench.source.make_default("fake:b")
    bench.hub.tick()
    bench.hear("fake:b")
    assert bench.segments("s/mic") == ["", "device-lost"]


def test_a_server_that_is_away_is_told_and_waited_for(bench):
    bench.source.problem = SourceError("device-unavailable", "no sound server answers", "Start it.", retryable=True)
    bench.add("s/mic", "mic")
    assert bench.hub.condition("s/mic").error.code == "device-unavailable"
    assert bench.hub.problem is not None
    bench.source.problem = None
    bench.source.add("fake:a", default=True)
    bench.hub.tick()
    bench.hear("fake:a")
    assert bench.state("s/mic") == "capturing"
    assert bench.hub.problem is None


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


def test_nothing_delivered_is_stalled_and_after_a_while_opened_again(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.wait(1.5)
    assert bench.state("s/mic") == "stalled"
    assert len(bench.source.opened) == 1
    bench.wait(3.0)
    assert len(bench.source.opened) == 2
    assert bench.source.is_open("fake:a") == 1
    assert bench.state("s/mic") == "stalled"
    bench.hear("fake:a")
    assert bench.state("s/mic") == "capturing"
    assert bench.segments("s/mic") == ["", "suspended"]


def test_a_process_that_stood_still_opens_nothing_again_and_hears_what_was_kept_for_it(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.stand_still(6.0)
    bench.wait(3.0)
    assert len(bench.source.opened) == 1
    bench.hear("fake:a", 120)
    assert bench.rings["s/mic"].heard_ns == 121 * BLOCK_NS


def test_a_device_that_says_nothing_after_the_process_stood_still_is_opened_again(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.stand_still(6.0)
    bench.wait(4.5)
    assert len(bench.source.opened) == 2


def test_a_suspended_device_is_stalled_and_left_alone(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.source.hole("fake:a", "suspended")
    bench.source.state("fake:a", "suspended")
    for _ in range(100):
        bench.wait(0.1)
    assert bench.state("s/mic") == "stalled"
    assert len(bench.source.opened) == 1
    bench.source.state("fake:a", "running")
    bench.hear("fake:a")
    assert bench.segments("s/mic") == ["", "suspended"]


def test_zeros_for_three_seconds_are_silent_and_a_sound_ends_that(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a", 60, level=0.0)
    assert bench.state("s/mic") == "capturing"
    bench.hear("fake:a", 2, level=0.0)
    assert bench.state("s/mic") == "silent"
    bench.hear("fake:a", level=0.01)
    assert bench.state("s/mic") == "capturing"


def test_muted_is_what_the_system_says(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.source.state("fake:a", "muted")
    bench.hear("fake:a", 70, level=0.0)
    assert bench.state("s/mic") == "muted"


def test_a_mute_that_does_not_silence_the_device_is_none(bench):
    bench.source.add("fake:a", "loopback")
    bench.add("s/system", "fake:a")
    bench.source.state("fake:a", "muted", "unmute it")
    bench.hear("fake:a", 10)
    assert bench.state("s/system") == "muted", "what was on its way does not count"
    bench.hear("fake:a", 12)
    bench.hear("fake:a", 10, level=0.0)
    assert bench.state("s/system") == "capturing", "also in a pause"
    bench.hear("fake:a", 60, level=0.0)
    bench.source.state("fake:a", "running")
    bench.source.state("fake:a", "muted")
    bench.hear("fake:a", 2, level=0.0)
    assert bench.state("s/system") == "muted"


def test_the_condition_says_what_the_driver_advises(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.source.state("fake:a", "muted", "unmute it so")
    bench.hear("fake:a", level=0.0)
    assert bench.hub.condition("s/mic").hint == "unmute it so"
    bench.source.state("fake:a", "running")
    bench.hear("fake:a")
    assert bench.hub.condition("s/mic").hint == ""


def test_a_microphone_that_delivers_only_zeros_gets_advice_and_a_loopback_does_not(bench):
    bench.source.add("fake:a", "input")
    bench.source.add("fake:b", "loopback")
    bench.add("s/mic", "fake:a")
    bench.add("s/system", "fake:b")
    for _ in range(101):
        bench.hear("fake:a", level=0.0)
        bench.source.deliver("fake:b", np.zeros((2400, 1), np.float32), bench.now_ns - BLOCK_NS)
    bench.rings["s/mic"].release(101)
    bench.hear("fake:a", 101, level=0.0)
    assert (bench.state("s/mic"), bench.state("s/system")) == ("silent", "stalled")
    assert "zeros" in bench.hub.condition("s/mic").hint
    assert "opened again" in bench.hub.condition("s/system").hint
    bench.hear("fake:a")
    assert bench.hub.condition("s/mic").hint == ""


def test_a_file_ends_by_itself_and_is_not_played_again():
    bench = Bench(live=False)
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
    bench = Bench(live=False)
    ring = bench.add("s/file", "fake:missing")
    for _ in range(50):
        bench.wait(0.1)
    condition = bench.hub.condition("s/file")
    assert (condition.state, condition.error.code, condition.retrying) == ("failed", "device-not-found", False)
    assert ring.ended
    assert bench.source.opened == ["fake:missing"]


def test_each_stream_has_a_file_of_its_own():
    bench = Bench(live=False)
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


def test_samples_that_went_missing_without_a_word_begin_a_segment(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a", 20)
    bench.now_ns += 800_000_000
    bench.hear("fake:a", 30)
    assert bench.segments("s/mic") == ["", "suspended"]
