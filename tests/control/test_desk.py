"""The control desk, as scripts: who asks what when, what is answered, what each worker is told."""

from __future__ import annotations

import dataclasses
import itertools
import random
from typing import Any

import msgspec
import pytest

from causal import wire
from causal.control.crew import Now
from causal.control.desk import DEVICES_WITHIN_S, FAREWELL_WITHIN_S, MAX_HELD, SHUTDOWN_WITHIN_S, Desk, Facts
from causal.control.effects import (
    Answer,
    Close,
    Effect,
    Emit,
    MintToken,
    Publish,
    ReadSession,
    Ring,
    Save,
    SaveGrants,
    Ticket,
)
from causal.control.registry import SILENT_AFTER_S
from causal.control.session import Session
from causal.messages import CaptureError, CaptureStatus, ServiceStatus, SessionStatus
from causal.messages.control import (
    Assignment,
    Assignments,
    Device,
    Export,
    Fault,
    List,
    Request,
    Sessions,
    Shutdown,
    Start,
    Status,
    Stop,
    StreamReport,
    Token,
    Wish,
    Work,
)

TICK_S = 0.1
MIC = Device(
    id="pulse:alsa_input.usb", name="USB mic", kind="input", backend="pulse", default=True, channels=1, rate_hz=48000
)
MONITOR = Device(
    id="pulse:alsa_output.pci.monitor",
    name="Speakers",
    kind="loopback",
    backend="pulse",
    default=True,
    channels=2,
    rate_hz=48000,
)


class Stack:
    """A desk, the time, and what came of it all. Killing the controller leaves what it had saved."""

    def __init__(self, **facts: Any) -> None:
        self.now_s = 1000.0
        self.facts = Facts(**{"stack": "one", "file_exists": lambda path: True, "history": self.history} | facts)
        self.answers: dict[Any, dict[str, Any]] = {}
        self.published: list[Publish] = []
        self.emitted: list[Emit] = []
        self.minted: list[MintToken] = []
        self.rings = 0
        self.closed = False
        self.saved: dict[str, bytes] = {}
        self.settled: set[str] = set()
        self.granted_s: dict[str, float] = {}
        self._ids = itertools.count(1)
        self.desk = Desk(self.facts)

    def now(self) -> Now:
        return Now(self.now_s, int(self.now_s * 1e9), int((self.now_s + 1.7e9) * 1e9))

    def history(self) -> list[Session]:
        return [msgspec.json.decode(text, type=Session) for text in self.saved.values()]

    def ask(self, request: Request, request_id: Any = None) -> dict[str, Any] | None:
        """The answer, if there is one at once."""
        ticket = Ticket((b"client", b""), request_id or f"r{next(self._ids)}")
        self.do(self.desk.request(ticket, request, self.now()))
        return self.answers.get(ticket.id)

    def start(self, *sources: str, **wishes: Any) -> str:
        answer = self.ask(Start(sources=sources, **wishes))
        assert answer, "a start that waits"
        assert answer["ok"], answer
        return str(answer["session"])

    def poll(
        self,
        service: str,
        *reports: StreamReport,
        instance: str = "1",
        process: str = "a",
        devices: tuple[Device, ...] | None = None,
        wishes: tuple[Wish, ...] = (),
        fault: Fault | None = None,
    ) -> Work:
        """What a worker is told."""
        poll = Assignments(
            service=service,
            instance=instance,
            incarnation=process,
            pid=1,
            streams=reports,
            devices=(MIC, MONITOR) if service == "capture" and devices is None else devices,
            wishes=wishes,
            fault=fault,
        )
        answer = self.ask(poll)
        assert answer
        return wire.convert(answer, Work)

    def all_poll(self) -> None:
        for service in ("capture", "resample", "stt"):
            self.poll(service)

    def pass_time(self, seconds: float, *services: str) -> None:
        """Time passes; the named services poll, as live ones do."""
        for _ in range(round(seconds / TICK_S)):
            self.now_s += TICK_S
            for service in services:
                self.poll(service)
            self.do(self.desk.tick(self.now()))

    def kill_controller(self, *, stack: str = "one", away_s: float = 0.5) -> None:
        """The next controller, of the same run of the stack or another."""
        self.now_s += away_s
        self.facts = dataclasses.replace(self.facts, stack=stack)
        left = [s for s in self.history() if s.id not in self.settled]
        self.desk = Desk(self.facts, left, self.granted_s)
        self.do(self.desk.open(self.now()))

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Answer(ticket, fields):
                    if ticket is not None:
                        assert ticket.id not in self.answers, "answered twice"
                        self.answers[ticket.id] = fields
                case Save(session):
                    self.saved[session.id] = msgspec.json.encode(session)
                case SaveGrants(granted_s):
                    self.granted_s = granted_s
                case Publish():
                    if effect.key is None or effect.key not in [known.key for known in self.published]:
                        self.published.append(effect)
                case Emit():
                    self.emitted.append(effect)
                case MintToken():
                    self.minted.append(effect)
                case Ring():
                    self.rings += 1
                case Close():
                    self.closed = True

    def states(self, session: str) -> list[tuple[str, str]]:
        """State and reason, as published."""
        events = [one.event for one in self.published if isinstance(one.event, SessionStatus)]
        return [(event.state, event.reason) for event in events if event.session == session]

    def statuses(self) -> list[tuple[str, str]]:
        """State and speech of the streams, as published for good."""
        return [(p.event.state, p.event.speech) for p in self.published if isinstance(p.event, CaptureStatus)]

    def errors(self) -> list[CaptureError]:
        return [one.event for one in self.published if isinstance(one.event, CaptureError)]


