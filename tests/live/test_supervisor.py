"""The stack under supervisor, with the configuration that is shipped."""

import os
import signal
import subprocess
import tomllib
import urllib.request
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import psutil
import pytest

from causal.control import page_link
from causal.errors import CausalError
from causal.testing.assemblyai_server import AssemblyAIServer, in_thread
from causal.testing.stack import Stack
from causal.testing.talk import KEY, Talk, hears, numbers

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(120),
    pytest.mark.skipif(os.name != "posix", reason="supervisor is for Unix"),
]

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "config/supervisord.conf"
SERVICES = {"broker", "capture", "control", "engine", "resample", "stt"}
PROGRAMS = {*SERVICES, "jsonl", "web"}
ON_THE_WAY = ("resample", "stt", "capture", "broker", "control")
"""The services between a file and its transcript, when the engine has no part in it."""
A_YEAR_S = 365 * 24 * 3600


class Supervised:
    """A supervisord that runs Causal in directories of its own."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        stack.paths.make()
        self._supervisord = stack.launch("supervisord", "--nodaemon", "-c", str(CONFIGURATION))
        stack.until((stack.paths.runtime / "supervisor.sock").exists, what=f"supervisord listens\n{stack.log()}")

    def ctl(self, *arguments: str) -> str:
        command = ["supervisorctl", "-c", str(CONFIGURATION), *arguments]
        result = subprocess.run(
            command, env=self.stack.environment, capture_output=True, text=True, timeout=30, check=False
        )
        return result.stdout + result.stderr

    def states(self) -> dict[str, str]:
        """The state of each program."""
        lines = (line.split() for line in self.ctl("status").splitlines())
        return {words[0].partition(":")[0]: words[1] for words in lines}

    def all_are(self, state: str) -> bool:
        return self.states() == dict.fromkeys(PROGRAMS, state)

    def pid(self, program: str) -> int:
        return int(self.ctl("pid", program))

    def stop(self) -> int:
        self.ctl("shutdown")
        return self._supervisord.wait(20)

    def logs(self) -> str:
        return "".join(path.read_text() for path in self.stack.paths.data.glob("*.log"))


@pytest.fixture
def supervised(procfile: Path) -> Iterator[Supervised]:
    with in_thread(AssemblyAIServer(key=KEY)) as server, Stack(procfile, [], environment=hears(server)) as stack:
        supervised = Supervised(stack)
        stack.wait_ready(SERVICES)
        yield supervised


def shown(stack: Stack) -> int:
    """What the web page answers to a browser that is let in; 0 when nobody answers."""
    try:
        with urllib.request.urlopen(page_link.new_link(stack.paths), timeout=5.0) as answer:
            return answer.status
    except (OSError, CausalError):
        return 0


def known(stack: Stack) -> dict[str, int]:
    """The live workers, as far as the controller can be asked."""
    try:
        return stack.alive()
    except TimeoutError:
        return {}


def back(stack: Stack, former: dict[str, int], within_s: float) -> None:
    """Waits until each of the `former` workers has a successor."""

    def look() -> bool:
        now = known(stack)
        return all(now.get(f"{service}.1", pid) != pid for service, pid in former.items())

    stack.until(look, within_s, f"successors of {former}")


def session_of(stack: Stack) -> dict[str, Any]:
    """The one session that has not ended."""
    (view,) = stack.ask("status")["sessions"]
    return dict(view["status"])


def test_workers_that_are_killed_or_frozen_while_somebody_speaks_cost_no_word(supervised, tmp_path):
    stack = supervised.stack
    parents = {service: psutil.Process(stack.pid(service)).ppid() for service in ON_THE_WAY}
    talk = Talk(tmp_path / "talk.wav", utterances=8)
    assert stack.ask("start", sources=[talk.source])["ok"]
    stack.until(lambda: stack.events("transcript-final"), what="the first words")
    for service in ON_THE_WAY:
        killed = stack.pid(service)
        os.kill(killed, signal.SIGKILL)
        back(stack, {service: killed}, within_s=10.0)
        stack.wait_ready(ON_THE_WAY)
    assert session_of(stack)["state"] == "running", "somebody still speaks"

    frozen = {service: stack.pid(service) for service in ON_THE_WAY}
    for pid in frozen.values():
        os.kill(pid, signal.SIGSTOP)
    back(stack, frozen, within_s=20.0)
    stack.until(lambda: not stack.ask("status")["sessions"], 30.0, "the end of the session")
    assert [event["reason"] for event in stack.events("session-status")][-1] == "source-ended"
    assert numbers(stack.events("transcript-final")) == talk.numbers
    assert stack.events("gap") == []
    assert {service: psutil.Process(stack.pid(service)).ppid() for service in ON_THE_WAY} == parents
    assert supervised.all_are("RUNNING"), "supervisor has noticed nothing"


def test_what_is_killed_comes_back_a_shutdown_lasts_and_a_stop_is_a_stop(supervised):
    stack = supervised.stack
    stack.until(lambda: supervised.all_are("RUNNING"), within_s=20.0)
    for service in ("broker", "control"):
        worker = stack.pid(service)
        os.kill(
            supervised.pid(service), signal.SIGKILL
        )  # the parent: its worker ends in order, and lets the next one in
        back(stack, {service: worker}, within_s=20.0)
    stack.until(lambda: shown(stack) == 200, within_s=20.0, what="the page")
    killed = supervised.pid("web")
    os.kill(killed, signal.SIGKILL)
    stack.until(lambda: supervised.pid("web") not in (0, killed), within_s=20.0)
    stack.until(lambda: supervised.all_are("RUNNING"), within_s=20.0, what="all parents are back")
    stack.until(lambda: shown(stack) == 200, within_s=20.0, what="the page is back")
    stack.wait_ready(SERVICES)
    others = {name: stack.pid(name) for name in SERVICES - {"control"}}
    supervised.ctl("restart", "control")
    stack.wait_ready(SERVICES)
    assert {name: stack.pid(name) for name in SERVICES - {"control"}} == others, "its end is not theirs"

    assert stack.ask("shutdown")["ok"]
    stack.until(lambda: supervised.all_are("EXITED"), what="all have ended for good")
    assert "not expected" not in stack.log().rpartition("waiting for control to stop")[2]

    supervised.ctl("start", "broker", "capture", "control")
    stack.wait_ready(["broker", "capture", "control"])
    assert supervised.stop() == 0
    assert stack.leftovers() == []
    assert "Traceback" not in supervised.logs()
    assert "killing" not in supervised.logs(), "all ended by themselves in time"


def test_the_programs_differ_in_command_and_priority_only():
    parser = RawConfigParser(inline_comment_prefixes=None)
    parser.read(CONFIGURATION)
    sections = {name.partition(":")[2]: dict(parser[name]) for name in parser.sections() if name.startswith("program:")}
    assert set(sections) == PROGRAMS
    own = {"command", "priority", "stdout_logfile", "process_name", "numprocs", "numprocs_start"}
    common = [{key: value for key, value in section.items() if key not in own} for section in sections.values()]
    assert all(one == common[0] for one in common)
    with (ROOT / "pyproject.toml").open("rb") as file:
        scripts = tomllib.load(file)["project"]["scripts"]
    for section in sections.values():
        command, *arguments = section["command"].split()
        assert command in scripts
        assert "--no-respawn" not in arguments, "its parent would be missing, which ends a frozen worker"


def test_a_service_that_cannot_start_is_tried_again_for_ever():
    parser = RawConfigParser(inline_comment_prefixes=None)
    parser.read(CONFIGURATION)
    tries = {int(parser[name]["startretries"]) for name in parser.sections() if name.startswith("program:")}
    waited_s = min(tries) * (min(tries) + 1) // 2  # a second longer before each
    assert waited_s > 10 * A_YEAR_S
