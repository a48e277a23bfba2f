import pytest

from causal.stt.pacing import Pacer


def run(pacer: Pacer, *, seconds: float, supply_ms: float = 1e9, step_s: float = 0.01) -> float:
    """Sends whatever may go for so long; how many milliseconds went."""
    sent_ms = 0
    for step in range(round(seconds / step_s)):
        now_s = step * step_s
        while sent_ms + 100 <= supply_ms and pacer.wait_s(now_s) == 0.0:
            pacer.sent(now_s)
            sent_ms += 100
    return sent_ms


def test_a_backlog_goes_to_the_service_at_five_quarters_of_real_time():
    assert run(Pacer.for_service(0.0), seconds=40) == pytest.approx(40_000 * 1.25 + 4000, abs=200)


def test_live_audio_never_waits():
    pacer = Pacer.for_service(0.0)
    for n in range(600):
        assert pacer.wait_s(n * 0.1) == 0.0
        pacer.sent(n * 0.1)


def test_a_pause_earns_no_more_than_four_seconds():
    pacer = Pacer.for_service(0.0)
    assert pacer.wait_s(3600.0) == 0.0
    sent = 0
    while pacer.wait_s(3600.0) == 0.0:
        pacer.sent(3600.0)
        sent += 1
    assert sent == 40


def test_the_wait_is_as_long_as_it_takes():
    pacer = Pacer.for_service(0.0)
    for _ in range(40):
        pacer.sent(0.0)
    assert pacer.wait_s(0.0) == pytest.approx(0.08)
    assert pacer.wait_s(0.08) == pytest.approx(0.0, abs=1e-9)


def test_a_service_that_falls_behind_is_not_given_more_than_a_minute_ahead():
    pacer = Pacer.for_service(0.0)
    pacer.received(0)
    assert run(pacer, seconds=100) == 60_000
    assert pacer.wait_s(100.0) is None
    pacer.received(10_000)
    assert pacer.wait_s(100.0) == 0.0


def test_the_engine_gets_as_much_as_it_says_it_takes():
    pacer = Pacer.for_engine(0.0)
    assert run(pacer, seconds=1) == 20_000
    pacer.received(15_000)
    assert run(pacer, seconds=1) == 15_000
    pacer.received(14_000)  # older news change nothing
    assert pacer.wait_s(1.0) is None