def ready(**facts: Any) -> Stack:
    """A stack whose workers have said that they are there."""
    stack = Stack(**facts)
    stack.pass_time(TICK_S)
    stack.all_poll()
    return stack


def report(work: Work | Assignment, **fields: Any) -> StreamReport:
    assignment = work if isinstance(work, Assignment) else work.streams[0]
    return StreamReport(stream=assignment.stream, epoch=assignment.epoch, **fields)


def finish(stack: Stack, *services: str) -> None:
    """The services do what is left, one after the other."""
    for service in services or ("capture", "resample", "stt"):
        work = stack.poll(service)
        stack.poll(service, *(report(assignment, done=True) for assignment in work.streams))


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


# --- workers die ---


def test_a_killed_worker_gets_its_streams_again_in_a_new_epoch():
    stack = ready()
    stack.start("mic")
    (before,) = stack.poll("resample", process="a").streams
    (after,) = stack.poll("resample", process="b").streams
    assert (before.epoch, after.epoch) == (1, 2)
    assert stack.poll("resample", process="b").streams[0].epoch == 2


def test_what_a_dead_worker_said_last_does_not_count():
    stack = ready()
    session = stack.start("mic")
    (old,) = stack.poll("stt", process="a").streams
    stack.poll("stt", process="b")
    stack.ask(Stop(session=session))
    stack.poll("stt", report(old, done=True), process="b")
    assert stack.states(session)[-1] == ("finishing", "stopped")


def test_a_stream_waits_for_its_worker_through_a_short_absence():
    stack = ready()
    stack.start("mic")
    stack.poll("stt", instance="2")
    stack.pass_time(SILENT_AFTER_S - 0.2)
    assert stack.poll("stt", instance="2").streams == ()
    (work,) = stack.poll("stt", instance="1", process="b").streams
    assert work.epoch == 2


def test_a_stream_moves_when_its_worker_is_gone_and_another_lives():
    stack = ready()
    stack.start("mic")
    for _ in range(40):
        stack.pass_time(TICK_S)
        stack.poll("stt", instance="2")
    (moved,) = stack.poll("stt", instance="2").streams
    assert moved.epoch == 2
    assert stack.poll("stt", instance="1").streams == (), "it comes back too late"
    assert stack.poll("resample").streams[0].peers["stt"] == "2"


def test_a_stream_stays_where_it_was_when_nobody_else_lives():
    stack = ready()
    stack.start("mic")
    stack.pass_time(60.0)
    (work,) = stack.poll("stt", process="b").streams
    assert work.epoch == 2


