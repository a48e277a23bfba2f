import json

import pytest

from causal.stt.codec import parse
from causal.stt.session import (
    Advance,
    Close,
    Dropped,
    Finish,
    GoLive,
    NotOpened,
    Opened,
    Ponged,
    Publish,
    Received,
    RollOver,
    SendPing,
    SendText,
    Session,
    State,
    Warn,
    Woke,
    WriteBegan,
    WriteEnded,
)
from causal.stt.timing import Timing
from causal.stt.turns import Final, Partial, Void

UNIX_S = 1_700_000_000.0
TIMING = Timing(connect_s=10, begin_s=10, write_s=10, drain_s=15, ping_s=5, pong_s=5, hold_s=1.2, rollover_s=120)


def said(**fields: object) -> Received:
    return Received(parse(json.dumps(fields)))


def turn(order: int, text: str, *, ended: bool = False, formatted: bool = True) -> Received:
    return said(
        type="Turn", turn_order=order, end_of_turn=ended, turn_is_formatted=formatted, transcript=text, words=[]
    )


def new(formatting: bool = True) -> Session:
    return Session(now_s=0.0, formatting_requested=formatting, timing=TIMING)


def live(*, length_s: float = 10800, formatting: bool = True) -> Session:
    """A session that began at 1 s."""
    session = new(formatting)
    session.on(Opened(UNIX_S), now_s=0.5)
    assert session.on(said(type="Begin", id="abc", expires_at=UNIX_S + length_s), now_s=1.0) == [GoLive("abc")]
    return session


def failure(actions: list[object]) -> object:
    closing = [action for action in actions if isinstance(action, Close)]
    assert len(closing) == 1
    return closing[0].failure


def test_audio_flows_only_after_begin():
    session = new()
    assert session.on(Opened(UNIX_S), now_s=0.1) == []
    assert session.state is State.AWAITING_BEGIN
    assert session.on(said(type="Begin", id="abc"), now_s=0.2) == [GoLive("abc")]
    assert session.state is State.LIVE


@pytest.mark.parametrize(("opened", "told"), [(False, "did not answer"), (True, "no session")])
def test_neither_the_handshake_nor_begin_is_waited_for_longer_than_agreed(opened, told):
    session = new()
    if opened:
        session.on(Opened(UNIX_S), now_s=0.0)
    assert session.deadline_s == 10.0
    assert session.on(Woke(), now_s=9.9) == []
    ended = failure(session.on(Woke(), now_s=10.0))
    assert ended.retryable
    assert told in ended.message
    assert session.state is State.CLOSED


def test_a_session_counts_once_its_socket_is_open():
    session = new()
    assert not session.opened
    session.on(Opened(UNIX_S), now_s=0.1)
    assert session.opened


def test_a_refused_key_comes_after_the_upgrade_and_is_not_tried_again():
    session = new()
    session.on(Opened(UNIX_S), now_s=0.1)
    ended = failure(session.on(said(type="Error", error_code=1008, error="Invalid API key"), now_s=0.2))
    assert (ended.code, ended.retryable) == ("auth-failed", False)
    assert session.on(Dropped(1008, "See Error message for details"), now_s=0.3) == []


def test_a_refused_upgrade_tells_its_status():
    assert failure(new().on(NotOpened("HTTP 401", 401), now_s=0.1)).code == "auth-failed"
    assert failure(new().on(NotOpened("connection refused"), now_s=0.1)).code == "connection-failed"


def test_turns_come_out_as_facts():
    session = live()
    assert session.on(turn(0, "hel"), now_s=2.0) == [Publish(Partial(0, 0, "hel", ()))]
    assert session.has_open_turn
    assert session.on(turn(0, "Hello.", ended=True), now_s=2.1) == [Publish(Final(0, 1, "Hello.", ()))]


def test_a_plain_final_waits_for_its_formatted_version_by_the_sessions_own_deadline():
    session = live()
    assert session.on(turn(0, "hello", ended=True, formatted=False), now_s=2.0) == [Publish(Partial(0, 0, "hello", ()))]
    assert session.deadline_s == pytest.approx(3.2)
    assert session.on(Woke(), now_s=3.3) == [Publish(Final(0, 1, "hello", ()))]


def test_a_finished_session_sends_terminate_drains_and_ends_without_a_failure():
    session = live()
    session.on(turn(0, "last wor"), now_s=2.0)
    assert session.on(Finish(), now_s=3.0) == [SendText('{"type": "Terminate"}')]
    assert session.on(turn(0, "Last words.", ended=True), now_s=3.5) == [Publish(Final(0, 1, "Last words.", ()))]
    assert session.on(said(type="Termination", audio_duration_seconds=3), now_s=3.6) == [Close(None)]
    assert session.state is State.CLOSED
    assert session.deadline_s is None


def test_a_turn_still_open_at_termination_is_final():
    session = live()
    session.on(turn(0, "last"), now_s=2.0)
    session.on(Finish(), now_s=3.0)
    assert session.on(said(type="Termination"), now_s=3.6) == [Publish(Final(0, 1, "last", ())), Close(None)]


