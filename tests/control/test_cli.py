"""The command line: what goes where, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from causal.control.cli import main
from causal.messages.control import Request
from causal.paths import Paths
from causal.testing.fake_controller import Answer, FakeController

Run = Callable[..., Result]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def asked(paths: Paths, answer: Answer, *arguments: str) -> tuple[Result, list[dict[str, Any]]]:
    """The command's result, and what it asked the controller, however often it had to send it."""
    with FakeController(paths, answer) as controller:
        result = run(*arguments)
    return result, list({request["id"]: request for request in controller.requests}.values())


def view(session: str, state: str = "running") -> dict[str, Any]:
    status = {"session": session, "source": "-", "label": "", "state": state, "sources": ["mic"]}
    return {"status": status, "streams": []}


def status_reply(*views: dict[str, Any]) -> dict[str, Any]:
    return {"ok": True, "version": "0.1.0", "engine": "local", "sessions": list(views), "services": []}


STARTED = {"ok": True, "session": "s-1", "engine": "local"}


def test_start_prints_the_id_and_nothing_else_on_stdout(paths: Paths) -> None:
    result, _ = asked(paths, lambda _: STARTED, "start", "mic")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "s-1\n", "heard by local\n")


def test_start_passes_on_all_that_was_said(paths: Paths) -> None:
    command = (
        "start mic /a/clip.wav?speed=2 --engine local --language de --keyterm Causal --keyterm ZeroMQ --label talk"
    )
    _, (request,) = asked(paths, lambda _: STARTED, *command.split())
    del request["id"]
    assert request == {
        "v": 1,
        "op": "start",
        "sources": ["mic", "file:/a/clip.wav?speed=2"],
        "engine": "local",
        "language": "de",
        "keyterms": ["Causal", "ZeroMQ"],
        "label": "talk",
        "record": False,
    }


