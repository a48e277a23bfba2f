import random

import numpy as np
import pytest

from causal.capture.ring import Ring
from causal.capture.sender import Sender
from causal.messages import Next

STREAM = "s1/mic"


@pytest.fixture
def ring():
    made = Ring(10.0)
    made.set_format(1000, 1)
    return made


def write(ring, n, frames=10):
    ring.write(np.full((frames, 1), n, np.float32), n * frames * 1_000_000)


def sent_by(sender):
    numbers = []
    while (pending := sender.pending()) is not None:
        numbers.append(pending[0].n)
        sender.sent()
    return numbers


def says(n, wanted=None, *, resend=False, epoch=3, stream=STREAM):
    return Next(stream=stream, epoch=epoch, n=n, wanted=n if wanted is None else wanted, resend=resend)


def test_blocks_are_numbered_and_say_where_they_stand(ring):
    sender = Sender(STREAM, 3, ring)
    write(ring, 0)
    write(ring, 1)
    sender.sent()
    block, samples = sender.pending()
    assert (block.stream, block.epoch, block.n, block.frames) == (STREAM, 3, 1, 10)
    assert (block.captured_ns, block.segment_started_ns, block.segment_frame) == (10_000_000, 0, 10)
    assert samples[0, 0] == 1


def test_what_could_not_leave_stays_pending(ring):
    sender = Sender(STREAM, 3, ring)
    write(ring, 0)
    assert sender.pending()[0].n == 0
    assert sender.pending()[0].n == 0


def test_what_is_safe_is_forgotten(ring):
    sender = Sender(STREAM, 3, ring)
    for n in range(5):
        write(ring, n)
    sent_by(sender)
    sender.on_next(says(3), 0.0)
    assert ring.tail == 3
    assert sender.pending() is None


def test_what_is_not_acknowledged_is_merely_on_its_way(ring):
    sender = Sender(STREAM, 3, ring)
    for n in range(5):
        write(ring, n)
    sent_by(sender)
    sender.on_next(says(1, wanted=4), 9.0)
    assert sent_by(sender) == []


def test_a_lost_block_and_all_after_it_are_sent_again(ring):
    sender = Sender(STREAM, 3, ring)
    for n in range(5):
        write(ring, n)
    sent_by(sender)
    sender.on_next(says(1, wanted=2, resend=True), 1.0)
    assert sent_by(sender) == [2, 3, 4]
    assert sender.resent_blocks == 3


def test_being_asked_for_the_same_block_many_times_at_once_sends_it_once(ring):
    sender = Sender(STREAM, 3, ring)
    for n in range(5):
        write(ring, n)
    sent_by(sender)
    for now_s in (1.0, 1.001, 1.002):
        sender.on_next(says(2, resend=True), now_s)
        sent_by(sender)
    assert sender.resent_blocks == 3
    sender.on_next(says(2, resend=True), 1.06)
    assert sent_by(sender) == [2, 3, 4]


def test_a_receiver_that_starts_anew_gets_the_oldest_that_is_left(ring):
    sender = Sender(STREAM, 3, ring)
    for n in range(5):
        write(ring, n)
    sent_by(sender)
    sender.on_next(says(2), 1.0)
    sender.on_next(says(0, wanted=0, resend=True), 1.2)
    assert sent_by(sender) == [2, 3, 4]


def test_a_receiver_that_has_not_seen_this_turn_acknowledges_nothing(ring):
    sender = Sender(STREAM, 3, ring)
    for n in range(5):
        write(ring, n)
    sent_by(sender)
    sender.on_next(says(4, epoch=2), 1.0)
    sender.on_next(says(0, epoch=-1, resend=True), 1.0)
    assert ring.tail == 0
    assert sent_by(sender) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("message", [says(2, epoch=4), says(2, stream="s1/system"), says(9), says(2, wanted=9)])
def test_answers_to_others_and_about_blocks_that_do_not_exist_are_ignored(ring, message):
    sender = Sender(STREAM, 3, ring)
    for n in range(5):
        write(ring, n)
    sent_by(sender)
    sender.on_next(message, 1.0)
    assert ring.tail == 0


def test_an_acknowledgement_may_run_ahead_of_a_resend(ring):
    sender = Sender(STREAM, 3, ring)
    for n in range(5):
        write(ring, n)
    sent_by(sender)
    sender.on_next(says(0, resend=True), 1.0)
    sender.on_next(says(3), 1.01)
    assert sent_by(sender) == [3, 4]


def test_a_new_receiver_gets_everything_that_is_not_acknowledged(ring):
    sender = Sender(STREAM, 3, ring)
    for n in range(5):
        write(ring, n)
    sent_by(sender)
    sender.on_next(says(2), 0.01)
    sender.reconnected()
    assert sent_by(sender) == [2, 3, 4]


def test_it_is_done_when_the_end_is_safe(ring):
    sender = Sender(STREAM, 3, ring)
    write(ring, 0)
    ring.end()
    assert sent_by(sender) == [0, 1]
    sender.on_next(says(1, wanted=2), 0.01)
    assert not sender.done
    sender.on_next(says(2), 0.02)
    assert sender.done


def test_over_a_line_that_loses_a_third_everything_arrives_once_and_in_order(ring):
    sender, chance = Sender(STREAM, 3, ring), random.Random(7)
    arrived, wanted = [], 0
    for tick in range(4000):
        if tick < 500:
            write(ring, tick)
        if tick == 500:
            ring.end()
        hole = False
        for _ in range(20):
            if (pending := sender.pending()) is None:
                break
            block, samples = pending
            sender.sent()
            if chance.random() < 0.33:
                continue
            if block.n != wanted:
                hole = hole or block.n > wanted
                continue
            wanted += 1
            arrived.extend(samples[:1, 0])
        if (hole or tick % 20 == 0) and chance.random() < 0.67:
            sender.on_next(says(wanted, resend=hole or tick > 500), tick * 0.01)
        if sender.done:
            break
    assert sender.done
    assert arrived == list(range(500))