def test_an_end_without_termination_is_a_failure_even_with_code_1000():
    session = live()
    session.on(Finish(), now_s=3.0)
    ended = failure(session.on(Dropped(1000, "Session Ended"), now_s=3.5))
    assert ended.retryable
    assert ended.only_unsaid


@pytest.mark.parametrize("code", [1001, 1006, 1011])
def test_a_connection_that_is_lost_after_terminate_may_have_had_more_to_say(code):
    session = live()
    session.on(Finish(), now_s=3.0)
    assert not failure(session.on(Dropped(code), now_s=3.5)).only_unsaid


def test_termination_is_not_waited_for_longer_than_agreed():
    session = live()
    session.on(Finish(), now_s=3.0)
    for now_s in (6.0, 10.0):
        session.on(Woke(), now_s)
        session.on(Ponged(), now_s)
    ended = failure(session.on(Woke(), now_s=18.0))
    assert ended.retryable
    assert ended.only_unsaid


def test_an_unrequested_1000_is_a_lost_connection_and_takes_partials_back():
    session = live()
    session.on(turn(0, "half a sen"), now_s=2.0)
    actions = session.on(Dropped(1000), now_s=2.5)
    assert actions[0] == Publish(Void(0))
    assert failure(actions).retryable
    assert not failure(actions).only_unsaid


def test_the_text_of_the_error_counts_not_the_close_that_follows():
    ended = failure(live().on(said(type="Error", error_code=3006, error="Session terminated due to inactivity"), 9.0))
    assert ended.retryable
    assert ended.on_speech


def test_a_dead_peer_shows_within_ten_seconds():
    session = live()
    assert session.deadline_s == 6.0
    assert session.on(Woke(), now_s=6.0) == [SendPing()]
    assert session.deadline_s == 11.0
    assert "ping" in failure(session.on(Woke(), now_s=11.0)).message


def test_a_living_peer_is_asked_again_five_seconds_after_its_answer():
    session = live()
    session.on(Woke(), now_s=6.0)
    session.on(Ponged(), now_s=6.2)
    assert session.deadline_s == pytest.approx(11.2)
    assert session.on(Woke(), now_s=11.2) == [SendPing()]


def test_a_pong_that_nobody_asked_for_changes_nothing():
    session = live()
    session.on(Ponged(), now_s=5.0)
    assert session.deadline_s == 6.0


def test_a_write_that_does_not_end_is_a_failure():
    session = live()
    session.on(WriteBegan(), now_s=1.5)
    session.on(WriteEnded(), now_s=1.6)
    session.on(WriteBegan(), now_s=2.0)
    session.on(Woke(), now_s=6.0)
    session.on(Ponged(), now_s=6.1)
    session.on(Woke(), now_s=11.1)
    session.on(Ponged(), now_s=11.2)
    assert "taken nothing" in failure(session.on(Woke(), now_s=12.0)).message


def test_the_next_session_is_wanted_before_this_one_expires():
    session = live(length_s=600)
    assert session.on(Woke(), now_s=480.9)[-1:] == [SendPing()]
    session.on(Ponged(), now_s=480.95)
    assert session.on(Woke(), now_s=481.0) == [RollOver()]
    assert RollOver() not in session.on(Woke(), now_s=486.0)


def test_a_session_shorter_than_the_notice_ends_by_its_own_code():
    assert live(length_s=60).deadline_s == 6.0
    ended = failure(live(length_s=60).on(Dropped(3008), now_s=61.0))
    assert ended.at_once


def test_nonsense_is_counted_and_the_session_lives():
    session = live()
    for frame in ("{", "[]", b"\x00", '{"type": "Turn"}', '{"type": "New"}', '{"type": "Turn", "turn_order": "x"}'):
        assert session.on(Received(parse(frame)), now_s=2.0) == []
    assert (session.unreadable, session.unknown) == (5, 1)
    assert session.on(turn(0, "still here"), now_s=2.1) == [Publish(Partial(0, 0, "still here", ()))]


def test_progress_and_warnings_are_passed_on():
    session = live()
    assert session.on(said(type="Heartbeat", total_audio_received_ms=900), now_s=2.0) == [Advance(900)]
    assert session.on(said(type="Silence", start_ms=900, end_ms=1900), now_s=2.0) == [Advance(1900)]
    assert session.on(said(type="SpeechStarted", timestamp=2100), now_s=2.0) == [Advance(2100)]
    assert session.on(said(type="Warning", warning_code=1, warning="slow"), now_s=2.0) == [Warn("slow")]


def test_a_session_finished_before_it_began_is_just_closed():
    assert new().on(Finish(), now_s=0.1) == [Close(None)]


def test_what_arrives_after_the_end_is_nothing():
    session = live()
    session.on(Dropped(1006), now_s=2.0)
    for event in (Opened(UNIX_S), turn(0, "late"), Finish(), Woke(), Ponged(), Dropped(1000), WriteEnded()):
        assert session.on(event, now_s=3.0) == []


def test_what_a_state_does_not_expect_is_our_bug_and_raises():
    with pytest.raises(RuntimeError, match="Opened while live"):
        live().on(Opened(UNIX_S), now_s=2.0)
    with pytest.raises(RuntimeError, match="Received while connecting"):
        new().on(turn(0, "x"), now_s=0.1)
