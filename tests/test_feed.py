"""The feed of a subscriber: events as numbers, time as a number."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal import feed as feed_module
from causal import wire
from causal.feed import START, Action, Ask, Deliver, Feed, Forgotten, Replaced, parse_begin
from causal.messages import Gap, TranscriptFinal, TranscriptPartial
from causal.messages.log import Head, LoggedEvent, Replay, Replayed


def gap(seq: int | None, session: str = "s") -> Gap:
    return Gap(session=session, source="mic", seq=seq, start_ms=0, length_ms=10, reason="moved")


def replayed(*seqs: int, next_seq: int, head_seq: int, oldest_seq: int = 1) -> Replayed:
    events = tuple(LoggedEvent(kind="gap", event=wire.to_map(gap(seq))) for seq in seqs)
    return Replayed(events=events, next_seq=next_seq, head_seq=head_seq, oldest_seq=oldest_seq)


def head(seq: int, closing: bool = False) -> Head:
    return Head(seq=seq, oldest_seq=1, closing=closing)


def seqs(actions: list[Action]) -> list[int | None]:
    return [action.event.seq for action in actions if isinstance(action, Deliver)]


def asks(actions: list[Action]) -> list[int]:
    return [action.replay.from_seq for action in actions if isinstance(action, Ask)]


def test_from_now_on_begins_with_the_first_event_that_comes() -> None:
    feed = Feed(None)
    assert feed.tick(0.0) == []
    assert seqs(feed.on_live(gap(41), 0.1)) == [41]
    assert feed.position == 41


def test_from_now_on_leaves_out_what_the_first_head_has_counted() -> None:
    feed = Feed(None)
    assert feed.on_head(head(41), 0.0) == []
    assert feed.position == 41
    assert feed.caught_up


def test_history_is_asked_for_at_once() -> None:
    feed = Feed(START, session="s")
    assert feed.tick(0.0) == [Ask(Replay(from_seq=1, session="s"))]
    assert not feed.caught_up
    assert seqs(feed.on_replayed(replayed(1, 2, 3, next_seq=4, head_seq=3), 0.1)) == [1, 2, 3]
    assert feed.caught_up


def test_a_long_history_is_asked_for_piece_by_piece() -> None:
    feed = Feed(START)
    feed.tick(0.0)
    actions = feed.on_replayed(replayed(1, 2, next_seq=3, head_seq=5), 0.1)
    assert (seqs(actions), asks(actions)) == ([1, 2], [3])
    actions = feed.on_replayed(replayed(3, 4, 5, next_seq=6, head_seq=5), 0.2)
    assert (seqs(actions), asks(actions)) == ([3, 4, 5], [])


def test_live_events_wait_until_history_has_been_told() -> None:
    feed = Feed(START)
    feed.tick(0.0)
    assert feed.on_live(gap(3), 0.1) == []
    assert feed.held == 1
    assert seqs(feed.on_replayed(replayed(1, 2, next_seq=3, head_seq=2), 0.2)) == [1, 2, 3]


def test_a_hole_is_asked_for_once_and_closed() -> None:
    feed = Feed(None)
    feed.on_live(gap(1), 0.0)
    assert asks(feed.on_live(gap(3), 0.1)) == [2]
    assert feed.on_live(gap(4), 0.2) == []
    assert seqs(feed.on_replayed(replayed(2, 3, 4, next_seq=5, head_seq=4), 0.3)) == [2, 3, 4]
    assert feed.held == 0


def test_the_loss_of_the_last_event_shows_at_the_next_head() -> None:
    feed = Feed(None)
    feed.on_live(gap(1), 0.0)
    assert asks(feed.on_head(head(2), 1.0)) == [2]


def test_a_replay_without_answer_is_asked_for_again_after_a_second() -> None:
    feed = Feed(7)
    assert asks(feed.tick(0.0)) == [7]
    assert asks(feed.tick(0.9)) == []
    assert asks(feed.tick(1.0)) == [7]
    assert asks(feed.tick(1.5)) == []


def test_a_question_that_could_not_be_sent_is_asked_at_the_next_tick() -> None:
    feed = Feed(7)
    feed.tick(0.0)
    feed.on_unsent()
    assert asks(feed.tick(0.2)) == [7]
    feed.on_replayed(replayed(7, next_seq=8, head_seq=7), 0.3)
    feed.on_live(gap(9), 0.4)
    feed.on_unsent()
    assert asks(feed.tick(0.5)) == [8]


def test_an_answer_that_tells_nothing_is_not_asked_for_again_at_once() -> None:
    feed = Feed(START)
    feed.tick(0.0)
    assert feed.on_replayed(replayed(next_seq=1, head_seq=5), 0.1) == []
    assert asks(feed.tick(1.0)) == [1]


def test_a_second_answer_to_the_same_question_repeats_nothing() -> None:
    feed = Feed(START)
    feed.tick(0.0)
    answer = replayed(1, 2, next_seq=3, head_seq=2)
    feed.on_replayed(answer, 1.1)
    assert feed.on_replayed(answer, 1.2) == []


def test_an_event_that_comes_twice_is_told_once() -> None:
    feed = Feed(None)
    assert seqs(feed.on_live(gap(5), 0.0)) == [5]
    assert feed.on_live(gap(5), 0.1) == []


def test_what_does_not_fit_is_counted_and_asked_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "HELD_EVENTS", 2)
    feed = Feed(START)
    feed.tick(0.0)
    for seq in (2, 3, 4, 5):
        feed.on_live(gap(seq), 0.1)
    assert (feed.held, feed.dropped) == (2, 2)
    actions = feed.on_replayed(replayed(1, next_seq=2, head_seq=1), 0.2)
    assert (seqs(actions), asks(actions)) == ([1, 2, 3], [4])


def test_events_of_other_sessions_are_counted_where_a_replay_leaves_them_out() -> None:
    feed = Feed(START, session="s")
    feed.tick(0.0)
    actions = feed.on_replayed(replayed(3, 9, next_seq=21, head_seq=20), 0.1)
    assert (seqs(actions), asks(actions)) == ([3, 9], [])
    assert feed.position == 20
    assert seqs(feed.on_live(gap(21, "other"), 0.2)) == [21]


def test_history_that_is_gone_is_said_once() -> None:
    feed = Feed(START)
    feed.tick(0.0)
    actions = feed.on_replayed(replayed(11, next_seq=12, head_seq=12, oldest_seq=11), 0.1)
    assert actions[0] == Forgotten(1, 10)
    assert seqs(actions) == [11]
    later = feed.on_replayed(replayed(12, next_seq=13, head_seq=12, oldest_seq=11), 0.2)
    assert [type(action) for action in later] == [Deliver]


def test_an_empty_log_forgets_nothing() -> None:
    feed = Feed(START)
    feed.tick(0.0)
    assert feed.on_replayed(replayed(next_seq=1, head_seq=0), 0.1) == []
    assert feed.caught_up


def test_a_stored_event_of_an_unknown_type_is_counted_and_passed_over() -> None:
    feed = Feed(START)
    feed.tick(0.0)
    strange = LoggedEvent(kind="weather", event={"seq": 1})
    answer = Replayed(events=(strange,), next_seq=2, head_seq=1, oldest_seq=1)
    assert feed.on_replayed(answer, 0.1) == []
    assert (feed.unreadable, feed.position) == (1, 1)


def test_a_late_head_does_not_start_anything_over() -> None:
    feed = Feed(None)
    feed.on_live(gap(9), 0.0)
    assert feed.on_head(head(8), 0.1) == []
    assert feed.on_head(head(9), 1.1) == []
    assert feed.on_head(head(8), 9.0) == []


def test_a_log_that_stays_shorter_than_what_was_seen_is_another_one_and_is_told_from_its_start() -> None:
    feed = Feed(501)
    feed.tick(0.0)
    for now_s in (0.5, 1.5, 2.5):
        assert not any(isinstance(action, Replaced) for action in feed.on_head(head(3), now_s))
    actions = feed.on_head(head(3), 3.5)
    assert actions[0] == Replaced(seen_seq=500, head_seq=3)
    assert asks(actions) == [1]
    assert seqs(feed.on_replayed(replayed(1, 2, 3, next_seq=4, head_seq=3), 3.6)) == [1, 2, 3]


def turn(kind: type[TranscriptPartial | TranscriptFinal], name: str, seq: int | None = None) -> object:
    return kind(
        session="s", source="mic", seq=seq, turn=name, revision=0, text="a", start_ms=0, end_ms=1, started_at=""
    )


def test_partials_pass_at_once_but_not_after_their_final() -> None:
    feed = Feed(START)
    feed.tick(0.0)
    assert len(feed.on_live(turn(TranscriptPartial, "1"), 0.1)) == 1
    assert feed.on_live(turn(TranscriptFinal, "1", seq=3), 0.2) == []  # held: history comes first
    assert feed.on_live(turn(TranscriptPartial, "1"), 0.3) == []
    assert len(feed.on_live(turn(TranscriptPartial, "2"), 0.4)) == 1


def test_a_durable_event_that_could_not_be_stored_yet_passes_without_a_number() -> None:
    feed = Feed(None)
    assert seqs(feed.on_live(gap(None), 0.0)) == [None]
    assert seqs(feed.on_live(gap(1), 0.1)) == [1]


def test_a_closing_broker_is_done_when_nothing_is_missing() -> None:
    feed = Feed(None)
    feed.on_live(gap(1), 0.0)
    feed.on_head(head(2, closing=True), 0.1)
    assert feed.closing
    assert not feed.caught_up
    feed.on_replayed(replayed(2, next_seq=3, head_seq=2), 0.2)
    assert feed.caught_up


@pytest.mark.parametrize(("text", "begin"), [("start", 1), ("now", None), ("17", 17)])
def test_a_beginning_is_start_now_or_a_number(text: str, begin: int | None) -> None:
    assert parse_begin(text) == begin


@pytest.mark.parametrize("text", ["", "0", "-3", "then", "٣", "1.5"])
def test_any_other_beginning_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither start, now"):
        parse_begin(text)


class LossyBroker:
    """A log with a bad line to one subscriber: loses, repeats and delays live events, heads, questions and answers.
    A restart drops all that is on its way, and lets late messages come after newer ones."""

    def __init__(self, seed: int, loss: float) -> None:
        self.random = random.Random(seed)
        self.loss = loss
        self.head_seq = 0
        self.on_way: list[object] = []

    def says(self, message: object) -> None:
        for _ in range(2 if self.random.random() < 0.1 else 1):
            if self.random.random() >= self.loss:
                self.on_way.append(message)

    def asked(self, replay: Replay) -> None:
        limit = min(replay.limit, self.random.randint(1, 7))
        last = min(self.head_seq, replay.from_seq + limit - 1)
        answer = replayed(*range(replay.from_seq, last + 1), next_seq=last + 1, head_seq=self.head_seq)
        self.says(answer)

    def restarts(self) -> None:
        self.random.shuffle(self.on_way)
        del self.on_way[: len(self.on_way) // 2]


@settings(max_examples=300)
@given(
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0.0, 0.1, 0.5, 0.9]),
    begin=st.sampled_from([1, 5, None]),
    capacity=st.sampled_from([1, 3, 1000]),
)
def test_whatever_is_lost_repeated_or_late_all_events_come_once_and_in_order(
    seed: int, loss: float, begin: int | None, capacity: int
) -> None:
    broker = LossyBroker(seed, loss)
    broker.head_seq = 4  # stored before anybody listened
    feed = Feed(begin)
    told: list[int | None] = []
    now_s = 0.0

    def carry_out(actions: list[Action]) -> None:
        told.extend(seqs(actions))
        for action in actions:
            if isinstance(action, Ask) and broker.random.random() >= broker.loss:
                broker.asked(action.replay)

    feed_module.HELD_EVENTS, saved = capacity, feed_module.HELD_EVENTS
    try:
        if begin is None:
            feed.on_head(head(4), now_s)
        for step in range(400):
            now_s += 0.1
            if step < 200 and broker.random.random() < 0.4:
                broker.head_seq += 1
                broker.says(gap(broker.head_seq))
            if broker.random.random() < 0.02:
                broker.restarts()
            if step % 10 == 0:
                broker.says(head(broker.head_seq))
            if step == 250:
                broker.loss = 0.0
            while broker.on_way and broker.random.random() < 0.8:
                match broker.on_way.pop(0):
                    case Head() as message:
                        carry_out(feed.on_head(message, now_s))
                    case Replayed() as message:
                        carry_out(feed.on_replayed(message, now_s))
                    case Gap() as message:
                        carry_out(feed.on_live(message, now_s))
            carry_out(feed.tick(now_s))
    finally:
        feed_module.HELD_EVENTS = saved
    assert told == list(range(begin or 5, broker.head_seq + 1))
    assert feed.held == 0