def test_a_controller_that_stood_still_takes_no_streams_away():
    stack = ready()
    stack.poll("stt", instance="2")
    stack.start("mic")
    stack.now_s += 30.0
    stack.poll("stt", instance="2")
    stack.do(stack.desk.tick(stack.now()))
    assert stack.poll("stt", instance="2").streams == ()
    assert stack.poll("stt", instance="1").streams[0].epoch == 1


def test_new_streams_go_to_the_worker_with_the_fewest():
    stack = ready()
    stack.poll("stt", instance="2")
    for _ in range(4):
        stack.start("mic")
    assert [len(stack.poll("stt", instance=name).streams) for name in "12"] == [2, 2]


def test_streams_that_are_done_are_no_load():
    stack = ready()
    stack.start("file:/a.wav", "file:/b.wav")
    finish(stack)
    stack.poll("stt", instance="2")
    stack.start("mic")
    stack.start("mic")
    assert [len(stack.poll("stt", instance=name).streams) for name in "12"] == [1, 1]


def test_a_worker_that_comes_late_gets_what_waited_for_it():
    stack = Stack()
    stack.poll("capture")
    stack.start("mic")
    stack.pass_time(TICK_S)
    rings = stack.rings
    stack.poll("stt")
    stack.pass_time(TICK_S)
    assert stack.poll("stt").streams[0].epoch == 1
    assert stack.rings == rings + 1, "whoever needs to know its peer asks at once"


# --- no worker at all ---


def test_a_session_that_no_capture_ever_had_ends_when_it_is_stopped():
    stack = Stack()
    session = stack.start("file:/a.wav")
    stack.poll("stt")
    stack.poll("resample")
    stack.pass_time(1.0)
    assert stack.poll("stt").streams
    stack.ask(Stop(session=session), "stop")
    stack.pass_time(TICK_S)
    assert stack.answers["stop"]["state"] == "ended"
    assert stack.states(session) == [("running", ""), ("finishing", "stopped"), ("ended", "stopped")]
    assert stack.poll("capture").streams == stack.poll("stt").streams == ()


def test_a_session_whose_capture_died_is_finished_by_the_next():
    stack = ready()
    session = stack.start("mic")
    stack.ask(Stop(session=session, timeout_s=5.0), "stop")
    stack.pass_time(5.1)
    assert stack.answers["stop"]["state"] == "finishing"
    (work,) = stack.poll("capture", process="b").streams
    assert (work.stop, work.epoch) == (True, 2)
    stack.poll("capture", report(work, done=True), process="b")
    finish(stack, "resample", "stt")
    assert stack.states(session)[-1] == ("ended", "stopped")


# --- the controller dies ---


def test_sessions_outlive_the_controller():
    stack = ready()
    session = stack.start("mic")
    stack.all_poll()
    stack.kill_controller()
    assert stack.states(session) == [("running", "")], "told once"
    assert stack.poll("capture").streams[0].epoch == 1, "nothing changes for the workers"
    stack.ask(Stop(session=session), "stop")
    finish(stack)
    stack.pass_time(TICK_S)
    assert stack.answers["stop"]["state"] == "ended"


def test_after_the_controllers_restart_streams_stay_where_they_are():
    stack = ready()
    stack.poll("stt", instance="2")
    stack.start("mic")
    stack.poll("stt", instance="1")
    stack.kill_controller()
    for _ in range(10):
        stack.pass_time(TICK_S)
        stack.poll("stt", instance="2")
    assert stack.poll("stt", instance="2").streams == (), "the other is only not heard yet"
    assert stack.poll("stt", instance="1").streams[0].epoch == 1


def test_epochs_only_grow_through_the_controllers_restarts():
    stack = ready()
    stack.start("mic")
    epochs = []
    for number in range(5):
        epochs.append(stack.poll("resample", process=f"p{number}").streams[0].epoch)
        stack.kill_controller()
    assert epochs == [2, 3, 4, 5, 6]


def test_a_file_that_was_over_is_not_read_again_after_the_controllers_restart():
    stack = ready()
    stack.start("mic", "file:/a.wav")
    mic, file = stack.poll("capture").streams
    stack.poll("capture", report(file, done=True))
    stack.kill_controller()
    assert [work.stream for work in stack.poll("capture").streams] == [mic.stream]


