"""One client's session: what it sends goes in, with the time; out comes what to do about it.

LISTENING ──Terminate──▶ FINISHING ──the last final is read──▶ CLOSED
    └──── refused, silent for too long, or the model failed ─────▲
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from .decoder import Read
from .intake import Intake
from .level import Leveller
from .options import Options
from .protocol import (
    BYTES_PER_SAMPLE,
    Error,
    ForceEndpoint,
    Heartbeat,
    ServerMessage,
    Terminate,
    Termination,
    Turn,
    TurnWord,
    UpdateConfiguration,
    check_audio,
    parse_message,
)
from .refusal import BAD_INPUT, NORMAL, SERVER_ERROR, Refused
from .schedule import Kind, Reading
from .segmenter import FRAME_SAMPLES, RATE_HZ, Ended, Event, Rested, Samples, Segment, Segmenter
from .words import Word

TURN_SILENCE_MS = 500
FIRST_DRAFT_SAMPLES = RATE_HZ * 7 // 10
"""Less, pre-roll included, is too little to make sense of: half a word becomes another word."""
DIGITAL_SILENCE = 1.5 / 32768
"""Zeros, perhaps with the last bit flickering, as a loopback device gives while nothing plays: not listened to."""
HEARTBEAT_S = 5.0
HEARTBEAT_AUDIO_MS = 5_000
"""Heartbeats come more often than every 5 s when more than this was dealt with: who sends faster can pace by them."""


@dataclass(frozen=True)
class Send:
    """Say this to the client."""

    message: ServerMessage


@dataclass(frozen=True, eq=False)
class Ask:
    """Have this read; what comes of it belongs into `Stream.on_read`."""

    reading: Reading


@dataclass(frozen=True)
class Close:
    """End the connection with this code."""

    code: int


Action = Send | Ask | Close


class State(Enum):
    """Where the session is."""

    LISTENING = "listening"
    FINISHING = "finishing"
    CLOSED = "closed"


class Stream:
    """The session's logic. All times are of one clock; ``vad`` says how likely a frame holds speech."""

    def __init__(self, options: Options, vad: Callable[[Samples], float], now_s: float) -> None:
        self.options = options
        self.state = State.LISTENING
        self._vad = vad
        self._intake = Intake(options.sample_rate)
        self._level = Leveller(FRAME_SAMPLES / RATE_HZ)
        self._segmenter = Segmenter(turn_silence_s(options), options.vad_threshold)
        self._finals: deque[Reading] = deque()
        self._turn = 0
        self._shown = ""
        self._samples = 0
        self._speech = 0.0
        self._began_s = now_s
        self._heard_s = now_s
        self._beat_s = now_s
        self._beat_ms = 0

    @property
    def backlog_s(self) -> float:
        """Length of the audio that waits for its final; who feeds the stream should wait when it is long."""
        return sum(len(reading.samples) for reading in self._finals) / RATE_HZ

    def wake_at_s(self) -> float | None:
        """When `on_time` has something to do, as far as is known now."""
        times = []
        if self.options.session_heartbeat:
            times.append(self._beat_s + HEARTBEAT_S)
        if self.options.inactivity_timeout is not None:
            times.append(self._heard_s + self.options.inactivity_timeout)
        return min(times, default=None)

    def on_audio(self, data: bytes, now_s: float) -> list[Action]:
        """A binary message."""
        if self.state is not State.LISTENING:
            return []
        self._heard_s = now_s
        try:
            check_audio(data, self.options)
        except Refused as refused:
            return self._refuse(refused)
        self._samples += len(data) // BYTES_PER_SAMPLE
        actions: list[Action] = []
        for frame in self._intake.push(data):
            levelled = self._level(frame)
            speech = self._vad(levelled) if np.abs(frame).max() > DIGITAL_SILENCE else 0.0
            self._speech = max(self._speech, speech)
            actions += self._asked(self._segmenter.push(levelled, speech))
        return actions + self._beat(now_s)

    def on_text(self, text: str, now_s: float) -> list[Action]:
        """A text message."""
        if self.state is not State.LISTENING:
            return []
        self._heard_s = now_s
        try:
            message = parse_message(text, self.options)
        except Refused as refused:
            return self._refuse(refused)
        match message:
            case UpdateConfiguration(options):
                self.options = options
                self._segmenter.silence_s = turn_silence_s(options)
                self._segmenter.threshold = options.vad_threshold
            case ForceEndpoint():
                return self._asked(self._segmenter.cut(self._intake.take_rest()))
            case Terminate():
                self.state = State.FINISHING
                actions = self._asked(self._segmenter.cut(self._intake.take_rest()))
                return actions + self._finish(now_s)
        return []

    def on_read(self, found: Read | Exception, now_s: float) -> list[Action]:
        """Something that was asked for is read, or could not be."""
        if self.state is State.CLOSED:
            return []
        if isinstance(found, Exception):
            return self._refuse(Refused(SERVER_ERROR, f"The speech model failed: {found}"))
        if found.reading.kind is Kind.FINAL:
            self._finals.popleft()
            return self._final(found) + self._beat(now_s) + self._finish(now_s)
        return self._partial(found)

    def on_time(self, now_s: float) -> list[Action]:
        """Time has passed."""
        if self.state is State.CLOSED:
            return []
        if self._finals:
            self._heard_s = now_s  # the client may be waiting for us
        limit_s = self.options.inactivity_timeout
        if self.state is State.LISTENING and limit_s is not None and now_s >= self._heard_s + limit_s:
            return self._refuse(
                Refused(BAD_INPUT, f"Session terminated due to inactivity: no message for {limit_s} seconds")
            )
        return self._beat(now_s)

    def _asked(self, events: list[Event]) -> list[Action]:
        actions: list[Action] = []
        for event in events:
            kind = kind_of(event)
            early = len(event.samples) < FIRST_DRAFT_SAMPLES
            if kind is Kind.DRAFT and (early or not self.options.include_partial_turns):
                continue
            reading = Reading(self, kind, event.segment, event.samples)
            if kind is Kind.FINAL:
                self._finals.append(reading)
            actions.append(Ask(reading))
        return actions

    def _partial(self, found: Read) -> list[Action]:
        text = text_of(found.words)
        if not text or text == self._shown or not self.options.include_partial_turns:
            return []
        self._shown = text
        return [Send(turn(self._turn, found.reading.segment, found.words, final=False))]

    def _final(self, found: Read) -> list[Action]:
        if not found.words and not self._shown:
            return []  # it was noise, and the client has not heard of it
        message = turn(self._turn, found.reading.segment, found.words, final=True)
        self._turn += 1
        self._shown = ""
        return [Send(message)]

    def _finish(self, now_s: float) -> list[Action]:
        if self.state is not State.FINISHING or self._finals:
            return []
        self.state = State.CLOSED
        audio_s = round(self._samples / self.options.sample_rate)
        return [Send(Termination(audio_s, round(now_s - self._began_s))), Close(NORMAL)]

    def _refuse(self, refused: Refused) -> list[Action]:
        self.state = State.CLOSED
        return [Send(Error(refused.code, refused.text)), Close(refused.code)]

    def _beat(self, now_s: float) -> list[Action]:
        if not self.options.session_heartbeat:
            return []
        done_ms = self._done_ms()
        if now_s < self._beat_s + HEARTBEAT_S and done_ms < self._beat_ms + HEARTBEAT_AUDIO_MS:
            return []
        self._beat_s, self._beat_ms = now_s, done_ms
        age_ms = round((now_s - self._began_s) * 1000)
        speech, self._speech = self._speech, 0.0
        return [Send(Heartbeat(done_ms, age_ms, round(done_ms / max(age_ms, 1), 3), round(speech, 3)))]

    def _done_ms(self) -> int:
        if self._finals:
            return self._finals[0].segment.start * 1000 // RATE_HZ
        return self._samples * 1000 // self.options.sample_rate


