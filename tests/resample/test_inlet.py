"""Blocks come in order, each once, whatever is lost on the way."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.messages import Block
from causal.resample.inlet import Inlet


def block(n, epoch=1):
    return Block(
        stream="s/mic",
        epoch=epoch,
        n=n,
        captured_ns=0,
        rate_hz=48000,
        channels=1,
        frames=960,
        segment_started_ns=0,
        segment_frame=0,
    )


def taken(inlet, *numbers, epoch=1):
    return [n for n in numbers if inlet.take(block(n, epoch))]


@pytest.fixture
def inlet():
    return Inlet("s/mic")


def test_before_the_first_block_the_sender_is_asked_for_all_it_has(inlet):
    told = inlet.tell(0, 0, now_s=0.0)
    assert (told.epoch, told.n, told.wanted, told.resend) == (-1, 0, 0, True)


def test_blocks_in_order_are_taken_and_told_every_200_ms(inlet):
    assert taken(inlet, 0) == [0]
    told = inlet.tell(0, 7, now_s=0.0)
    assert (told.epoch, told.n, told.wanted, told.resend, told.position) == (1, 0, 1, False, 7)
    assert taken(inlet, 1, 2) == [1, 2]
    assert not inlet.is_due(now_s=0.1)
    assert inlet.is_due(now_s=0.2)
    assert inlet.tell(2, 7, now_s=0.2).n == 2


def test_a_lost_block_is_asked_for_at_once_and_what_follows_waits(inlet):
    taken(inlet, 0)
    inlet.tell(0, 0, now_s=0.0)
    assert taken(inlet, 2) == []
    assert inlet.is_due(now_s=0.01)
    told = inlet.tell(0, 0, now_s=0.01)
    assert (told.wanted, told.resend) == (1, True)
    assert taken(inlet, 3, 4) == []
    assert not inlet.is_due(now_s=0.02), "once is enough for now"
    assert inlet.is_due(now_s=0.3), "but it may have been lost too"
    assert inlet.tell(0, 0, now_s=0.3).resend
    assert taken(inlet, 1, 2, 3, 4, 5) == [1, 2, 3, 4, 5]
    assert inlet.dropped_blocks == 3


def test_a_duplicate_is_dropped(inlet):
    assert taken(inlet, 0, 1, 0, 1, 2, 2) == [0, 1, 2]
    assert inlet.dropped_blocks == 3
    assert not inlet.tell(0, 0, now_s=0.0).resend


def test_a_new_epoch_begins_at_zero_and_ends_the_old_one(inlet):
    assert taken(inlet, 0, 1, 2) == [0, 1, 2]
    inlet.tell(0, 0, now_s=0.0)
    assert taken(inlet, 0, epoch=2) == [0]
    assert inlet.is_due(now_s=0.01), "the new sender need not wait"
    assert inlet.tell(0, 0, now_s=0.01).epoch == 2
    assert taken(inlet, 3, 4, epoch=1) == []
    assert taken(inlet, 1, epoch=2) == [1]


def test_the_first_block_of_a_new_epoch_may_be_lost_too(inlet):
    taken(inlet, 0, 1)
    assert taken(inlet, 1, epoch=2) == []
    told = inlet.tell(0, 0, now_s=0.0)
    assert (told.epoch, told.wanted, told.resend) == (2, 0, True)
    assert taken(inlet, 0, 1, epoch=2) == [0, 1]


def test_a_receiver_that_starts_anew_takes_the_oldest_block_that_the_sender_has(inlet):
    assert taken(inlet, 57, 58) == []
    told = inlet.tell(0, 0, now_s=0.0)
    assert (told.wanted, told.resend) == (0, True)
    assert taken(inlet, 59) == [], "this was on its way"
    assert taken(inlet, 50, 51, 52) == [50, 51, 52]


@given(seed=st.integers(0, 10**6), loss=st.floats(0, 0.5), blocks=st.integers(1, 60))
def test_over_a_bad_line_all_arrives_in_order_and_once(seed, loss, blocks):
    """A go-back-n sender, a line that loses blocks, a line back that loses answers."""
    chance = random.Random(seed)
    inlet, got, cursor, now_s = Inlet("s/mic"), [], 0, 0.0
    while len(got) < blocks:
        now_s += 0.02
        assert now_s < 1000, "no progress"
        if cursor < blocks:
            if (not got or chance.random() >= loss) and inlet.take(block(cursor)):
                got.append(cursor)
            cursor += 1
        if not inlet.is_due(now_s):
            continue
        told = inlet.tell(inlet.wanted, 0, now_s)
        if chance.random() < loss:
            continue
        if told.resend or (cursor == blocks and told.wanted < blocks):
            cursor = told.wanted
    assert got == list(range(blocks))