def test_an_end_that_died_with_the_controller_is_told_by_the_next():
    stack = ready()
    session = stack.start("mic")
    stack.ask(Stop(session=session))
    finish(stack)
    del stack.published[-1]
    stack.kill_controller()
    assert stack.states(session)[-1] == ("ended", "stopped")
    stack.pass_time(TICK_S)
    assert stack.ask(Status())["sessions"] == []


def test_a_controller_that_died_between_a_last_word_and_the_end_ends_the_session_at_its_start():
    stack = ready()
    session = stack.start("mic")
    stack.ask(Stop(session=session))
    finish(stack, "capture", "resample")
    (work,) = stack.poll("stt").streams
    now = stack.now()
    poll = Assignments(service="stt", instance="1", incarnation="a", pid=1, streams=(report(work, done=True),))
    effects = stack.desk.request(None, poll, now)
    stack.do([next(effect for effect in effects if isinstance(effect, Save))])
    # saved as it was when the report came, not as it became
    unfinished = stack.history()[0]
    unfinished.state = "finishing"
    stack.saved[session] = msgspec.json.encode(unfinished)
    stack.kill_controller()
    assert stack.states(session)[-1] == ("ended", "stopped")


def test_after_a_restart_of_the_whole_stack_no_device_is_opened_again():
    stack = ready()
    session = stack.start("mic")
    stack.all_poll()
    stack.kill_controller(stack="two")
    assert stack.states(session)[-1] == ("finishing", "stack-stopped")
    for service in ("capture", "resample", "stt"):
        (work,) = stack.poll(service, process="b").streams
        assert (work.stop, work.epoch) == (True, 2)
        stack.poll(service, report(work, done=True), process="b")
    assert stack.states(session)[-1] == ("ended", "stack-stopped")


def test_the_workers_hear_until_when_a_stopped_session_was_to_be_heard():
    stack = ready()
    session = stack.start("mic")
    assert stack.poll("resample").streams[0].stopped_ns is None
    stack.pass_time(5.0)
    stack.ask(Stop(session=session), "stop")
    stopped_ns = stack.now().capture_ns
    stack.pass_time(1.0)
    assert stack.poll("resample").streams[0].stopped_ns == stopped_ns
    stack.kill_controller()
    assert stack.poll("resample").streams[0].stopped_ns == stopped_ns


def test_a_stack_that_died_tells_nobody_until_when_it_was_to_be_heard():
    stack = ready()
    stack.start("mic")
    stack.all_poll()
    stack.kill_controller(stack="two")
    (work,) = stack.poll("resample", process="b").streams
    assert (work.stop, work.stopped_ns) == (True, None)


def test_a_session_that_was_stopped_before_keeps_its_reason():
    stack = ready()
    session = stack.start("mic")
    stack.all_poll()
    stack.ask(Stop(session=session))
    stack.kill_controller(stack="two")
    finish(stack)
    assert stack.states(session)[1:] == [("finishing", "stopped"), ("ended", "stopped")]


def test_the_request_that_began_a_session_is_known_after_the_restart():
    stack = ready()
    answer = stack.ask(Start(sources=("mic",)), "start-1")
    (session,) = stack.history()
    assert session.request_id == "start-1"
    assert session.answer() == answer


# --- what can be heard ---


def test_without_a_wish_mic_and_system_are_heard():
    stack = ready()
    stack.start()
    assert [work.device for work in stack.poll("capture").streams] == ["mic", "system"]


def test_an_unknown_device_names_the_nearest():
    stack = ready()
    answer = stack.ask(Start(sources=("pulse:alsa_input.usbb",)))
    assert answer["error"]["code"] == "device-not-found"
    assert MIC.id in answer["error"]["hint"]
    assert stack.published == []


def test_without_a_sound_server_a_start_is_told_so_and_not_to_plug_in_a_microphone():
    stack = ready()
    fault = Fault(code="device-unavailable", message="no sound server answers", hint="Start PulseAudio.")
    stack.poll("capture", devices=(), fault=fault)
    assert stack.ask(Start(sources=("mic",)))["error"] == {
        "code": "device-unavailable",
        "message": "there is no device for 'mic': no sound server answers",
        "hint": "Start PulseAudio.",
    }
    assert stack.ask(Start(sources=("file:/a.wav",)))["ok"]


