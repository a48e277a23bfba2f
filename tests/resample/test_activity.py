"""Active is what stands out of the room; in doubt it is active."""

from __future__ import annotations

import numpy as np
import pytest

from causal.resample.activity import Activity


def chunk(level_dbfs, seed=0):
    noise = np.random.default_rng(seed).standard_normal(1600) * 32768 * 10 ** (level_dbfs / 20)
    return np.clip(np.rint(noise), -32768, 32767).astype(np.int16)


def heard(activity, level_dbfs, chunks):
    return [activity.of(chunk(level_dbfs, seed), 1600) for seed in range(chunks)]


def in_a_room(level_dbfs):
    activity = Activity()
    heard(activity, level_dbfs, 100)
    return activity


def test_the_first_second_is_active_for_nothing_is_known():
    flags = heard(Activity(), -60, 30)
    assert all(flags[:10])
    assert not any(flags[12:])


@pytest.mark.parametrize("room_dbfs", [-75, -60, -50, -45])
def test_a_steady_room_is_inactive_and_speech_is_heard_at_once(room_dbfs):
    activity = in_a_room(room_dbfs)
    assert not any(heard(activity, room_dbfs, 50))
    assert all(heard(activity, room_dbfs + 10, 20))


def test_activity_lasts_a_second_after_the_last_word():
    activity = in_a_room(-60)
    heard(activity, -30, 20)
    flags = heard(activity, -60, 20)
    assert all(flags[:9])
    assert not any(flags[10:])


def test_a_minute_of_speech_with_short_pauses_stays_active():
    activity = in_a_room(-60)
    for _ in range(100):
        assert all(heard(activity, -32, 5) + heard(activity, -57, 1))


def test_a_fan_that_starts_becomes_the_room():
    activity = in_a_room(-65)
    assert all(heard(activity, -45, 100))
    assert not any(heard(activity, -45, 600)[-100:])


def test_a_loud_room_is_never_taken_for_silence():
    assert all(heard(Activity(), -25, 3000))


def test_digital_silence_is_inactive_from_the_first_chunk():
    activity = Activity()
    assert not activity.of(np.zeros(1600, np.int16), 1600)
    dither = np.random.default_rng(0).integers(-1, 2, 1600, dtype=np.int16)
    assert not activity.of(dither, 1600)


def test_a_muted_minute_does_not_change_the_room():
    activity = in_a_room(-50)
    for _ in range(600):
        activity.of(np.zeros(1600, np.int16), 1600)
    assert not any(heard(activity, -50, 50))


def test_padding_is_not_listened_to():
    activity = in_a_room(-60)
    tail = chunk(-60)
    tail[100:] = 20_000
    assert not activity.of(tail, 100)
    assert not activity.of(tail, 0)
