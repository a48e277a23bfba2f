import pytest

from causal.testing.vitals import Vital, growth


def held(*descriptors: int) -> list[Vital]:
    """Two processes, once a second, that hold so many together."""
    return [
        Vital(float(at_s), name, True, 1, 1.0, 10.0, many // 2)
        for at_s, many in enumerate(descriptors)
        for name in ("stt", "broker")
    ]


def test_growth_is_from_the_second_quarter_to_the_last_and_one_odd_moment_is_none():
    flat = [100] * 40
    assert growth(held(*flat), "descriptors") == growth(held(*flat), "rss_mb") == 0.0
    flat[35] = 20
    assert growth(held(*flat), "descriptors") == 0.0
    assert growth(held(*([80] * 10 + [100] * 20 + [110] * 10)), "descriptors") == pytest.approx(0.1)


def test_a_run_that_is_too_short_tells_nothing():
    with pytest.raises(ValueError, match="too short"):
        growth(held(100), "descriptors")