def test_a_missing_file_is_not_blamed_on_the_sound_server():
    stack = Stack(file_exists=lambda path: False)
    stack.poll("capture", devices=(), fault=Fault(code="device-unavailable", message="no sound server answers"))
    assert stack.ask(Start(sources=("file:/a.wav",)))["error"]["message"] == "there is no file /a.wav"


def test_a_start_before_capture_has_spoken_is_answered_when_it_has():
    stack = Stack()
    assert stack.ask(Start(sources=("mic",)), "start") is None
    assert stack.ask(List(), "list") is None
    stack.pass_time(1.0)
    stack.poll("capture")
    stack.pass_time(TICK_S)
    assert stack.answers["start"]["ok"]
    assert [device["id"] for device in stack.answers["list"]["devices"]] == [MIC.id, MONITOR.id]


def test_a_start_that_turns_out_wrong_is_refused_when_capture_has_spoken():
    stack = Stack()
    stack.ask(Start(sources=("nothing",)), "start")
    stack.poll("capture")
    stack.pass_time(TICK_S)
    assert stack.answers["start"]["error"]["code"] == "device-not-found"


def test_without_capture_list_and_start_are_refused_after_a_while():
    stack = Stack()
    stack.ask(List(), "list")
    stack.ask(Start(), "start")
    stack.pass_time(DEVICES_WITHIN_S + TICK_S)
    for name in ("list", "start"):
        assert stack.answers[name]["error"]["code"] == "device-unavailable"
        assert "causal-capture does not answer" in stack.answers[name]["error"]["message"]


def test_a_file_needs_no_list_of_devices():
    assert Stack().start("file:/a.wav")


def test_only_capture_says_what_can_be_heard():
    stack = Stack()
    stack.poll("stt", devices=(MIC,))
    assert stack.ask(List()) is None


def test_devices_that_come_and_go_are_listed_as_they_are():
    stack = ready()
    stack.poll("capture", devices=(MIC,))
    assert [device["id"] for device in stack.ask(List())["devices"]] == [MIC.id]
    stack.poll("capture", devices=())
    assert stack.ask(List())["devices"] == []
    assert stack.ask(Start())["error"]["code"] == "device-not-found"


def test_not_more_than_so_many_requests_wait():
    stack = Stack()
    for number in range(MAX_HELD + 5):
        stack.ask(List(), f"list-{number}")
    assert len(stack.answers) == 5
    assert stack.answers[f"list-{MAX_HELD}"]["error"]["code"] == "busy"
    stack.poll("capture")
    stack.pass_time(TICK_S)
    assert stack.ask(List())["ok"]


# --- who hears the room ---


@pytest.mark.parametrize(
    ("setting", "wish", "key", "engine"),
    [
        ("auto", None, None, "local"),
        ("auto", None, "k", "assemblyai"),
        ("auto", "local", "k", "local"),
        ("local", None, "k", "local"),
        ("local", "assemblyai", "k", "assemblyai"),
        ("assemblyai", "ws://localhost:8080", None, "ws://localhost:8080"),
        ("wss://stt.example", None, None, "wss://stt.example"),
    ],
)
def test_the_engine_is_what_was_wished_set_or_possible(setting, wish, key, engine):
    stack = ready(engine=setting, key=key)
    answer = stack.ask(Start(sources=("mic",), engine=wish))
    assert answer["engine"] == engine
    assert stack.poll("stt").streams[0].engine == engine


def test_assemblyai_without_a_key_is_refused_with_two_ways_out():
    answer = ready().ask(Start(sources=("mic",), engine="assemblyai"))
    assert answer["error"]["code"] == "auth-failed"
    assert "ASSEMBLYAI_API_KEY" in answer["error"]["hint"]
    assert "--engine local" in answer["error"]["hint"]


def test_an_unknown_engine_names_the_known():
    answer = ready().ask(Start(sources=("mic",), engine="whisper"))
    assert (answer["error"]["code"], "assemblyai, local" in answer["error"]["hint"]) == ("bad-config", True)