def turn_silence_s(options: Options) -> float:
    """The silence that ends a turn: the engine's own, as far as the client's limits allow it."""
    silence_ms = TURN_SILENCE_MS
    if options.min_turn_silence is not None:
        silence_ms = max(silence_ms, options.min_turn_silence)
    if options.max_turn_silence is not None:
        silence_ms = min(silence_ms, options.max_turn_silence)
    return silence_ms / 1000


def kind_of(event: Event) -> Kind:
    """What a segment's event asks for."""
    match event:
        case Ended():
            return Kind.FINAL
        case Rested():
            return Kind.CANDIDATE
        case _:
            return Kind.DRAFT


def turn(order: int, segment: Segment, words: tuple[Word, ...], *, final: bool) -> Turn:
    """The message that says what the segment holds."""
    text = text_of(words)
    return Turn(
        turn_order=order,
        turn_is_formatted=final,
        end_of_turn=final,
        end_of_turn_confidence=1.0 if final else 0.0,
        transcript=text,
        words=tuple(turn_word(word, segment.start / RATE_HZ, final=final) for word in words),
        utterance=text if final else "",
    )


def turn_word(word: Word, base_s: float, *, final: bool) -> TurnWord:
    """The word with its times on the session's clock."""
    start_ms, end_ms = round((base_s + word.start_s) * 1000), round((base_s + word.end_s) * 1000)
    return TurnWord(start_ms, end_ms, word.text, round(word.confidence, 4), final)


def text_of(words: tuple[Word, ...]) -> str:
    """The words in a row."""
    return " ".join(word.text for word in words)
