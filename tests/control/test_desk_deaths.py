"""The control desk when workers, the controller or the whole stack die, in any order."""

from __future__ import annotations

import random

import msgspec
import pytest

from causal.control.effects import (
    Save,
)
from causal.control.registry import SILENT_AFTER_S
from causal.messages.control import (
    Assignments,
    Start,
    Status,
    Stop,
)
from causal.testing.desk_run import TICK_S, DeskRun, finish, ready, report

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
    stack = DeskRun()
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
    stack = DeskRun()
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
