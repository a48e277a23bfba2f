"""The stack under supervisor, with the configuration that is shipped."""

import os
import signal
import subprocess
import tomllib
import urllib.request
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path

import pytest

from causal.control import page_link
from causal.errors import CausalError
from causal.testing.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.name != "posix", reason="supervisor is for Unix")]

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "config/supervisord.conf"
SERVICES = {"broker", "capture", "control", "engine", "resample", "stt"}
PROGRAMS = {*SERVICES, "jsonl", "web"}


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
    with Stack(procfile, []) as stack:
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


def test_what_is_killed_comes_back_a_shutdown_lasts_and_a_stop_is_a_stop(supervised):
    stack = supervised.stack
    stack.until(lambda: supervised.all_are("RUNNING"), within_s=20.0)
    for service in ("broker", "control"):
        killed = stack.pid(service)
        assert killed == supervised.pid(service), "no parent stands between"
        os.kill(killed, signal.SIGKILL)
        stack.until(lambda s=service, k=killed: supervised.pid(s) not in (0, k), what=f"{service} is back")
    stack.until(lambda: shown(stack) == 200, within_s=20.0, what="the page")
    os.kill(supervised.pid("web"), signal.SIGKILL)
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
        assert "--no-respawn" in arguments
