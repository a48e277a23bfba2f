"""The control desk, as scripts: a session from its start to its end, and the end of the stack."""

from __future__ import annotations

import pytest

from causal.control.desk import FAREWELL_WITHIN_S, SHUTDOWN_WITHIN_S
from causal.messages.control import (
    Fault,
    List,
    Shutdown,
    Start,
    Stop,
    StreamReport,
)
from causal.testing.desk_run import MIC, TICK_S, DeskRun, finish, ready, report

# --- a session from its start to its end ---


def test_the_story_of_a_session():
    stack = ready()
    session = stack.start("mic", label="Monday", language="de", keyterms=("Causal",))
    assert stack.rings == 1, "the services ask at once"
    assert stack.states(session) == [("running", "")]

    (heard,) = stack.poll("capture").streams
    assert (heard.stream, heard.device, heard.epoch, heard.stop) == (f"{session}/mic", "mic", 1, False)
    assert (heard.engine, heard.language, heard.keyterms) == ("local", "de", ("Causal",))
    assert heard.peers == {"resample": "1", "stt": "1"}
    (written,) = stack.poll("stt").streams
    assert written.started_ns == heard.started_ns == 1000_100_000_000
    assert written.peers == {"capture": "1", "resample": "1"}

    stack.poll("capture", report(heard, state="capturing", device=MIC.id))
    stack.poll("stt", report(written, speech="live"))
    assert stack.statuses() == [("capturing", "idle"), ("capturing", "live")]

    assert stack.ask(Stop(session=session), "stop") is None, "it waits for the last words"
    assert stack.states(session)[-1] == ("finishing", "stopped")
    assert stack.poll("capture").streams[0].stop
    assert stack.poll("stt").streams[0].stop
    finish(stack, "capture", "resample")
    stack.pass_time(1.0)
    assert "stop" not in stack.answers
    finish(stack, "stt")
    stack.pass_time(TICK_S)
    assert stack.answers["stop"] == {"ok": True, "state": "ended", "backlog_ms": 0}
    assert stack.states(session)[-1] == ("ended", "stopped")
    assert stack.poll("stt").streams == ()


def test_every_resampler_is_told_all_sessions_that_have_not_ended():
    stack = ready()
    first, second = stack.start("mic"), stack.start("mic")
    assert [stack.poll("resample", instance=name).sessions for name in "12"] == [(first, second)] * 2
    finish(stack)
    stack.ask(Stop(session=first))
    stack.ask(Stop(session=second))
    stack.pass_time(TICK_S)
    assert stack.poll("resample", instance="2").sessions == ()
    third = stack.start("mic")
    stack.ask(Stop(session=third))
    assert stack.poll("resample", instance="2").sessions == (third,), "its last words may still be in the journal alone"
    assert stack.poll("stt").sessions == (), "only resamplers delete journals"


def test_a_stop_answers_after_its_timeout_and_the_session_goes_on_finishing():
    stack = ready()
    session = stack.start("mic")
    work = stack.poll("stt")
    stack.poll("stt", report(work, backlog_ms=4200))
    stack.ask(Stop(session=session, timeout_s=2.0), "stop")
    stack.pass_time(1.9)
    assert "stop" not in stack.answers
    stack.pass_time(0.2)
    assert stack.answers["stop"] == {"ok": True, "state": "finishing", "backlog_ms": 4200}
    finish(stack)
    assert stack.states(session)[-1] == ("ended", "stopped")


@pytest.mark.parametrize("timeout_s", [0.0, -5.0, float("nan")])
def test_a_stop_that_does_not_wait_is_answered_at_once(timeout_s):
    stack = ready()
    session = stack.start("mic")
    stack.ask(Stop(session=session, timeout_s=timeout_s), "stop")
    stack.pass_time(TICK_S)
    assert stack.answers["stop"]["state"] == "finishing"


def test_two_stops_of_a_session_are_answered_both():
    stack = ready()
    session = stack.start("mic")
    stack.ask(Stop(session=session), "one")
    stack.ask(Stop(session=session), "two")
    finish(stack)
    stack.pass_time(TICK_S)
    assert stack.answers["one"] == stack.answers["two"] == {"ok": True, "state": "ended", "backlog_ms": 0}


def test_a_session_that_ended_while_its_stop_was_held_is_still_known_to_the_stop():
    stack = ready()
    first, second = stack.start("mic"), stack.start("system")
    stack.ask(Stop(session=second), "second")
    stack.ask(Stop(session=first), "first")
    finish(stack)
    stack.pass_time(TICK_S)
    assert {stack.answers[name]["state"] for name in ("first", "second")} == {"ended"}


def test_a_stop_after_the_end_says_so():
    stack = ready()
    session = stack.start("mic")
    stack.ask(Stop(session=session))
    finish(stack)
    stack.pass_time(1.0)
    assert stack.ask(Stop(session=session)) == {"ok": True, "state": "ended", "backlog_ms": 0}


def test_a_stop_of_a_session_that_never_was_names_the_nearest():
    stack = ready(new_id=lambda unix_ns: "20260131-120000-abcd")
    stack.start("mic")
    answer = stack.ask(Stop(session="20260131-120000-abce"))
    assert answer["error"]["code"] == "unknown-session"
    assert answer["error"]["hint"] == "Did you mean 20260131-120000-abcd?"


