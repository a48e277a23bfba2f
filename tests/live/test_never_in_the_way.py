"""Somebody speaks into a sound server while the control socket is flooded, or while sinks stand still: all is heard
and told once, as soon as before."""

from __future__ import annotations

import functools
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import zmq

from causal import clock, wire
from causal.messages import Gap, TranscriptFinal, TranscriptPartial
from causal.testing.assemblyai_server import AssemblyAIServer, in_thread
from causal.testing.event_record import EventRecord, stored
from causal.testing.fault_course import session_started_ns
from causal.testing.fault_judge import judge, numbers_in
from causal.testing.live_delay import Arrival, first_sights
from causal.testing.meanwhile import Meanwhile
from causal.testing.mouth import RATE_HZ, Mouth
from causal.testing.pulse_server import PrivatePulse
from causal.testing.stack import Stack
from causal.testing.talk import KEY, hears
from causal.testing.utterances import Utterance, sound_of, words_of
from causal.transport import Line

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

PROCESSES = ["broker", "control", "capture", "resample", "stt", "jsonl"]
VOICE = 1
A_WHILE = 4
"""Utterances, of 2.2 s each."""
NOTICED_MS = 1000
"""A delay that grows by so much would be noticed; the laboratory measures it, here a busy machine has its say too."""


class Room:
    """Somebody speaks; a stack hears it and transcribes."""

    def __init__(self, stack: Stack, mouth: Mouth, record: EventRecord) -> None:
        self.stack = stack
        self._mouth = mouth
        self._record = record
        reply = stack.ask("start", sources=["system"], within_s=10.0)
        assert reply["ok"], reply
        self.session: str = reply["session"]
        self._started_ns = session_started_ns(stored(stack.paths, self.session))

    def now_ms(self) -> float:
        """On the session's time line."""
        return self._on_line(clock.now_ns())

    def hear(self, utterances: int) -> None:
        """Until so many more have been told."""
        goal = self._told() + utterances
        self.stack.until(lambda: self._told() >= goal, 10.0 + 2.2 * utterances, f"{utterances} more utterances")

    def captured_ms(self) -> int:
        (session,) = self.stack.ask("status")["sessions"]
        return int(session["streams"][0]["captured_ms"])

    def end(self) -> None:
        """What has been said is told to its end. Call it when the mouth is shut."""
        reply = self.stack.ask("stop", session=self.session, within_s=15.0)
        assert (reply["ok"], reply["state"], reply["backlog_ms"]) == (True, "ended", 0)

    def judged(self) -> None:
        """All that was said was told once, and no sound is missing."""
        events = stored(self.stack.paths, self.session)
        finals = [event for event in events if isinstance(event, TranscriptFinal)]
        gaps = [event for event in events if isinstance(event, Gap)]
        verdict = judge(self._said(), finals, gaps, {"system": 25.0})
        assert (verdict.lost, verdict.repeated, verdict.strays) == ([], [], [])
        assert verdict.heard >= 2 * A_WHILE
        assert gaps == []

    def worst_delay_ms(self, from_ms: float, to_ms: float) -> float:
        """From the end of a word to its first sight."""
        arrivals = [
            Arrival(one.event.source, number, start_ms, self._on_line(one.at_ns))
            for one in self._record.came
            if isinstance(one.event, TranscriptFinal | TranscriptPartial)
            for number, start_ms in numbers_in(one.event)
        ]
        sights = first_sights(self._said(), arrivals)
        return max(sight.delay_ms for sight in sights if from_ms <= sight.start_ms < to_ms)

    def _told(self) -> int:
        return len(self.stack.events("transcript-final"))

    def _said(self) -> list[Utterance]:
        return [
            Utterance(
                "system", one.number, words_of(one.number, VOICE), self._on_line(one.start_ns), one.whole, one.timed
            )
            for one in self._mouth.said()
        ]

    def _on_line(self, at_ns: int) -> float:
        return (at_ns - self._started_ns) / clock.NS_PER_MS


@pytest.fixture
def mouth(pulse_own: PrivatePulse) -> Mouth:
    return Mouth(pulse_own.server, "speakers", functools.partial(sound_of, voice=VOICE, rate_hz=RATE_HZ))


@pytest.fixture
def room(procfile: Path, pulse_own: PrivatePulse, mouth: Mouth) -> Iterator[Room]:
    with in_thread(AssemblyAIServer(key=KEY)) as server:
        environment = hears(server) | {"PULSE_SERVER": pulse_own.server}
        with Stack(procfile, PROCESSES, environment=environment) as stack, EventRecord(stack.paths) as record:
            yield Room(stack, mouth, record)


def dropped(stack: Stack, *services: str) -> dict[str, int]:
    """What those services say to have dropped anywhere."""
    statuses = [view["status"] for view in stack.ask("status")["services"] if view["status"]["service"] in services]
    queues = {f"{one['service']} {name}": queue["dropped"] for one in statuses for name, queue in one["queues"].items()}
    assert {name.split()[0] for name in queues} == set(services)
    return {name: count for name, count in queues.items() if count}


# --- the control socket ---


