"""How long a hop takes, of the last thousand."""

from causal.latency import Latency
from causal.messages import HopLatency


def summary(values_ms: list[float]) -> HopLatency | None:
    latency = Latency()
    for value_ms in values_ms:
        latency.add(value_ms)
    return latency.summary()


def test_without_a_value_there_is_nothing_to_say():
    assert summary([]) is None


def test_one_value_is_the_median_and_the_slowest():
    assert summary([7.0]) == HopLatency(p50=7.0, p99=7.0)


def test_the_median_and_the_slowest_hundredth_in_any_order():
    assert summary([float(n) for n in range(100, 0, -1)]) == HopLatency(p50=51.0, p99=100.0)
    assert summary([1.0] * 995 + [500.0] * 5) == HopLatency(p50=1.0, p99=1.0), "a few slow ones are no hundredth"
    assert summary([1.0] * 989 + [500.0] * 11) == HopLatency(p50=1.0, p99=500.0)


def test_what_was_slow_long_ago_is_forgotten():
    assert summary([500.0] * 1000 + [1.0] * 1000) == HopLatency(p50=1.0, p99=1.0)
