"""`causal-ctl doctor` on a private sound server: well, and with one thing after the other wrong."""

from __future__ import annotations

import json
import subprocess
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from causal.testing.pulse_server import PrivatePulse
from causal.testing.stack import Stack
from causal.testing.waiting import until

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

KEY = "0123456789abcdef-not-a-real-key"

Examine = Callable[..., tuple[int, dict[str, dict[str, str]]]]


@pytest.fixture
def examine(pulse_own: PrivatePulse, procfile: Path, speech_model: None) -> Iterator[Examine]:
    """Exit code and checks by name, in directories of its own, without a running stack."""
    with Stack(procfile, []) as stack:

        def run(**environment: str) -> tuple[int, dict[str, dict[str, str]]]:
            stack.environment.update({"PULSE_SERVER": pulse_own.server, "CAUSAL_ENGINE": "local"} | environment)
            done = stack.ctl("doctor", "--json")
            assert KEY not in done.stdout + done.stderr
            reply = json.loads(done.stdout)
            assert reply["ok"] == (done.returncode == 0)
            return done.returncode, {check["name"]: check for check in reply["checks"]}

        yield run


@pytest.fixture
def murmur(pulse_own: PrivatePulse, tmp_path: Path) -> Iterator[None]:
    """Something that the microphone hears."""
    noise = (np.random.default_rng(7).normal(0, 300, 48_000 * 30)).astype("<i2")
    with wave.open(str(tmp_path / "noise.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(noise.tobytes())
    player = pulse_own.play(tmp_path / "noise.wav", sink="feed")
    until(lambda: pulse_own.pactl("list", "short", "sink-inputs"))
    yield
    player.kill()
    player.wait()


def states(found: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: check["state"] for name, check in found.items()}


def test_where_all_is_well_nothing_fails(examine: Examine, murmur: None) -> None:
    code, found = examine(ASSEMBLYAI_API_KEY=KEY)
    assert code == 0, found
    assert found["microphone"]["found"] == "pulse:microphone delivers"
    assert "nothing is playing" in found["system sound"]["found"]
    assert found["key"]["found"] == "from the environment (ASSEMBLYAI_API_KEY)"
    assert states(found)["speech model"] == "ok"


def test_a_microphone_of_zeros_has_failed(examine: Examine) -> None:
    code, found = examine()
    assert (code, states(found)["microphone"]) == (1, "failed")
    assert "nothing but zeros" in found["microphone"]["found"]
    assert states(found)["system sound"] == "ok"


def test_a_muted_microphone_is_mended_by_the_command_that_is_told(
    examine: Examine, murmur: None, pulse_own: PrivatePulse
) -> None:
    pulse_own.pactl("set-source-mute", "microphone", "1")
    _, found = examine()
    assert (found["microphone"]["state"], found["microphone"]["found"]) == ("failed", "pulse:microphone is muted")
    subprocess.run(found["microphone"]["fix"].split(), env=pulse_own.environment, check=True)
    code, found = examine()
    assert code == 0, found


def test_without_outputs_there_is_nothing_to_hear(examine: Examine, pulse_own: PrivatePulse) -> None:
    for line in pulse_own.pactl("list", "short", "modules").splitlines()[::-1]:
        number, name, *_ = line.split("\t")
        if name in ("module-remap-source", "module-null-sink"):
            pulse_own.unload(number)
    code, found = examine()
    assert (code, states(found)["sound"]) == (1, "failed")
    assert "nothing can be heard" in found["sound"]["found"]


@pytest.mark.parametrize("frozen", [False, True])
def test_without_a_server_it_says_so_within_seconds(examine: Examine, pulse_own: PrivatePulse, frozen: bool) -> None:
    if frozen:
        pulse_own.freeze()
    else:
        pulse_own.stop()
    code, found = examine()
    assert (code, states(found)["sound"]) == (1, "failed")
    assert "microphone" not in found


def test_without_its_model_the_engine_has_failed_unless_another_hears(examine: Examine, tmp_path: Path) -> None:
    _, found = examine(CAUSAL_CACHE_DIR=str(tmp_path))
    assert (found["speech model"]["state"], found["speech model"]["fix"]) == ("failed", "causal-engine prepare")
    _, found = examine(CAUSAL_CACHE_DIR=str(tmp_path), CAUSAL_ENGINE="ws://127.0.0.1:9")
    assert found["speech model"]["state"] == "warning"
    assert found["speech service"]["state"] == "failed"
    assert "refuses" in found["speech service"]["found"]


def test_a_mistake_in_the_settings_is_told_and_the_rest_is_examined(examine: Examine) -> None:
    code, found = examine(CAUSAL_BLOCK_MS="many")
    assert (code, found["settings"]["state"]) == (1, "failed")
    assert "CAUSAL_BLOCK_MS" in found["settings"]["found"]
    assert {"key", "speech model", "sound"} <= found.keys()


def test_a_path_too_long_for_sockets_is_told(examine: Examine) -> None:
    code, found = examine(CAUSAL_RUNTIME_DIR="/tmp/" + "x" * 100)
    assert (code, found["sockets"]["state"]) == (1, "failed")
    assert "too long" in found["sockets"]["found"]


def test_a_running_stack_is_examined_and_a_second_one_on_its_data_is_found(procfile: Path, speech_model: None) -> None:
    with Stack(procfile, ["broker", "control", "resample", "stt", "capture", "engine"]) as stack:
        whole = json.loads(stack.ctl("doctor", "--json").stdout)["checks"]
        other = subprocess.run(
            ["causal-ctl", "doctor", "--json"],
            env=stack.environment | {"CAUSAL_RUNTIME_DIR": str(stack.folder / "other")},
            capture_output=True,
            check=False,
        )
        broker = stack.pid("broker")
    (running,) = [check for check in whole if check["name"] == "stack"]
    assert (running["state"], running["found"].startswith("running")) == ("ok", True)
    assert not [check for check in whole if check["name"] == "service stt"]
    (second,) = [check for check in json.loads(other.stdout)["checks"] if check["name"] == "stack"]
    assert second["state"] == "failed"
    assert f"pid {broker}" in second["found"]
