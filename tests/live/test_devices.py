"""From real sound servers to words: what is played is heard, as `system` and as `mic`, by the real model."""

from pathlib import Path

import jiwer
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from causal.testing.pipewire_server import PrivatePipeWire
from causal.testing.pulse_server import PrivatePulse
from causal.testing.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.timeout(120), pytest.mark.usefixtures("speech_model")]

MOST_WRONG = 0.3
"""Five times looser than what is measured in bench/results/wer_pulse.md: other work may disturb."""


def word_error_rate(samples: Path, name: str, heard: str) -> float:
    normalize = EnglishTextNormalizer()
    return float(jiwer.wer(normalize((samples / f"{name}.txt").read_text()), normalize(heard)))


def words_of(stack: Stack, source: str) -> str:
    """What `causal-sink jsonl` says of one source, in the order of its time line."""
    finals = [event for event in stack.events("transcript-final") if event["source"] == source]
    return " ".join(final["text"] for final in sorted(finals, key=lambda final: final["start_ms"]))


def captured_ms(stack: Stack) -> list[int]:
    return [stream["captured_ms"] for view in stack.ask("status")["sessions"] for stream in view["streams"]]


def test_microphone_and_system_sound_at_once_on_pulseaudio(procfile: Path, samples: Path, pulse: PrivatePulse) -> None:
    with Stack(procfile, environment={"PULSE_SERVER": pulse.server}) as stack:
        session = stack.ctl("start").stdout.strip()
        stack.until(lambda: len(captured_ms(stack)) == 2 and min(captured_ms(stack)) > 0, what="sound from both")
        players = [pulse.play(samples / "austen-0870.wav"), pulse.play(samples / "austen-0920.wav", sink="feed")]
        assert [player.wait(30) for player in players] == [0, 0]
        stopped = stack.ctl("stop")
        assert stopped.stdout == f"{session} ended\n"
        stack.until(lambda: stack.events("session-status")[-1]["state"] == "ended", what="the end in the transcript")
        assert word_error_rate(samples, "austen-0870", words_of(stack, "system")) <= MOST_WRONG
        assert word_error_rate(samples, "austen-0920", words_of(stack, "mic")) <= MOST_WRONG


def test_system_sound_on_pipewire(procfile: Path, samples: Path, pipewire: PrivatePipeWire) -> None:
    with Stack(procfile, environment={"PULSE_SERVER": pipewire.server}) as stack:
        stack.ctl("start", "system")
        stack.until(lambda: captured_ms(stack) and min(captured_ms(stack)) > 0, what="sound")
        assert pipewire.play(samples / "austen-0870.wav").wait(30) == 0
        assert stack.ctl("stop").returncode == 0
        stack.until(lambda: stack.events("session-status")[-1]["state"] == "ended", what="the end in the transcript")
        assert word_error_rate(samples, "austen-0870", words_of(stack, "system")) <= MOST_WRONG


def test_a_device_that_goes_is_told_and_heard_again_when_it_is_back(
    procfile: Path, samples: Path, pulse_own: PrivatePulse
) -> None:
    headset = pulse_own.add_sink("headset")
    with Stack(procfile, environment={"PULSE_SERVER": pulse_own.server}) as stack:
        stack.ctl("start", "pulse:headset.monitor", "system")
        stack.until(lambda: len(captured_ms(stack)) == 2 and min(captured_ms(stack)) > 0, what="sound from both")
        pulse_own.unload(headset)
        lost = stack.until(lambda: stack.events("capture-error"), what="the loss")[0]
        assert lost["code"] in ("device-lost", "device-not-found") and lost["retrying"] and lost["hint"]
        pulse_own.add_sink("headset")
        stack.until(lambda: stack.events("gap"), 20, "the gap, once it is heard again")
        assert pulse_own.play(samples / "austen-0870.wav", sink="headset").wait(30) == 0
        assert stack.ctl("stop").returncode == 0
        stack.until(lambda: stack.events("session-status")[-1]["state"] == "ended", what="the end in the transcript")
        gap = stack.events("gap")[0]
        assert gap["source"] == lost["source"] and gap["length_ms"] > 0
        assert word_error_rate(samples, "austen-0870", words_of(stack, lost["source"])) <= MOST_WRONG
        assert {event["source"] for event in stack.events("gap")} == {lost["source"]}, "the other one was not disturbed"