def test_only_gateways_get_the_key():
    stack = ready(key="secret")
    stack.start("mic")
    assert stack.poll("stt").key == "secret"
    for service in ("capture", "resample", "engine", "sink", "broker"):
        assert stack.poll(service).key is None
    told = [stack.ask(request) for request in (Status(), Sessions(), List())]
    assert "secret" not in repr((told, stack.published, stack.emitted, stack.saved))


def test_all_gateways_share_the_sessions_of_a_minute():
    stack = ready(key="k", new_sessions_per_minute=2)
    wishes = tuple(Wish(id=name, live=True) for name in "abc")
    assert stack.poll("stt", wishes=wishes[:1]).granted == ("a",)
    assert stack.poll("stt", instance="2", wishes=wishes[1:]).granted == ("b",)
    stack.now_s += 62.0
    assert stack.poll("stt", instance="2", wishes=wishes[2:]).granted == ("c",)


def test_a_controller_that_was_killed_has_not_forgotten_the_sessions_of_the_last_minute():
    stack = ready(key="k", new_sessions_per_minute=2)
    wishes = tuple(Wish(id=name, live=True) for name in "abc")
    stack.poll("stt", wishes=wishes[:2])
    stack.kill_controller()
    assert stack.poll("stt", wishes=wishes[1:]).granted == ("b",), "what was granted before is granted again"
    stack.now_s += 62.0
    assert stack.poll("stt", wishes=wishes[2:]).granted == ("c",)


def test_a_token_is_for_those_who_have_a_key():
    assert ready().ask(Token())["error"]["code"] == "auth-failed"
    stack = ready(key="k")
    assert stack.ask(Token(expires_in_s=600), "token") is None
    assert [(mint.ticket.id, mint.expires_in_s) for mint in stack.minted] == [("token", 600)]


@pytest.mark.parametrize("expires_in_s", [0, -1, 601])
def test_a_token_for_no_time_or_too_long_is_refused(expires_in_s):
    assert ready(key="k").ask(Token(expires_in_s=expires_in_s))["error"]["code"] == "bad-request"


# --- what listeners hear ---


def test_changes_are_published_and_levels_pass_by():
    stack = ready()
    stack.start("mic")
    work = stack.poll("capture")
    stack.emitted.clear()
    for level in (-30.0, -31.0, -32.0):
        stack.poll("capture", report(work, state="capturing", rms_dbfs=level))
    assert stack.statuses() == [("capturing", "idle")]
    levels = [emit.event.rms_dbfs for emit in stack.emitted if isinstance(emit.event, CaptureStatus)]
    assert levels == [-31.0, -32.0], "the first came with the change"


def test_a_status_is_put_together_from_all_workers():
    stack = ready()
    stack.start("mic")
    stack.poll("capture", report(stack.poll("capture"), state="capturing", captured_ms=900, device=MIC.id))
    stack.poll("resample", report(stack.poll("resample"), lost_ms=50))
    stack.poll("stt", report(stack.poll("stt"), speech="live", sent_ms=800, final_ms=500, backlog_ms=100))
    view = stack.ask(Status())["sessions"][0]
    (stream,) = view["streams"]
    assert {name: stream[name] for name in ("device", "state", "speech", "captured_ms", "sent_ms", "final_ms")} == {
        "device": MIC.id,
        "state": "capturing",
        "speech": "live",
        "captured_ms": 900,
        "sent_ms": 800,
        "final_ms": 500,
    }
    assert stream["lost_ms"] == 50
    assert view["backlog_ms"] == 100


def test_a_fault_is_told_once_and_again_when_it_comes_again():
    stack = ready()
    stack.start("mic")
    work = stack.poll("capture")
    fault = Fault(code="device-lost", message="it was unplugged", hint="Plug it in.", retrying=True)
    for reported in (fault, fault, None, fault):
        stack.poll("capture", report(work, state="stalled", fault=reported))
    assert [(error.source, error.code, error.retrying) for error in stack.errors()] == [
        ("mic", "device-lost", True)
    ] * 2
    assert stack.ask(Status())["sessions"][0]["faults"]["mic"]["message"] == "it was unplugged"