def test_a_file_that_is_over_ends_its_session():
    stack = ready()
    session = stack.start("file:/a.wav")
    finish(stack, "capture")
    assert stack.states(session)[-1] == ("finishing", "source-ended")
    finish(stack, "resample", "stt")
    assert stack.states(session)[-1] == ("ended", "source-ended")


def test_a_session_runs_until_its_last_source_has_ended():
    stack = ready()
    session = stack.start("mic", "file:/a.wav")
    mic, file = stack.poll("capture").streams
    stack.poll("capture", report(file, done=True, state="stopped"))
    assert stack.states(session) == [("running", "")]
    assert [work.stream for work in stack.poll("capture").streams] == [mic.stream]
    stack.poll("capture", report(mic, done=True, state="stopped"))
    assert stack.states(session)[-1] == ("finishing", "source-ended")


def test_a_source_that_fails_for_good_ends_the_session_as_failed():
    stack = ready()
    session = stack.start("mic")
    fault = Fault(code="permission-denied", message="no", hint="Ask.")
    stack.poll("capture", report(stack.poll("capture"), state="failed", done=True, fault=fault))
    finish(stack, "resample", "stt")
    assert stack.states(session)[1:] == [("finishing", "failed"), ("ended", "failed")]
    assert stack.statuses() == [("failed", "idle")]


def test_a_report_that_comes_twice_changes_nothing():
    stack = ready()
    session = stack.start("mic")
    work = stack.poll("capture")
    for _ in range(3):
        stack.poll("capture", report(work, done=True))
    assert stack.states(session) == [("running", ""), ("finishing", "source-ended")]
    work = stack.poll("stt")
    for _ in range(3):
        stack.poll("stt", report(work, done=True))
        stack.pass_time(TICK_S)
    assert stack.states(session)[2:] == [("ended", "source-ended")]


@pytest.mark.parametrize("stream", ["", "/", "nobody/mic", "nobody", "a/b/c", "\x00"])
def test_a_report_of_a_stream_that_is_not_there_is_no_matter(stream):
    stack = ready()
    session = stack.start("mic")
    stack.poll("stt", StreamReport(stream=stream, epoch=1, done=True), StreamReport(stream=session, epoch=1, done=True))
    assert stack.states(session) == [("running", "")]


# --- the end of the stack ---


def test_shutdown_stops_the_sessions_tells_the_workers_and_closes():
    stack = ready()
    session = stack.start("mic")
    stack.all_poll()
    assert stack.ask(Shutdown()) == {"ok": True}
    assert stack.states(session)[-1] == ("finishing", "stack-stopped")
    assert not stack.poll("capture").shutdown, "first the last words"
    finish(stack)
    stack.pass_time(TICK_S)
    assert stack.states(session)[-1] == ("ended", "stack-stopped")
    assert not stack.closed
    assert stack.poll("capture").shutdown
    assert stack.poll("resample").shutdown
    stack.pass_time(TICK_S)
    assert not stack.closed, "one has not heard of it"
    assert stack.poll("stt").shutdown
    stack.pass_time(TICK_S)
    assert stack.closed


def test_shutdown_waits_neither_for_lost_words_nor_for_lost_workers_for_ever():
    stack = ready()
    stack.start("mic")
    stack.ask(Shutdown())
    stack.pass_time(SHUTDOWN_WITHIN_S, "stt")
    assert not stack.closed
    stack.pass_time(FAREWELL_WITHIN_S + 2 * TICK_S)
    assert stack.closed


def test_asking_again_does_not_put_the_end_off():
    stack = ready()
    stack.start("mic")
    stack.ask(Shutdown())
    for _ in range(6):
        stack.pass_time(2.0, "stt")
        stack.ask(Shutdown())
    assert stack.closed


def test_sigterm_ends_the_desk_alone_and_soon():
    stack = ready()
    session = stack.start("mic")
    stack.all_poll()
    stack.do(stack.desk.stop_all(stack.now(), 3.0))
    stack.pass_time(2.9, "capture", "resample", "stt")
    assert not stack.closed
    finish(stack)
    stack.pass_time(TICK_S)
    assert stack.states(session)[-1] == ("ended", "stack-stopped")
    assert stack.closed
    assert not stack.poll("stt").shutdown, "whoever ends the others tells them"


def test_sigterm_without_a_session_closes_at_once():
    stack = ready()
    stack.do(stack.desk.stop_all(stack.now(), 3.0))
    stack.pass_time(TICK_S)
    assert stack.closed


def test_who_still_waits_at_the_end_is_answered():
    stack = DeskRun()
    stack.ask(List(), "list")
    session = stack.start("file:/a.wav")
    stack.poll("capture", devices=())
    stack.pass_time(TICK_S)
    stack.ask(Stop(session=session, timeout_s=60.0), "stop")
    stack.do(stack.desk.stop_all(stack.now(), 1.0))
    stack.pass_time(1.5)
    assert stack.closed
    assert stack.answers["stop"]["state"] == "finishing"


def test_no_session_begins_while_the_stack_ends():
    stack = ready()
    stack.start("mic")
    stack.ask(Shutdown())
    answer = stack.ask(Start(sources=("mic",)))
    assert answer["error"]["code"] == "shutting-down"
