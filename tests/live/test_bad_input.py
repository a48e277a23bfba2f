"""Whatever is wrong, the answer says what, where and what to do; and everything else goes on."""

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from causal import wire
from causal.testing.assemblyai_server import AssemblyAIServer, in_thread
from causal.testing.pulse_server import PrivatePulse
from causal.testing.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

KEY = "the-right-key"


@pytest.fixture(scope="module")
def service() -> Iterator[AssemblyAIServer]:
    with in_thread(AssemblyAIServer(key=KEY)) as server:
        yield server


@pytest.fixture(scope="module")
def one_stack(procfile: Path, speech_model: None, pulse: PrivatePulse, service: AssemblyAIServer) -> Iterator[Stack]:
    """One stack for all: each test does it some harm, and it must still work. Its key is wrong."""
    environment = {
        "PULSE_SERVER": pulse.server,
        "CAUSAL_ENGINE": "local",
        "CAUSAL_STT_URL": service.url,
        "ASSEMBLYAI_API_KEY": "a-wrong-key",
    }
    with Stack(procfile, environment=environment) as stack:
        yield stack


@pytest.fixture
def harmed(one_stack: Stack, samples: Path) -> Iterator[Stack]:
    """Afterwards a recording must still become a transcript, and no worker may have been restarted."""
    before = one_stack.alive()
    yield one_stack
    done = one_stack.ctl("start", f"file:{samples / 'austen-0930.wav'}?speed=max", "--follow")
    assert done.returncode == 0, done.stderr
    assert "made amiable himself" in done.stdout
    one_stack.until(lambda: before.items() <= one_stack.alive().items(), what=f"the same workers as before: {before}")


def refusal(stack: Stack, *arguments: str) -> dict[str, Any]:
    """The error with which `causal-ctl` refuses, which has code, message and hint."""
    done = stack.ctl(*arguments, "--json")
    assert done.returncode == 1, done
    error: dict[str, Any] = json.loads(done.stdout)["error"]
    assert error["message"] in done.stderr, "a person reads the same"
    assert error["hint"]
    return error


def fault(stack: Stack, session: str, within_s: float = 15.0) -> dict[str, Any]:
    """What `status` shows to be wrong with a session."""

    def look() -> dict[str, Any]:
        views = [view for view in stack.ask("status")["sessions"] if view["status"]["session"] == session]
        return next((fault for view in views for fault in view["faults"].values()), {})

    return stack.until(look, within_s, f"a fault of {session}")


