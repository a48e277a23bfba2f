"""Delivery, with time and chance as numbers."""

from __future__ import annotations

from causal.messages import Gap
from causal.sink.delivery import (
    CAPACITY,
    FIRST_PAUSE_S,
    LINGER_S,
    LONGEST_PAUSE_S,
    Answer,
    Dead,
    Delivery,
    Post,
    Settled,
)

TAKEN = Answer(204)
BROKEN = Answer(500)


def gap(seq: int, session: str = "s") -> Gap:
    return Gap(session=session, source="mic", seq=seq, start_ms=0, length_ms=1, reason="moved")


def delivery(batch: int = 1, give_up_s: float = 7200.0, chance: float = 1.0) -> Delivery:
    return Delivery(batch, give_up_s, lambda: chance)


def filled(count: int, batch: int = 1, **more: float) -> Delivery:
    waiting = delivery(batch, **more)
    for seq in range(1, count + 1):
        assert waiting.offer(gap(seq), now_s=0.0)
    return waiting


def seqs(post: object) -> list[int | None]:
    assert isinstance(post, Post)
    return [event.seq for event in post.events]


def test_events_go_one_behind_the_other() -> None:
    waiting = filled(2)
    assert seqs(waiting.next_post(0.0)) == [1]
    assert isinstance(waiting.on_answer(TAKEN, 0.1), Settled)
    assert seqs(waiting.next_post(0.1)) == [2]
    waiting.on_answer(TAKEN, 0.2)
    assert waiting.next_post(0.2) is None
    assert len(waiting) == 0


def test_a_batch_waits_a_moment_to_be_filled() -> None:
    waiting = filled(2, batch=3)
    assert waiting.next_post(0.0) == LINGER_S
    assert seqs(waiting.next_post(LINGER_S)) == [1, 2]


def test_a_full_batch_waits_for_nothing() -> None:
    assert seqs(filled(5, batch=3).next_post(0.0)) == [1, 2, 3]


def test_in_a_hurry_a_batch_is_not_filled() -> None:
    assert seqs(filled(2, batch=3).next_post(0.0, hurry=True)) == [1, 2]


def test_a_batch_is_of_one_session_and_the_next_session_does_not_wait_for_it() -> None:
    waiting = delivery(batch=3)
    waiting.offer(gap(1), 0.0)
    waiting.offer(gap(2, "t"), 0.0)
    assert seqs(waiting.next_post(0.0)) == [1]


def test_what_is_not_taken_is_sent_again_after_a_pause_that_grows() -> None:
    waiting, now_s, pauses = filled(1), 0.0, []
    for _ in range(9):
        waiting.next_post(now_s)
        assert waiting.on_answer(BROKEN, now_s) is None
        pause_s = waiting.next_post(now_s)
        assert isinstance(pause_s, float)
        pauses.append(pause_s)
        now_s += pause_s
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_chance_shortens_a_pause_by_up_to_a_half() -> None:
    waiting = filled(1, chance=0.0)
    waiting.next_post(0.0)
    waiting.on_answer(BROKEN, 0.0)
    assert waiting.next_post(0.0) == FIRST_PAUSE_S / 2


def test_a_retry_is_the_same_post_whatever_has_come_since() -> None:
    waiting = filled(1, batch=5)
    first = waiting.next_post(LINGER_S)
    waiting.on_answer(BROKEN, LINGER_S)
    waiting.offer(gap(2), LINGER_S)
    assert waiting.next_post(LINGER_S + FIRST_PAUSE_S) == first


def test_a_receiver_may_say_when_to_come_again_but_not_next_year() -> None:
    waiting = filled(1)
    waiting.next_post(0.0)
    waiting.on_answer(Answer(429, retry_after_s=90.0), 0.0)
    assert waiting.next_post(0.0) == 90.0
    waiting.on_answer(Answer(503, retry_after_s=1e7), 90.0)
    assert waiting.next_post(90.0) == 300.0


def test_a_body_that_is_refused_is_given_up_at_once_and_the_next_one_goes() -> None:
    waiting = filled(2)
    waiting.next_post(0.0)
    outcome = waiting.on_answer(Answer(422), 0.0)
    assert isinstance(outcome, Dead)
    assert outcome.reason == "answers 422"
    assert seqs(waiting.next_post(0.0)) == [2]


def test_an_address_that_is_wrong_may_be_mended() -> None:
    for status in (301, 401, 404):
        waiting = filled(1)
        waiting.next_post(0.0)
        assert waiting.on_answer(Answer(status), 0.0) is None


def test_an_hour_of_errors_loses_nothing_and_asks_seldom() -> None:
    waiting, now_s, posts = filled(3), 0.0, 0
    while now_s < 3600:
        found = waiting.next_post(now_s)
        if isinstance(found, Post):
            posts += 1
            assert waiting.on_answer(BROKEN, now_s) is None
        else:
            assert found is not None
            now_s += found
    assert posts < 3600 / LONGEST_PAUSE_S + 10
    for seq in (1, 2, 3):
        assert seqs(waiting.next_post(now_s)) == [seq]
        assert isinstance(waiting.on_answer(TAKEN, now_s), Settled)


def test_it_gives_up_at_last() -> None:
    waiting = filled(1, give_up_s=10.0)
    waiting.next_post(0.0)
    assert waiting.on_answer(BROKEN, 9.9) is None
    waiting.next_post(20.0)
    outcome = waiting.on_answer(Answer(None, "cannot be reached"), 20.0)
    assert isinstance(outcome, Dead)
    assert outcome.reason == "cannot be reached"


def test_trouble_is_told_until_something_is_taken() -> None:
    waiting = filled(1)
    waiting.next_post(0.0)
    waiting.on_answer(BROKEN, 0.0)
    assert waiting.trouble == "answers 500"
    waiting.on_answer(TAKEN, 1.0)
    assert waiting.trouble is None


def test_a_thousand_wait_and_no_more_those_on_their_way_among_them() -> None:
    waiting = filled(CAPACITY, batch=10)
    assert not waiting.offer(gap(0), 0.0)
    waiting.next_post(0.0)
    assert not waiting.offer(gap(0), 0.0)
    waiting.on_answer(TAKEN, 0.0)
    assert len(waiting) == CAPACITY - 10
    assert waiting.offer(gap(0), 0.0)
