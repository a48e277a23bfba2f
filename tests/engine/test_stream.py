import json

import numpy as np
import pytest

from causal.engine.decoder import Read
from causal.engine.hypothesis import NOTHING
from causal.engine.options import Options
from causal.engine.protocol import Error, Heartbeat, Termination, Turn
from causal.engine.schedule import Kind, Reading
from causal.engine.stream import Ask, Close, Send, State, Stream, turn_silence_s
from causal.engine.words import Word

CHUNK_S = 0.1
LOUD = (np.random.default_rng(0).normal(0, 3000, 1600)).astype("<i2").tobytes()
QUIET = bytes(3200)


def is_loud(frame: np.ndarray) -> float:
    return float(np.abs(frame).max() > 0.02)


class Client:
    """Plays audio to a stream, a chunk each 100 ms, and reads nothing until it is told to."""

    def __init__(self, options: Options = Options()) -> None:  # noqa: B008
        self.now_s = 0.0
        self.stream = Stream(options, is_loud, self.now_s)
        self.asked: list[Reading] = []
        self.heard: list = []

    def do(self, actions: list) -> "Client":
        for action in actions:
            match action:
                case Ask(reading):
                    self.asked.append(reading)
                case Send(message):
                    self.heard.append(message)
                case Close():
                    self.heard.append(action)
        return self

    def play(self, chunk: bytes, seconds: float) -> "Client":
        for _ in range(round(seconds / CHUNK_S)):
            self.now_s += CHUNK_S
            self.do(self.stream.on_audio(chunk, self.now_s))
        return self

    def say(self, type: str, **fields: object) -> "Client":
        return self.do(self.stream.on_text(json.dumps({"type": type, **fields}), self.now_s))

    def read(self, reading: Reading, *words: str) -> "Client":
        timed = tuple(Word(text, i * 0.25, i * 0.25 + 0.2, 0.9) for i, text in enumerate(words))
        return self.do(self.stream.on_read(Read(reading, NOTHING, timed), self.now_s))

    def last(self, kind: Kind) -> Reading:
        return [reading for reading in self.asked if reading.kind is kind][-1]

    def finals(self) -> list[Reading]:
        return [reading for reading in self.asked if reading.kind is Kind.FINAL]

    def turns(self) -> list[Turn]:
        return [message for message in self.heard if isinstance(message, Turn)]


def spoken(seconds: float = 1.0, options: Options | None = None) -> Client:
    return Client(options or Options()).play(QUIET, 1.0).play(LOUD, seconds)


def test_silence_asks_for_nothing_and_says_nothing():
    client = Client().play(QUIET, 30.0)
    assert client.asked == []
    assert client.heard == []


def test_digital_silence_is_not_listened_to():
    def fail(frame: np.ndarray) -> float:
        raise AssertionError("the voice detector was asked")

    stream = Stream(Options(), fail, 0.0)
    flicker = np.random.default_rng(0).integers(-1, 2, 1600).astype("<i2").tobytes()
    assert stream.on_audio(QUIET, 0.1) + stream.on_audio(flicker, 0.2) == []
    with pytest.raises(AssertionError):
        stream.on_audio(LOUD, 0.3)


def test_speech_is_drafted_from_seven_tenths_of_a_second_on():
    client = spoken(0.3)
    assert client.asked == []
    client.play(LOUD, 0.7)
    assert {reading.kind for reading in client.asked} == {Kind.DRAFT}
    assert len(client.asked[0].samples) >= 0.7 * 16_000


def test_a_partial_has_the_whole_text_so_far_and_times_of_the_session():
    client = spoken()
    client.read(client.last(Kind.DRAFT), "Ever", "tried")
    (turn,) = client.turns()
    assert (turn.turn_order, turn.end_of_turn, turn.turn_is_formatted) == (0, False, False)
    assert (turn.transcript, turn.utterance) == ("Ever tried", "")
    base_ms = client.last(Kind.DRAFT).segment.start / 16
    assert [(w.start, w.end) for w in turn.words] == [
        (round(base_ms), round(base_ms + 200)),
        (round(base_ms + 250), round(base_ms + 450)),
    ]
    assert not any(word.word_is_final for word in turn.words)
    assert abs(base_ms - 800) < 100