def start(stack: Stack, *arguments: str) -> str:
    done = stack.ctl("start", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_unknown_device_names_the_nearest(harmed: Stack) -> None:
    error = refusal(harmed, "start", "pulse:speaker.monitor")
    assert error["code"] == "device-not-found"
    assert "'pulse:speaker.monitor'" in error["message"] and "pulse:speakers.monitor" in error["hint"]


def test_a_file_that_is_not_there(harmed: Stack, tmp_path: Path) -> None:
    error = refusal(harmed, "start", f"file:{tmp_path / 'nothing.wav'}")
    assert error["code"] == "device-not-found" and "nothing.wav" in error["message"]


def test_a_file_that_is_no_sound(harmed: Stack) -> None:
    done = harmed.ctl("start", f"file:{__file__}", "--wait")
    assert done.returncode == 1
    assert "no sound file" in done.stderr and "WAV, FLAC, OGG and MP3" in done.stderr


def test_a_file_that_is_cut_off_is_heard_as_far_as_it_goes(harmed: Stack, samples: Path, tmp_path: Path) -> None:
    whole = (samples / "jfk.wav").read_bytes()
    cut = tmp_path / "cut.wav"
    cut.write_bytes(whole[: len(whole) // 4])
    done = harmed.ctl("start", f"file:{cut}?speed=max", "--follow")
    assert done.returncode == 0, done.stderr
    assert "fellow Americans" in done.stdout and "country" not in done.stdout


def test_a_file_of_which_only_the_beginning_of_the_header_is_left(harmed: Stack, samples: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.wav"
    torn.write_bytes((samples / "jfk.wav").read_bytes()[:20])
    done = harmed.ctl("start", f"file:{torn}", "--wait")
    assert done.returncode == 1 and "torn.wav" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(harmed: Stack, samples: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed.wav"
    closed.write_bytes((samples / "jfk.wav").read_bytes())
    closed.chmod(0)
    done = harmed.ctl("start", f"file:{closed}", "--wait")
    assert done.returncode == 1 and "closed.wav may not be read" in done.stderr


def test_an_unknown_engine(harmed: Stack) -> None:
    error = refusal(harmed, "start", "system", "--engine", "asemblyai")
    assert error["code"] == "bad-config" and "asemblyai" in error["message"] and "assemblyai" in error["hint"]


def test_an_unknown_session(harmed: Stack) -> None:
    assert refusal(harmed, "stop", "20200101-000000-0000")["code"] == "unknown-session"


def test_a_wrong_key_is_told_and_the_session_can_be_stopped(harmed: Stack, pulse: PrivatePulse) -> None:
    session = start(harmed, "system", "--engine", "assemblyai")
    found = fault(harmed, session)
    assert found["code"] == "auth-failed" and not found["retrying"] and found["hint"]
    assert "a-wrong-key" not in str(found) and "a-wrong-key" not in harmed.log(1000)
    done = harmed.ctl("stop", session)
    assert done.returncode == 0 and session in done.stdout


def test_a_service_that_is_not_there_is_tried_again(harmed: Stack) -> None:
    session = start(harmed, "system", "--engine", "ws://127.0.0.1:9")
    found = fault(harmed, session)
    assert found["code"] == "connection-failed" and found["retrying"] and "127.0.0.1:9" in found["message"]
    assert harmed.ctl("stop", session, "--timeout", "0").returncode == 0


def test_garbage_on_the_control_socket_is_answered(harmed: Stack) -> None:
    chance = random.Random(1)
    frames = [chance.randbytes(chance.randrange(200)) for _ in range(300)]
    frames += [b"", b"\xc1", wire.pack_map({}), wire.pack_map({"v": 1, "id": "x", "op": "fly"}), b"\x81" * 100_000]
    frames += [wire.pack_map({"v": 2, "id": "x", "op": "list"}), wire.pack_map({"v": 1, "op": "list"})]
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(harmed.paths.address("control"))
        for frame in frames:
            socket.send_multipart([b"", frame])
        replies = []
        until_s = time.monotonic() + 10
        while len(replies) < len(frames) and socket.poll(max(0, round(1000 * (until_s - time.monotonic())))):
            replies.append(wire.unpack_map(socket.recv_multipart()[-1]))
    assert len(replies) == len(frames), "any bytes get a reply"
    assert {reply["ok"] for reply in replies} == {False}
    assert {reply["error"]["code"] for reply in replies} == {"bad-request"}


def test_a_setting_that_does_not_exist_names_the_nearest(harmed: Stack) -> None:
    """Only who starts afterwards reads it, and ends with 2."""
    path = Path(harmed.environment["CAUSAL_CONFIG_DIR"]) / "causal.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("engin_port = 8081\n")
    try:
        assert harmed.launch("causal-stt", "--instance", "2").wait(10) == 2
        assert f"unknown setting engin_port in {path}" in harmed.log()
        assert "Did you mean engine_port?" in harmed.log()
    finally:
        path.unlink()


def test_without_a_sound_server_it_says_so(stack: Stack) -> None:
    error = refusal(stack, "start")
    assert error["code"] == "device-unavailable" and "PulseAudio" in error["hint"]
    assert "no sound server answers" in refusal(stack, "start", "mic")["message"]
    assert stack.ctl("list").returncode == 0


def test_without_a_stack_it_says_how_to_start_one(procfile: Path) -> None:
    with Stack(procfile, []) as nobody:
        done = nobody.ctl("status")
    assert done.returncode == 3 and "honcho start" in done.stderr
