import pytest

from causal.capture.watch import hint_of, retry_after_s, should_reopen, state_of


@pytest.mark.parametrize(
    ("waited_s", "heard", "zeros_s", "driver", "state"),
    [
        (0.5, False, 0.0, "running", "starting"),
        (1.1, False, 0.0, "running", "stalled"),
        (0.1, True, 0.0, "running", "capturing"),
        (0.1, True, 2.9, "running", "capturing"),
        (0.1, True, 3.1, "running", "silent"),
        (0.1, True, 3.1, "muted", "muted"),
        (1.1, True, 3.1, "muted", "stalled"),
        (0.1, True, 0.0, "suspended", "stalled"),
    ],
)
def test_the_state_follows_from_what_is_known(waited_s, heard, zeros_s, driver, state):
    assert state_of(waited_s=waited_s, heard=heard, zeros_s=zeros_s, driver=driver) == state


def test_only_a_device_that_does_not_say_why_is_opened_again():
    assert should_reopen(waited_s=4.5, driver="running")
    assert not should_reopen(waited_s=3.5, driver="running")
    assert not should_reopen(waited_s=60.0, driver="suspended")


def test_a_device_that_stays_silent_is_opened_again_more_and_more_slowly():
    assert should_reopen(waited_s=4.5, driver="running", tries=1)
    assert not should_reopen(waited_s=7.5, driver="running", tries=2)
    assert should_reopen(waited_s=10.5, driver="running", tries=10_000)


def test_a_device_that_is_away_is_tried_soon_and_then_every_two_seconds():
    assert [retry_after_s(tries) for tries in (0, 1, 2, 3, 4, 5, 10_000)] == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


@pytest.mark.parametrize(
    ("state", "kind", "zeros_s", "sounded", "expected"),
    [
        ("silent", "input", 11.0, False, "only zeros"),
        ("silent", "input", 9.0, False, ""),
        ("silent", "input", 30.0, True, ""),
        ("silent", "input", 61.0, True, "only zeros"),
        ("silent", "loopback", 600.0, False, ""),
        ("stalled", "loopback", 0.0, False, "nothing is delivered"),
        ("stalled", "file", 0.0, False, ""),
        ("capturing", "input", 0.0, True, ""),
    ],
)
def test_zeros_and_nothing_get_different_advice(state, kind, zeros_s, sounded, expected):
    hint = hint_of(state, kind=kind, driver_hint="", zeros_s=zeros_s, sounded=sounded)
    assert hint.startswith(expected) and bool(hint) == bool(expected)


def test_the_driver_knows_best():
    assert hint_of("silent", kind="input", driver_hint="allow it", zeros_s=100.0) == "allow it"