def test_the_same_text_again_is_not_sent_again():
    client = spoken()
    client.read(client.last(Kind.DRAFT), "Ever").read(client.last(Kind.DRAFT), "Ever")
    assert len(client.turns()) == 1


def test_half_a_second_of_silence_brings_one_formatted_final():
    client = spoken().play(QUIET, 0.7)
    (final,) = client.finals()
    client.read(final, "Ever", "tried.")
    (turn,) = client.turns()
    assert (turn.end_of_turn, turn.turn_is_formatted, turn.end_of_turn_confidence) == (True, True, 1.0)
    assert turn.transcript == turn.utterance == "Ever tried."
    assert all(word.word_is_final for word in turn.words)


def test_speech_that_rests_is_read_with_a_finals_care_before_the_turn_ends():
    client = spoken().play(QUIET, 0.4)
    assert client.asked[-1].kind is Kind.CANDIDATE
    assert client.finals() == []
    client.play(QUIET, 0.3)
    assert len(client.last(Kind.CANDIDATE).samples) == len(client.finals()[0].samples)


def test_turns_are_counted():
    client = spoken().play(QUIET, 0.7)
    client.read(client.finals()[-1], "One.").play(LOUD, 1.0).play(QUIET, 0.7).read(client.finals()[-1], "Two.")
    assert [turn.turn_order for turn in client.turns()] == [0, 1]


def test_noise_that_the_client_never_heard_of_makes_no_turn():
    client = spoken().play(QUIET, 0.7)
    client.read(client.finals()[-1]).play(LOUD, 1.0).play(QUIET, 0.7).read(client.finals()[-1], "One.")
    assert [(turn.turn_order, turn.transcript) for turn in client.turns()] == [(0, "One.")]


def test_a_partial_that_came_to_nothing_is_ended_with_no_words():
    client = spoken()
    client.read(client.last(Kind.DRAFT), "Uh").play(QUIET, 0.7).read(client.finals()[-1])
    assert [(turn.transcript, turn.end_of_turn) for turn in client.turns()] == [("Uh", False), ("", True)]


def test_partials_can_be_switched_off():
    client = spoken(2.0, Options(include_partial_turns=False)).play(QUIET, 0.7)
    assert {reading.kind for reading in client.asked} == {Kind.CANDIDATE, Kind.FINAL}
    client.read(client.last(Kind.CANDIDATE), "Ever").read(client.finals()[0], "Ever.")
    assert [turn.end_of_turn for turn in client.turns()] == [True]


def test_force_endpoint_ends_the_turn_in_the_middle_of_speech():
    client = spoken().say("ForceEndpoint")
    (final,) = client.finals()
    assert final.segment.start + len(final.samples) == 2.0 * 16_000
    client.read(final, "Ever").say("ForceEndpoint")
    assert len(client.finals()) == 1


def test_terminate_ends_the_turn_and_says_goodbye_after_it():
    client = spoken().say("Terminate")
    assert client.heard == []
    client.now_s = 3.4
    client.read(client.finals()[0], "Ever.")
    assert isinstance(client.heard[0], Turn)
    assert client.heard[1:] == [Termination(2, 3), Close(1000)]
    assert client.stream.state is State.CLOSED


def test_terminate_in_silence_says_goodbye_at_once():
    client = Client().play(QUIET, 5.0).say("Terminate")
    assert client.heard == [Termination(5, 5), Close(1000)]


def test_after_the_end_nothing_is_said_any_more():
    client = Client().say("Terminate").play(LOUD, 2.0).say("ForceEndpoint").say("Sing")
    assert client.heard == [Termination(0, 0), Close(1000)]
    assert client.asked == []


def test_all_finals_come_before_the_goodbye():
    client = spoken().play(QUIET, 0.7).play(LOUD, 1.0).say("Terminate")
    first, second = client.finals()
    client.read(first, "One.")
    assert not any(isinstance(message, Termination) for message in client.heard)
    client.read(second, "Two.")
    assert [turn.transcript for turn in client.turns()] == ["One.", "Two."]
    assert isinstance(client.heard[-2], Termination)