class Flood(Meanwhile):
    """Asks the controller ten thousand times a second, from `__enter__` to `__exit__`, and reads what is answered."""

    RATE_HZ = 10_000
    TURN_S = 0.002

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.asked = 0
        self.answered = 0
        self.seconds = 0.0
        self._stack = stack

    def work(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        with context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            Line(socket, self._stack.paths, "control")
            began_s = time.monotonic()
            while not self.ending.wait(self.TURN_S):
                self.seconds = time.monotonic() - began_s
                for _ in range(self.asked, round(self.seconds * self.RATE_HZ)):
                    self._ask(socket)
                self._read(socket)

    def _ask(self, socket: zmq.Socket[bytes]) -> None:
        """One that the socket does not take is one too many for it: that is its own affair."""
        self.asked += 1
        try:
            socket.send_multipart([b"", _request(self.asked)], zmq.NOBLOCK)
        except zmq.Again:
            return

    def _read(self, socket: zmq.Socket[bytes]) -> None:
        while socket.poll(0):
            socket.recv_multipart()
            self.answered += 1


def _request(number: int) -> bytes:
    """Mostly nonsense; each tenth is a question that means work."""
    match number % 10:
        case 0:
            return wire.pack_map({"v": 1, "id": secrets.token_hex(8), "op": "status"})
        case 1 | 2 | 3:
            return wire.pack_map({"v": 1, "id": number, "op": "stop", "session": "nobody"})
        case 4 | 5 | 6:
            return wire.pack_map({"v": 1, "id": number, "op": "sing"})
    return b"hello?"


def test_ten_thousand_requests_a_second_on_the_control_socket_are_noticed_by_nobody_who_listens(
    room: Room, mouth: Mouth
) -> None:
    before = room.stack.alive()
    with mouth:
        room.hear(A_WHILE)
        flooded_ms, captured_ms = room.now_ms(), room.captured_ms()
        with Flood(room.stack) as flood:
            room.hear(A_WHILE)
            calm_again_ms, heard_ms = room.now_ms(), room.captured_ms() - captured_ms
        room.hear(1)
        assert dropped(room.stack, "capture", "resample", "stt", "broker") == {}
    room.end()

    assert flood.asked >= 0.99 * Flood.RATE_HZ * flood.seconds
    assert flood.answered >= 0.5 * flood.asked, "the controller did the work"
    room.judged()
    assert heard_ms >= calm_again_ms - flooded_ms - 1000, "the sound came as fast as the time went"
    calm_ms = room.worst_delay_ms(0.0, flooded_ms)
    assert room.worst_delay_ms(flooded_ms, calm_again_ms) <= calm_ms + NOTICED_MS
    room.stack.until(lambda: before.items() <= room.stack.alive().items(), what="the same workers as before")


# --- sinks ---


def sinks(stack: Stack) -> dict[int, bool]:
    """The sinks that `status` shows, by the pids of their workers: whether it calls them alive."""
    views = [view for view in stack.ask("status")["services"] if view["status"]["service"] == "sink"]
    return {view["status"]["pid"]: view["alive"] for view in views}


def worker_of(stack: Stack, sink: subprocess.Popen[bytes]) -> psutil.Process:
    """Once it is known to the controller."""

    def look() -> psutil.Process | None:
        return next((child for child in psutil.Process(sink.pid).children() if child.pid in sinks(stack)), None)

    found = stack.until(look, what="a sink's worker")
    assert found is not None
    return found


def test_sinks_that_stand_still_keep_no_word_from_others_and_are_told_all_of_them_later(
    room: Room, mouth: Mouth, tmp_path: Path
) -> None:
    stack, path = room.stack, tmp_path / "still.jsonl"
    commands = (["web"], ["jsonl", "--from", "start", "--out", str(path)])
    parents = [stack.launch("causal-sink", *command) for command in commands]
    workers = [worker_of(stack, parent) for parent in parents]
    others = sinks(stack).keys() - {worker.pid for worker in workers}
    with mouth:
        room.hear(A_WHILE)
        stopped_ms, captured_ms = room.now_ms(), room.captured_ms()
        for process in (*parents, *workers):  # parents first, or they would start others
            process.send_signal(signal.SIGSTOP)
        room.hear(A_WHILE)
        expected = dict.fromkeys(others, True) | {worker.pid: False for worker in workers}
        stack.until(lambda: sinks(stack) == expected, what="status tells who stands still")
        moved_ms, heard_ms = room.now_ms(), room.captured_ms() - captured_ms
        for process in (*workers, *parents):
            process.send_signal(signal.SIGCONT)
        assert dropped(stack, "capture", "resample", "stt", "broker") == {}
    room.end()

    room.judged()
    assert heard_ms >= moved_ms - stopped_ms - 1000, "the sound came as fast as the time went"
    calm_ms = room.worst_delay_ms(0.0, stopped_ms)
    assert room.worst_delay_ms(stopped_ms, moved_ms) <= calm_ms + NOTICED_MS
    stack.until(lambda: stack.events(path=path) == stack.events(), what="the same in both files")
    stack.until(lambda: sinks(stack) == dict.fromkeys(expected, True), what="the same workers, alive")