@pytest.mark.parametrize("command", ["list", "start", "status", "sessions", "token"])
def test_with_json_a_command_prints_the_reply(paths: Paths, command: str) -> None:
    reply = status_reply() | {"session": "s-1", "devices": [], "token": "t"}
    result, (request,) = asked(paths, lambda _: reply, command, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == reply | {"v": 1, "id": request["id"]}


def test_shutdown_returns_when_the_stack_has_ended(paths: Paths) -> None:
    def end(_: dict[str, Any]) -> dict[str, Any]:
        controller.end()
        return {"ok": True}

    with FakeController(paths, end) as controller:
        result = run("shutdown", "--json")
    assert (result.exit_code, json.loads(result.stdout)["ok"]) == (0, True)


def test_shutdown_says_so_when_the_stack_does_not_end(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("causal.control.cli.SHUTDOWN_WITHIN_S", 0.1)
    result, _ = asked(paths, lambda _: {"ok": True}, "shutdown")
    assert result.exit_code == 1
    assert "still ending" in result.stderr


@pytest.mark.parametrize("command", ["list", "start", "status", "sessions", "token", "shutdown", "stop"])
def test_a_refusal_is_told_with_its_hint_and_exit_code_1(paths: Paths, command: str) -> None:
    error = {"code": "device-not-found", "message": "there is no microphone", "hint": "Plug one in."}
    result, _ = asked(paths, lambda _: {"ok": False, "error": error}, command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "causal-ctl: there is no microphone. Plug one in.\n"


def test_a_refusal_as_json_is_on_stdout_too(paths: Paths) -> None:
    error = {"code": "device-not-found", "message": "there is no microphone", "hint": "Plug one in."}
    result, _ = asked(paths, lambda _: {"ok": False, "error": error}, "start", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"ok": False, "error": error}


@pytest.mark.parametrize("command", ["list", "start", "status", "sessions", "token", "shutdown", "stop"])
def test_without_a_stack_the_exit_code_is_3_and_the_hint_says_how_to_start_one(paths: Paths, command: str) -> None:
    result = run(command)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "no stack is running" in result.stderr
    assert "honcho start" in result.stderr


@pytest.mark.parametrize(
    "command",
    ["", "begin", "stop s-1 --all", "stop --timeout -1", "token --expires-in 0", "list mic", "start --engine"],
)
def test_wrong_usage_has_exit_code_2(paths: Paths, command: str) -> None:
    assert run(*command.split()).exit_code == 2


def stopping(*sessions: dict[str, Any], state: str = "ended", backlog_ms: int = 0) -> Answer:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if request["op"] == "status":
            return status_reply(*sessions)
        return {"ok": True, "state": state, "backlog_ms": backlog_ms}

    return answer


def stopped(requests: list[dict[str, Any]]) -> list[str]:
    return [request["session"] for request in requests if request["op"] == "stop"]


def test_stop_stops_the_one_that_is_named(paths: Paths) -> None:
    result, requests = asked(paths, stopping(), "stop", "s-7", "--timeout", "2.5")
    assert (result.exit_code, result.stdout) == (0, "s-7 ended\n")
    assert (stopped(requests), requests[0]["timeout_s"]) == (["s-7"], 2.5)


def test_stop_says_what_goes_on_in_the_background(paths: Paths) -> None:
    result, _ = asked(paths, stopping(state="finishing", backlog_ms=3200), "stop", "s-7")
    assert (result.exit_code, result.stdout) == (0, "s-7 finishing: 3.2 s of sound are still being transcribed\n")


def test_stop_alone_stops_the_only_one_that_runs(paths: Paths) -> None:
    _, requests = asked(paths, stopping(view("s-1", "finishing"), view("s-2")), "stop")
    assert stopped(requests) == ["s-2"]


def test_stop_alone_waits_for_one_that_is_finishing(paths: Paths) -> None:
    _, requests = asked(paths, stopping(view("s-1", "finishing")), "stop")
    assert stopped(requests) == ["s-1"]


def test_stop_alone_with_several_running_names_them_and_stops_none(paths: Paths) -> None:
    result, requests = asked(paths, stopping(view("s-1"), view("s-2")), "stop")
    assert (result.exit_code, stopped(requests)) == (1, [])
    assert "s-1, s-2" in result.stderr


def test_stop_with_none_running_says_so(paths: Paths) -> None:
    result, _ = asked(paths, stopping(), "stop")
    assert result.exit_code == 1
    assert "no session is running" in result.stderr


def test_stop_all_stops_each(paths: Paths) -> None:
    result, requests = asked(paths, stopping(view("s-1"), view("s-2", "finishing")), "stop", "--all")
    assert (result.exit_code, stopped(requests)) == (0, ["s-1", "s-2"])
    assert result.stdout == "s-1 ended\ns-2 ended\n"


def test_stop_all_with_none_running_is_done_already(paths: Paths) -> None:
    result, _ = asked(paths, stopping(), "stop", "--all")
    assert (result.exit_code, result.stdout) == (0, "")


def test_a_list_of_nothing_is_said_on_stderr(paths: Paths) -> None:
    result, _ = asked(paths, lambda _: {"ok": True, "devices": []}, "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing can be heard" in result.stderr


def test_a_token_is_all_that_is_on_stdout(paths: Paths) -> None:
    result, (request,) = asked(paths, lambda _: {"ok": True, "token": "t-1"}, "token", "--expires-in", "30")
    assert (result.stdout, request["expires_in_s"]) == ("t-1\n", 30)


def test_every_command_has_a_help_of_more_than_a_line() -> None:
    for name in main.commands:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert "--json" in result.stdout
        summary = main.commands[name].get_short_help_str(limit=58)
        assert not summary.endswith("..."), f"{name}: {summary}"


def test_every_request_of_the_controller_but_a_services_poll_has_a_command() -> None:
    wanted = {kind.__struct_config__.tag for kind in Request.__args__} - {"assignments"}
    assert wanted <= set(main.commands)


def test_help_imports_nothing_that_takes_time() -> None:
    script = "import sys; import causal.control.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert not modules & {"zmq", "numpy", "asyncio", "msgspec", "psutil", "causal.messages"}


def test_a_question_to_the_stack_imports_no_more_than_it_needs() -> None:
    script = "import sys; import causal.control.cli, causal.control.client, causal.control.tables; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"numpy", "asyncio", "ssl", "psutil"}


def test_a_path_too_long_for_sockets_is_told(paths: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAUSAL_RUNTIME_DIR", str(tmp_path / ("x" * 100)))
    result = run("status")
    assert result.exit_code == 1
    assert "too long for sockets" in result.stderr
