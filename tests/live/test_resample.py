"""The real process, with real sockets: a test that plays the controller, the broker, capture and the gateway."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import soxr
import zmq

from causal import clock, topics, wire
from causal.journal import JournalReader, JournalWriter
from causal.journal_record import RECORDS_PER_FILE, encode, file_numbers, file_of
from causal.messages import Block, Chunk, Next
from causal.messages.control import Assignment, Assignments, Work
from causal.messages.log import Publish, Stored
from causal.process import STOP_WITHIN_S
from causal.testing.stack import Stack

pytestmark = pytest.mark.live

STREAM = "s1/mic"
RATE_HZ = 48000
FRAMES = 960
PROCFILE = Path(__file__).parents[2] / "Procfile"


class Surroundings:
    """All that a resampler talks to. `until` keeps everything moving, at most for ten seconds."""

    def __init__(self, stack, sound):
        self.stack, self.sound = stack, sound
        self.started_ns = clock.now_ns()
        self.assigned, self.stop, self.stopped_ns = True, False, None
        self.record, self.covered_to = False, 0
        self.sessions = ("s1",)
        self.ended = self.frozen = False
        self.cursor = self.oldest = self.frames_ready = 0
        self.report, self.polls, self.gaps, self.chunks = None, [], {}, []
        self._gaps_at = {}
        context = zmq.Context.instance()
        self._sockets = []
        self._control = self._socket(context, zmq.ROUTER, "control", bind=True)
        self._log = self._socket(context, zmq.ROUTER, "log", bind=True)
        self._stt = self._socket(context, zmq.PULL, "stt-1.in", bind=True)
        self._next = self._socket(context, zmq.SUB, "resample-1.next")
        self._next.subscribe(topics.next_block(STREAM))
        self._push = self._socket(context, zmq.PUSH, "resample-1.in")

    def _socket(self, context, kind, name, bind=False):
        socket = context.socket(kind)
        socket.linger = 0
        if kind == zmq.PUSH:
            socket.immediate, socket.sndhwm = True, 8
        (socket.bind if bind else socket.connect)(self.stack.paths.address(name))
        self._sockets.append(socket)
        return socket

    def close(self):
        for socket in self._sockets:
            socket.close()

    def until(self, look, what):
        deadline_s = time.monotonic() + 10
        poller = zmq.Poller()
        for socket in (self._control, self._log, self._stt, self._next):
            poller.register(socket, zmq.POLLIN)
        while not look():
            assert time.monotonic() < deadline_s, f"not in time: {what}\n{self.stack.log()}"
            for socket, _ in poller.poll(10):
                parts = socket.recv_multipart()
                {
                    self._control: self._answer_poll,
                    self._log: self._store,
                    self._stt: self._take_chunk,
                    self._next: self._go_on,
                }[socket](parts)
            self._send_blocks()

    def _answer_poll(self, parts):
        request = wire.unpack_map(parts[-1])
        poll = wire.convert({name: value for name, value in request.items() if name not in ("v", "id")}, Assignments)
        self.polls.append(poll)
        self.report = next((report for report in poll.streams if report.stream == STREAM), None)
        assignment = Assignment(
            stream=STREAM,
            epoch=1,
            device="mic",
            engine="local",
            started_ns=self.started_ns,
            started_unix_ns=0,
            stop=self.stop,
            stopped_ns=self.stopped_ns,
            record=self.record,
            covered_to=self.covered_to,
            peers={"stt": "1"},
        )
        reply = wire.to_map(Work(streams=(assignment,) if self.assigned else (), sessions=self.sessions))
        self._control.send_multipart([*parts[:-1], wire.pack_map({"v": 1, "id": request["id"], "ok": True, **reply})])

    def _store(self, parts):
        sender, *message = parts
        if message[0] == topics.PUBLISH:
            publish = wire.unpack(message, Publish)
            self.gaps[publish.id] = publish.event
            self._log.send_multipart([sender, *wire.pack(topics.STORED, Stored(id=publish.id, seq=len(self.gaps)))])

    def _take_chunk(self, parts):
        self.chunks.append((wire.unpack(parts, Chunk), np.frombuffer(parts[3], "<i2") if len(parts) > 3 else None))

    def _go_on(self, parts):
        told = wire.unpack(parts, Next)
        if told.epoch == 1:
            self.oldest = max(self.oldest, told.n)
        if told.resend:
            self.cursor = max(told.wanted if told.epoch == 1 else 0, self.oldest)

    def break_at(self, frame, length_ms):
        """The sound has a hole before `frame`."""
        self._gaps_at[frame] = length_ms

    def _send_blocks(self):
        while self.cursor * FRAMES < self.frames_ready:
            if not self._sent(self.cursor, self.sound[self.cursor * FRAMES : (self.cursor + 1) * FRAMES]):
                return
            self.cursor += 1
        if self.ended and self.cursor * FRAMES == self.frames_ready and self._sent(self.cursor, self.sound[:0]):
            self.cursor += 1

    def _sent(self, n, samples):
        segment, lost_ns = 0, 0
        for frame, length_ms in self._gaps_at.items():
            if n * FRAMES >= frame:
                segment, lost_ns = frame, lost_ns + length_ms * 1_000_000
        segment_ns = self.started_ns + lost_ns + segment * 10**9 // RATE_HZ
        block = Block(
            stream=STREAM,
            epoch=1,
            n=n,
            captured_ns=segment_ns + (n * FRAMES - segment) * 10**9 // RATE_HZ,
            rate_hz=RATE_HZ,
            channels=1,
            frames=len(samples),
            segment_started_ns=segment_ns,
            segment_frame=n * FRAMES - segment,
            gap_reason="moved" if n * FRAMES in self._gaps_at else "",
            end=not len(samples),
        )
        try:
            self._push.send_multipart(wire.pack(topics.BLOCK, block, samples.tobytes()), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def journal(self):
        with JournalReader(self.stack.paths.journal / "s1" / "mic", STREAM) as reader:
            return list(reader.read_range(0, 10**6))

    def heard(self):
        return np.concatenate([one.samples[: one.chunk.valid] for one in self.journal()])


@pytest.fixture
def stack():
    with Stack(PROCFILE, []) as stack:
        stack.paths.make()
        yield stack


@pytest.fixture
def around(stack):
    sound = (np.random.default_rng(7).standard_normal(RATE_HZ * 6) * 0.2).astype(np.float32)
    around = Surroundings(stack, sound)
    yield around
    around.close()


def one_shot(sound):
    return np.clip(np.rint(soxr.resample(sound, RATE_HZ, 16000) * 32768), -32768, 32767).astype(np.int16)


def launched(stack):
    return stack.launch("causal-resample", "--no-respawn")


def test_sound_goes_through_into_the_journal_and_to_the_gateway(stack, around):
    process = launched(stack)
    around.frames_ready = len(around.sound)
    around.ended = True
    around.until(lambda: around.report and around.report.done, "the stream is done")
    around.until(lambda: around.chunks and around.chunks[-1][0].end, "the end mark comes out")
    assert np.array_equal(around.heard(), one_shot(around.sound))
    around.until(lambda: around.oldest == len(around.sound) // FRAMES + 1, "everything is acknowledged")
    kept = {one.chunk.index: one for one in around.journal()}
    for chunk, samples in around.chunks:
        assert chunk == kept[chunk.index].chunk
        assert chunk.end or np.array_equal(samples, kept[chunk.index].samples)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_killed_twice_the_journal_is_the_same_to_one_lsb_and_the_gap_is_told_once(stack, around):
    around.break_at(RATE_HZ * 2, 700)
    around.frames_ready = RATE_HZ
    process = launched(stack)
    for ready_s, chunks in ((1, 8), (3, 28)):
        around.frames_ready = RATE_HZ * ready_s
        around.until(lambda: len(around.journal()) >= chunks, "the journal grows")  # noqa: B023
        process.kill()
        process.wait()
        process = launched(stack)
    around.frames_ready = len(around.sound)
    around.ended = True
    around.until(lambda: around.report and around.report.done, "the stream is done")
    expected = np.concatenate([one_shot(around.sound[: RATE_HZ * 2]), one_shot(around.sound[RATE_HZ * 2 :])])
    heard = around.heard()
    assert len(heard) == len(expected)
    assert np.abs(heard.astype(int) - expected).max() <= 1
    assert [(gap["start_ms"], gap["length_ms"]) for gap in around.gaps.values()] == [(2000, 700)]
    assert around.report.lost_ms == 700
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_stopped_without_an_end_mark_it_keeps_what_it_heard_and_goes_in_time(stack, around):
    process = launched(stack)
    around.frames_ready = RATE_HZ
    around.until(lambda: around.cursor == 50 and len(around.journal()) >= 9, "all is on its way")
    began_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert time.monotonic() - began_s < STOP_WITHIN_S, "its parent would kill it then"
    assert len(around.heard()) == 16000
    assert not around.journal()[-1].chunk.end


def test_a_stopped_stream_whose_capture_is_gone_is_finished_and_the_rest_is_a_gap(stack, around):
    launched(stack)
    around.frames_ready = RATE_HZ
    around.until(lambda: around.cursor == 50 and len(around.journal()) >= 9, "all is on its way")
    around.stop, around.stopped_ns = True, around.started_ns + 4_200_000_000
    around.until(lambda: around.report and around.report.done, "the stream is done")
    assert around.journal()[-1].chunk.end
    assert len(around.heard()) == 16000
    around.until(lambda: around.gaps, "the gap")
    assert [(gap["start_ms"], gap["length_ms"]) for gap in around.gaps.values()] == [(1000, 3200)]


def test_a_resampler_that_starts_when_the_clock_was_set_deletes_what_is_old_but_no_session_that_lives(stack, around):
    old_s = time.time() - 48 * 3600
    around.sessions = ("s1", "another-resamplers")
    for session in ("s0", *around.sessions):
        folder = stack.paths.journal / session / "mic"
        with JournalWriter(folder, f"{session}/mic") as journal:
            first = Chunk(stream=f"{session}/mic", index=0, position=0, captured_ns=around.started_ns)
            journal.append(first, np.zeros(1600, np.int16))
        for path in (*folder.iterdir(), folder, folder.parent):
            os.utime(path, (old_s, old_s))
    launched(stack)
    around.until(lambda: not (stack.paths.journal / "s0").exists(), "the old session goes")
    around.until(lambda: around.report, "the other one is at work")
    assert {path.name for path in stack.paths.journal.iterdir()} == set(around.sessions)


@pytest.mark.parametrize("record", [False, True])
def test_of_a_session_that_goes_on_what_is_old_and_transcribed_is_deleted_but_for_a_recording(stack, around, record):
    folder = stack.paths.journal / "s1" / "mic"
    folder.mkdir(parents=True)
    for number in range(3):
        index = number * RECORDS_PER_FILE
        first = Chunk(stream=STREAM, index=index, position=1600 * number, captured_ns=around.started_ns)
        path = file_of(folder, number)
        path.write_bytes(encode(first, np.zeros(1600, np.int16)))
        os.utime(path, (time.time() - 48 * 3600, time.time() - (48 - number) * 3600))
    around.record, around.covered_to = record, 2 * RECORDS_PER_FILE
    launched(stack)
    oldest = file_of(folder, 0)
    around.until(lambda: around.report and (record or not oldest.exists()), "the first file goes")
    around.frames_ready, around.ended = len(around.sound), True
    around.until(lambda: around.report.done, "what is said now is kept")
    kept = file_numbers(folder)
    assert kept == ([0, 1, 2] if record else [1, 2]), "the last minute of what is transcribed may still be read"


def test_rubbish_is_counted_and_stops_nothing(stack, around):
    launched(stack)
    around.until(lambda: around.polls, "it asks for work")
    for parts in ([b"x"], [b"block", b"9", b""], [b"block", b"1", b"\xc1"], [b"block", b"1", b"\x80", b"abc"]):
        around._push.send_multipart(parts)
    around.frames_ready = RATE_HZ
    around.until(lambda: around.polls[-1].queues["blocks"].dropped == 4, "the count")
    around.until(lambda: len(around.journal()) >= 9, "the journal grows")


def test_delay_and_queues_are_reported(stack, around):
    launched(stack)
    around.frames_ready = RATE_HZ
    around.until(lambda: around.polls and "capture-journal" in around.polls[-1].latency_ms, "a latency")
    assert set(around.polls[-1].queues) == {"blocks", "chunks", "memory", "disk", "events", "ephemeral"}
