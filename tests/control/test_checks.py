"""Verdicts: each with what is wrong, and what mends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from causal import wire
from causal.control import checks
from causal.control.checks import Folder, Reached
from causal.errors import CausalError
from causal.messages import CaptureStatus, ServiceStatus, SessionStatus
from causal.messages.control import Fault, ServiceView, SessionView

HERE = Path("/a/place")
NO_STACK = CausalError("no-stack", "no stack is running in /a/place")
NO_KEY = CausalError("auth-failed", "there is no AssemblyAI key", "causal-ctl key set")
LOCKED = CausalError("permission-denied", "the keyring cannot be read: it is locked", "Unlock it.")


def folder(free_bytes: int = 50_000_000_000, **known: Any) -> Folder:
    return Folder(HERE, **{"exists": True, "writable": True, "free_bytes": free_bytes} | known)


def service(name: str, *, alive: bool = True, fault: Fault | None = None) -> ServiceView:
    status = ServiceStatus(service=name, instance="1", pid=7, cpu_percent=0.1, rss_bytes=1)
    return ServiceView(status=status, alive=alive, fault=fault)


def running(*services: ServiceView, sessions: tuple[SessionView, ...] = ()) -> dict[str, Any]:
    return {
        "version": "0.1.0",
        "engine": "local",
        "services": [wire.to_map(view) for view in services],
        "sessions": [wire.to_map(view) for view in sessions],
    }


ALL = tuple(service(name) for name in checks.NEEDED_SERVICES)


@pytest.mark.parametrize(
    ("known", "state"),
    [
        ({}, "ok"),
        ({"exists": False}, "ok"),
        ({"mode": 0o755}, "warning"),
        ({"writable": False}, "failed"),
        ({"owned": False}, "failed"),
    ],
)
def test_the_directory_of_the_sockets_is_the_users_alone(known: dict[str, Any], state: str) -> None:
    result = checks.runtime(folder(**known))
    assert (result.state, bool(result.fix)) == (state, state != "ok")
    assert str(HERE) in result.found


@pytest.mark.parametrize(("free_bytes", "state"), [(1_000_000, "failed"), (10**9, "warning"), (10**10, "ok")])
def test_a_disk_has_room_or_is_told(free_bytes: int, state: str) -> None:
    assert checks.disk("data directory", folder(free_bytes)).state == state


def test_a_directory_that_cannot_be_written_to_has_failed_however_much_is_free() -> None:
    assert checks.disk("data directory", folder(writable=False)).state == "failed"


def test_without_a_stack_nothing_is_wrong_and_the_fix_starts_one() -> None:
    (result,) = checks.stack(NO_STACK, "0.1.0", None, None)
    assert (result.state, result.fix) == ("ok", "honcho start")


def test_another_stack_on_the_same_data_has_failed_with_its_pid() -> None:
    (result,) = checks.stack(NO_STACK, "0.1.0", None, 4711)
    assert result.state == "failed"
    assert "4711" in result.found
    assert "kill 4711" in result.fix


def test_a_stack_without_its_controller_has_failed() -> None:
    (result,) = checks.stack(NO_STACK, "0.1.0", 4711, 4711)
    assert result.state == "failed"
    assert "the controller does not answer" in result.found


def test_a_whole_stack_is_well() -> None:
    assert {result.state for result in checks.stack(running(*ALL), "0.1.0", 1, 1)} == {"ok"}


def test_a_stack_of_another_version_is_to_be_started_again() -> None:
    result, *_ = checks.stack(running(*ALL), "0.2.0", 1, 1)
    assert result.state == "warning"
    assert result.fix == "causal-ctl shutdown; honcho start"


def test_a_service_that_is_gone_or_at_fault_has_failed() -> None:
    fault = Fault(code="disk-full", message="the disk is full", hint="Make room.")
    views = [*(view for view in ALL if view.status.service != "stt"), service("stt", alive=False)]
    results = checks.stack(running(*views, service("sink", fault=fault)), "0.1.0", 1, 1)
    failed = {result.name: (result.found, result.fix) for result in results if result.state == "failed"}
    assert failed == {
        "service stt": ("is not running", "causal-ctl shutdown; honcho start"),
        "service sink": ("the disk is full", "Make room."),
    }


def test_what_is_wrong_with_a_stream_is_told() -> None:
    stream = CaptureStatus(session="s-1", source="mic", device="pulse:m", state="failed", speech="idle")
    status = SessionStatus(session="s-1", label="", state="running", sources=("mic",))
    fault = Fault(code="device-lost", message="the microphone is gone", hint="Plug it in.")
    view = SessionView(status=status, streams=(stream,), faults={"mic": fault})
    results = checks.stack(running(*ALL, sessions=(view,)), "0.1.0", 1, 1)
    assert ("stream mic", "failed", "Plug it in.") in [(result.name, result.state, result.fix) for result in results]


@pytest.mark.parametrize(
    ("place", "tidy", "heard_by", "state"),
    [
        (NO_KEY, True, "local", "ok"),
        (NO_KEY, True, "assemblyai", "failed"),
        (LOCKED, True, "local", "warning"),
        (LOCKED, True, "assemblyai", "failed"),
        ("environment", True, "assemblyai", "ok"),
        ("environment", False, "assemblyai", "warning"),
    ],
)
def test_a_key_is_missed_only_where_it_is_needed(
    place: str | CausalError, tidy: bool, heard_by: str, state: str
) -> None:
    assert checks.key(place, tidy, heard_by).state == state


@pytest.mark.parametrize("error", ["address", "name", "refused", "timeout", "certificate", "network"])
def test_a_service_that_cannot_be_reached_fails_only_if_it_is_needed(error: Any) -> None:
    reached = Reached("example.org", 443, error, "why")
    needed, spare = checks.speech_service(reached, needed=True), checks.speech_service(reached, needed=False)
    assert (needed.state, spare.state) == ("failed", "warning")
    assert needed.fix
    assert checks.speech_service(Reached("example.org", 443), needed=True).state == "ok"


def test_a_missing_model_is_mended_by_its_command() -> None:
    said = "The speech model is not prepared: /c has none. Run: causal-engine prepare"
    result = checks.model(False, said, needed=True)
    assert (result.state, result.found) == ("failed", "The speech model is not prepared: /c has none")
    assert result.fix == "causal-engine prepare"
    assert checks.model(False, said, needed=False).state == "warning"


def test_missing_packages_are_named() -> None:
    result = checks.versions({"Causal": "0.1.0"}, ["soxr", "numpy"], (3, 11))
    assert (result.state, result.fix) == ("failed", "python -m pip install soxr numpy")
    assert checks.versions({}, [], (3, 10)).state == "failed"
    assert checks.versions({}, [], (3, 12)).state == "ok"