def test_services_are_told_of_once_a_second_however_often_they_poll():
    stack = ready()
    stack.pass_time(1.0, "capture")
    stack.emitted.clear()
    stack.pass_time(3.0, "capture")
    assert sum(isinstance(emit.event, ServiceStatus) for emit in stack.emitted) in (3, 4)


def test_status_shows_who_is_there_and_who_hears():
    stack = ready(about={"version": "9"}, engine="assemblyai")
    answer = stack.ask(Status())
    assert answer["version"] == "9"
    assert answer["engine"] == "assemblyai (there is no AssemblyAI key)"
    assert [view["status"]["service"] for view in answer["services"]] == ["capture", "resample", "stt"]
    stack.pass_time(SILENT_AFTER_S)
    assert not any(view["alive"] for view in stack.ask(Status())["services"])


def test_the_history_lists_sessions_with_their_end():
    stack = ready()
    session = stack.start("mic", label="Monday")
    stack.ask(Stop(session=session))
    finish(stack)
    (row,) = stack.ask(Sessions())["sessions"]
    assert (row["session"], row["label"], row["state"], row["reason"]) == (session, "Monday", "ended", "stopped")
    assert row["ended_unix_ns"] > 0
    assert "seq" not in row


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
    stack = Stack()
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


# --- whatever happens, in whatever order ---


class Worker:
    """Does what it is told, in its own time; remembers nothing beyond its death."""

    def __init__(self, service: str, instance: str) -> None:
        self.service = service
        self.instance = instance
        self.lives = 1

    def die(self) -> None:
        self.lives += 1

    @property
    def process(self) -> str:
        return f"{self.service}-{self.instance}-{self.lives}"


@pytest.mark.parametrize("seed", range(40))
def test_any_order_of_deaths_ends_each_session_once_and_gives_each_epoch_to_one_process(seed):
    chance = random.Random(seed)
    stack = ready()
    workers = [Worker(service, instance) for service in ("capture", "resample", "stt") for instance in "12"]
    had: dict[tuple[str, str, int], str] = {}
    upstream = {"resample": "capture", "stt": "resample"}
    done: set[tuple[str, str]] = set()
    sessions: list[str] = []

    def turn(worker: Worker, eager: bool) -> None:
        reports = []
        for work in stack.poll(worker.service, instance=worker.instance, process=worker.process).streams:
            owner = had.setdefault((worker.service, work.stream, work.epoch), worker.process)
            assert owner == worker.process, "two processes have the same epoch"
            before = upstream.get(worker.service)
            may_end = (before, work.stream) in done if before else work.stop
            if may_end and eager:
                done.add((worker.service, work.stream))
                reports.append(report(work, done=True))
        if reports:
            stack.poll(worker.service, *reports, instance=worker.instance, process=worker.process)

    for _ in range(150):
        worker = chance.choice(workers)
        match chance.choice(["turn"] * 12 + ["time", "time", "start", "stop", "die", "silence", "kill"]):
            case "turn":
                turn(worker, chance.random() < 0.5)
            case "time":
                stack.pass_time(chance.choice([0.1, 0.5]))
            case "start" if len(sessions) < 5:
                sessions.append(stack.start(*chance.choice([("file:/a.wav",), ("file:/a.wav", "file:/b.wav")])))
            case "stop" if sessions:
                stack.ask(Stop(session=chance.choice(sessions), timeout_s=1.0))
            case "die":
                worker.die()
            case "silence":
                stack.pass_time(4.0)
            case "kill":
                stack.kill_controller()

    for session in sessions:
        stack.ask(Stop(session=session, timeout_s=1.0))
    for _ in range(100):
        stack.pass_time(TICK_S)
        for worker in workers:
            turn(worker, eager=True)
    for session in sessions:
        assert [state for state, _ in stack.states(session)] == ["running", "finishing", "ended"]
    assert stack.ask(Status())["sessions"] == []


def test_an_export_is_read_with_the_sessions_that_may_be_meant():
    stack = Stack()
    session = stack.start("file:/a.wav")
    ticket = Ticket((), "x")
    (effect,) = stack.desk.request(ticket, Export(session="s", format="txt"), stack.now())
    assert effect == ReadSession(ticket, "s", "txt", effect.known)
    assert session in effect.known
