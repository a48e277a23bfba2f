from causal.capture.pulse_start import FIRST_TIMINGS, TIMING_EVERY_S, TIMING_WITHIN_S, Start
from causal.clock import NS_PER_MS, NS_PER_S


def test_of_the_first_answers_the_earliest_counts_and_later_a_single_wrong_one_is_outvoted():
    start = Start()
    told_ms = [1002, 1000, 1003, 1003, 957, 1003, 1030, 1030]
    found_ms = []
    for told in told_ms:
        start.learn(told * NS_PER_MS)
        found_ms.append(start.ns // NS_PER_MS)
    assert found_ms == [1002, 1000, 1000, 1003, 1003, 1003, 1003, 1030]


def test_the_first_answers_are_asked_for_at_each_delivery_the_others_now_and_then():
    start = Start()
    for n in range(FIRST_TIMINGS):
        assert start.asks(1 + n)
        assert start.learn(0) == (n == FIRST_TIMINGS - 1)
    assert not start.asks(10)
    assert start.asks(round(TIMING_EVERY_S * NS_PER_S) + 10)


def test_a_silent_server_is_waited_for_only_so_long():
    start = Start()
    start.asks(1)
    assert not start.is_known(2)
    assert start.is_known(round(TIMING_WITHIN_S * NS_PER_S) + 1)
    assert start.ns is None


def test_what_is_forgotten_is_asked_for_anew():
    start = Start()
    for _ in range(FIRST_TIMINGS):
        start.asks(1)
        start.learn(5)
    assert start.is_known(2)
    start.forget()
    assert start.ns is None
    assert start.asks(3)
    assert not start.is_known(4)
