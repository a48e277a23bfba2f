"""Events that wait for the broker: kept, in order, sent again, never without bound."""

import random

from causal.messages.log import Publish
from causal.outbox import RESEND_AFTER_S, TOLD_AFTER_S, Outbox


def event(number: int, session: str = "s") -> Publish:
    return Publish(id=f"{session}-{number}", kind="gap", event={"session": session})


def send_due(outbox: Outbox, now_s: float) -> list[str]:
    due = outbox.due(now_s)
    for publish in due:
        outbox.mark_sent(publish.id, now_s)
    return [publish.id for publish in due]


def test_the_story_of_an_event_that_is_lost_once():
    outbox = Outbox()
    assert outbox.offer(event(1))
    assert send_due(outbox, 10.0) == ["s-1"]
    assert send_due(outbox, 10.9) == [], "the answer may still come"
    assert send_due(outbox, 10.0 + RESEND_AFTER_S) == ["s-1"]
    assert outbox.settle("s-1") == event(1)
    assert send_due(outbox, 20.0) == []
    assert len(outbox) == 0


def test_what_could_not_be_sent_stays_due():
    outbox = Outbox()
    outbox.offer(event(1))
    assert outbox.due(10.0) == outbox.due(10.1) == [event(1)]


def test_the_events_of_a_session_go_one_after_the_other():
    outbox = Outbox()
    for number in (1, 2, 3):
        outbox.offer(event(number))
    assert send_due(outbox, 10.0) == ["s-1"]
    assert send_due(outbox, 10.0 + RESEND_AFTER_S) == ["s-1"], "the second would overtake it"
    outbox.settle("s-1")
    assert send_due(outbox, 11.1) == ["s-2"], "at once"


def test_sessions_do_not_wait_for_each_other():
    outbox = Outbox()
    for session in ("a", "b"):
        for number in (1, 2):
            outbox.offer(event(number, session))
    assert send_due(outbox, 10.0) == ["a-1", "b-1"]
    outbox.settle("b-1")
    assert send_due(outbox, 10.1) == ["b-2"]


def test_an_answer_that_comes_twice_settles_once():
    outbox = Outbox()
    outbox.offer(event(1))
    assert outbox.settle("s-1") == event(1)
    assert outbox.settle("s-1") is None
    outbox.mark_sent("s-1", 10.0)


def test_the_same_event_again_keeps_its_place_and_its_time():
    outbox = Outbox()
    outbox.offer(event(1))
    send_due(outbox, 10.0)
    assert outbox.offer(event(1))
    assert len(outbox) == 1
    assert send_due(outbox, 10.5) == []


def test_a_full_box_refuses_the_newest_and_counts():
    outbox = Outbox(capacity=2)
    assert [outbox.offer(event(number)) for number in (1, 2, 3, 4)] == [True, True, False, False]
    assert outbox.dropped == 2
    assert outbox.offer(event(1)), "it is in already"
    assert outbox.dropped == 2
    outbox.settle("s-1")
    assert outbox.offer(event(5))
    outbox.settle("s-2")
    assert send_due(outbox, 0.0) == ["s-5"]


def test_not_more_than_the_limit_is_due_at_once():
    outbox = Outbox()
    for number in range(500):
        outbox.offer(event(number, f"s{number}"))
    assert len(outbox.due(0.0, limit=100)) == 100


def test_an_event_without_a_session_has_its_place_too():
    outbox = Outbox()
    outbox.offer(Publish(id="x", kind="gap", event={}))
    assert send_due(outbox, 0.0) == ["x"]


def test_through_any_losses_each_session_arrives_in_order_and_whole():
    chance = random.Random(7)
    outbox = Outbox()
    arrived: dict[str, list[str]] = {"a": [], "b": []}
    for number in range(200):
        outbox.offer(event(number, chance.choice("ab")))
    waiting = len(outbox)
    now_s = 0.0
    while len(outbox):
        now_s += 0.2
        for publish_id in send_due(outbox, now_s):
            fate = chance.random()
            if fate < 0.8 and publish_id not in arrived[publish_id[0]]:  # else: lost on its way
                arrived[publish_id[0]].append(publish_id)
            if fate < 0.6:  # else: its answer is lost
                outbox.settle(publish_id)
    assert sum(map(len, arrived.values())) == waiting == 200
    for ids in arrived.values():
        assert ids == sorted(ids, key=lambda text: int(text[2:]))


# --- when the broker hears, but cannot store ---


def final(number: int, session: str = "s") -> Publish:
    return Publish(id=f"{session}-{number}", kind="transcript-final", event={"session": session})


def told(outbox: Outbox, now_s: float) -> list[str]:
    return [publish.id for publish in outbox.untold(now_s)]


def test_finals_that_are_not_stored_in_time_are_told_once():
    outbox = Outbox()
    outbox.offer(final(1))
    outbox.offer(final(2))
    send_due(outbox, 10.0)
    send_due(outbox, 11.0)
    assert told(outbox, 10.0 + TOLD_AFTER_S - 0.1) == []
    assert told(outbox, 10.0 + TOLD_AFTER_S) == ["s-1", "s-2"]
    outbox.offer(final(3))
    assert told(outbox, 12.0) == ["s-3"], "at once"
    assert told(outbox, 60.0) == []


def test_a_session_whose_events_are_stored_tells_nothing_early():
    outbox = Outbox()
    for number in range(100):
        outbox.offer(final(number))
    for number in range(100):
        send_due(outbox, 10.0 + number)
        assert told(outbox, 11.0 + number) == []
        outbox.settle(f"s-{number}")


def test_only_finals_are_told_early_and_only_of_the_session_that_waits():
    outbox = Outbox()
    outbox.offer(event(1, "a"))
    outbox.offer(final(2, "a"))
    send_due(outbox, 10.0)
    outbox.offer(final(1, "b"))
    send_due(outbox, 12.0)
    assert told(outbox, 12.0) == ["a-2"]


def test_what_could_not_even_be_sent_is_not_told():
    outbox = Outbox()
    outbox.offer(final(1))
    assert told(outbox, 1000.0) == []
