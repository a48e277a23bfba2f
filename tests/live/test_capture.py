"""The capture process with its neighbours up to the journal: real processes, real devices and files."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from causal.journal import JournalReader
from causal.journal_record import folder_of
from causal.testing.counter_signal import counter
from causal.testing.stack import Stack

pytestmark = pytest.mark.live

PROCESSES = ["broker", "control", "resample", "capture"]
RATE_HZ = 48_000


@pytest.fixture
def stack(procfile, pulse):
    with Stack(procfile, PROCESSES, environment={"PULSE_SERVER": pulse.server}) as running:
        yield running


def noise_file(folder: Path, seconds: float) -> tuple[Path, np.ndarray]:
    """A file, and what it is at 16 kHz."""
    noise = np.random.default_rng(5).normal(0, 0.1, round(seconds * RATE_HZ)).astype(np.float32)
    soundfile.write(folder / "noise.wav", noise, RATE_HZ, subtype="FLOAT")
    whole = soxr.resample(noise, RATE_HZ, 16_000, quality="HQ")
    return folder / "noise.wav", np.clip(np.round(whole * 32768), -32768, 32767).astype(np.int16)


def start(stack: Stack, *sources: str) -> str:
    reply = stack.ask("start", sources=list(sources), engine="local")
    assert reply["ok"], reply
    return str(reply["session"])


def streams(stack: Stack, session: str) -> dict[str, dict]:
    views = [view for view in stack.ask("status")["sessions"] if view["status"]["session"] == session]
    return {stream["source"]: stream for view in views for stream in view["streams"]}


def captured_ms(stack: Stack, session: str, source: str) -> int:
    return streams(stack, session).get(source, {}).get("captured_ms", 0)


def journal(stack: Stack, stream: str) -> tuple[list, np.ndarray]:
    """The chunks of a stream, and their samples."""
    with JournalReader(folder_of(stack.paths.journal, stream), stream) as reader:
        recorded = list(reader.read_range(0, reader.next_index))
    chunks = [chunk for chunk, _ in recorded]
    valid = [samples[: chunk.valid] for chunk, samples in recorded]
    return chunks, np.concatenate([np.zeros(0, np.int16), *valid])


def wait_for_end(stack: Stack, stream: str) -> None:
    def ended() -> bool:
        return any(chunk.end for chunk in journal(stack, stream)[0])

    stack.until(ended, 20.0, f"the end of {stream} in the journal")


def test_a_file_arrives_in_the_journal_as_it_is(stack, tmp_path):
    path, whole = noise_file(tmp_path, 20.0)
    stream = f"{start(stack, f'file:{path}?speed=max')}/file"
    wait_for_end(stack, stream)
    chunks, samples = journal(stack, stream)
    assert np.array_equal(samples, whole)
    assert chunks[0].position == 0


def test_a_file_goes_on_without_a_gap_after_capture_was_killed(stack, tmp_path):
    path, whole = noise_file(tmp_path, 24.0)
    session = start(stack, f"file:{path}?speed=4")
    stack.until(lambda: captured_ms(stack, session, "file") > 6000)
    os.kill(stack.pid("capture"), signal.SIGKILL)
    wait_for_end(stack, f"{session}/file")
    chunks, samples = journal(stack, f"{session}/file")
    positions = [chunk.position for chunk in chunks if chunk.valid]
    assert positions == list(range(0, 24 * 16_000, 1600))
    assert len(samples) == len(whole)
    assert np.abs(samples.astype(int) - whole).max() <= 1


def test_a_killed_resampler_loses_nothing_of_a_device(stack, pulse, tmp_path):
    path = tmp_path / "counter.wav"
    soundfile.write(path, counter(6 * RATE_HZ, 1) * 32, RATE_HZ, subtype="FLOAT")
    session = start(stack, "mic")
    stack.until(lambda: streams(stack, session)["mic"]["captured_ms"] > 0)
    player = pulse.play(path, "feed", buffer_s=8.0)
    stack.until(lambda: captured_ms(stack, session, "mic") > 3000)
    os.kill(stack.pid("resample"), signal.SIGKILL)
    assert player.wait(20) == 0
    goal_ms = captured_ms(stack, session, "mic") + 1000
    stack.until(lambda: captured_ms(stack, session, "mic") > goal_ms)
    stack.ask("stop", session=session, timeout_s=0.0)
    wait_for_end(stack, f"{session}/mic")
    chunks, samples = journal(stack, f"{session}/mic")
    sounding = np.flatnonzero(samples > 8)  # and the ringing of the edge at the end is left out
    ramp = samples[sounding[0] : sounding[-1] + 1].astype(int)
    assert len(ramp) == pytest.approx(6 * 16_000, abs=1600)
    assert np.abs(np.diff(ramp[:-200])).max() <= 3, "the ramp is whole"
    assert len({chunk.run_started_ns for chunk in chunks if chunk.valid}) == 1


def test_mic_and_system_are_captured_and_stop_ends_both(stack, pulse):
    session = start(stack, "mic", "system")
    stack.until(lambda: all(s["captured_ms"] > 500 for s in streams(stack, session).values()))
    found = streams(stack, session)
    assert found["mic"]["device"] == "pulse:microphone"
    assert found["system"]["device"] == "pulse:speakers.monitor"
    stack.ask("stop", session=session, timeout_s=0.0)
    wait_for_end(stack, f"{session}/mic")
    wait_for_end(stack, f"{session}/system")
    stack.until(lambda: "protocol-native" not in pulse.pactl("list", "short", "source-outputs"))


def test_a_file_that_does_not_exist_any_more_fails_with_its_name(stack, tmp_path):
    path, _ = noise_file(tmp_path, 30.0)
    session = start(stack, f"file:{path}")
    stack.until(lambda: captured_ms(stack, session, "file") > 500)
    path.unlink()
    os.kill(stack.pid("capture"), signal.SIGKILL)
    view = stack.until(
        lambda: next((v for v in stack.ask("status")["sessions"] if v["faults"].get("file")), None), what="the fault"
    )
    assert view["faults"]["file"]["code"] == "device-not-found"
    assert "noise.wav" in view["faults"]["file"]["message"]


def test_ctrl_c_ends_the_streams_in_order(stack):
    session = start(stack, "mic")
    stack.until(lambda: captured_ms(stack, session, "mic") > 500)
    stack.until(lambda: journal(stack, f"{session}/mic")[0], what="the first chunk, on a busy machine")
    stack.stop()
    chunks, _ = journal(stack, f"{session}/mic")
    assert chunks[-1].end
    assert "capture.1 stopped (rc=0)" in stack.log()


def test_an_idle_capture_holds_no_device_open(stack, pulse):
    session = start(stack, "mic")
    stack.until(lambda: captured_ms(stack, session, "mic") > 200)
    stack.ask("stop", session=session, timeout_s=0.0)
    stack.until(lambda: "protocol-native" not in pulse.pactl("list", "short", "source-outputs"))