def test_audio_that_is_too_short_ends_the_session():
    client = Client()
    client.do(client.stream.on_audio(bytes(640), 0.0))
    error, close = client.heard
    assert error == Error(
        3007, "Input Duration Error: Input Duration Violation: 20.0 ms. Expected between 50 and 1000 ms"
    )
    assert close == Close(3007)


def test_a_message_that_is_not_understood_ends_the_session():
    assert Client().say("Sing").heard == [Error(3006, "Invalid Message Type: Sing"), Close(3006)]


def test_a_model_that_fails_ends_the_session():
    client = spoken()
    client.do(client.stream.on_read(RuntimeError("no memory"), 2.0))
    assert client.heard == [Error(3005, "The speech model failed: no memory"), Close(3005)]


def test_without_messages_the_session_ends_when_it_was_asked_to():
    client = Client(Options(inactivity_timeout=5)).play(QUIET, 1.0)
    assert client.stream.wake_at_s() == 6.0
    client.do(client.stream.on_time(5.9))
    assert client.heard == []
    client.now_s = 5.9
    client.say("KeepAlive").do(client.stream.on_time(10.8))
    assert client.heard == []
    client.do(client.stream.on_time(10.9))
    assert [type(message) for message in client.heard] == [Error, Close]
    assert "inactivity" in client.heard[0].error


def test_a_client_that_waits_for_a_final_is_not_inactive():
    client = spoken(1.0, Options(inactivity_timeout=5)).play(QUIET, 0.7)
    client.do(client.stream.on_time(60.0))
    assert client.heard == []


def test_heartbeats_come_every_five_seconds_if_asked_for():
    client = Client(Options(session_heartbeat=True)).play(QUIET, 1.0)
    client.do(client.stream.on_time(4.9))
    assert client.heard == []
    client.do(client.stream.on_time(5.0))
    assert client.heard == [Heartbeat(1000, 5000, 0.2, 0.0)]


def test_heartbeats_come_faster_when_the_audio_does():
    client = Client(Options(session_heartbeat=True))
    for _ in range(200):
        client.do(client.stream.on_audio(QUIET, 0.5))
    beats = [message.total_audio_received_ms for message in client.heard]
    assert beats == [5000, 10_000, 15_000, 20_000]


def test_audio_that_waits_for_its_final_is_not_dealt_with():
    client = spoken(2.0, Options(session_heartbeat=True)).play(QUIET, 0.7)
    start_ms = client.finals()[0].segment.start // 16
    client.do(client.stream.on_time(10.0))
    assert client.heard[-1].total_audio_received_ms == start_ms
    assert client.heard[-1].max_speech_probability == 1.0
    client.read(client.finals()[0], "Yes.").do(client.stream.on_time(15.0))
    assert client.heard[-1].total_audio_received_ms == 3700
    assert client.heard[-1].max_speech_probability == 0.0


def test_the_backlog_is_what_waits_for_its_final():
    client = spoken(2.0)
    assert client.stream.backlog_s == 0.0
    client.play(QUIET, 0.7)
    assert 2.0 < client.stream.backlog_s < 3.0
    client.read(client.finals()[0], "Yes.")
    assert client.stream.backlog_s == 0.0


def test_an_update_moves_the_end_of_turn():
    client = spoken().say("UpdateConfiguration", min_turn_silence=2000).play(QUIET, 1.9)
    assert client.finals() == []
    client.play(QUIET, 0.3)
    assert len(client.finals()) == 1


@pytest.mark.parametrize(
    ("shortest_ms", "longest_ms", "silence_s"),
    [(None, None, 0.5), (400, 1280, 0.5), (800, 1280, 0.8), (100, 300, 0.3), (800, 300, 0.3)],
)
def test_the_silence_that_ends_a_turn_is_our_own_as_far_as_the_limits_allow(shortest_ms, longest_ms, silence_s):
    options = Options(min_turn_silence=shortest_ms, max_turn_silence=longest_ms)
    assert turn_silence_s(options) == silence_s
