"""Sinks as processes: killed, stopped, unread and out of room, beside a real broker."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from causal.messages import Gap
from causal.testing.one_loop import OneLoop
from causal.testing.stack import Stack

pytestmark = pytest.mark.live


@pytest.fixture
def stack(procfile: Path) -> Iterator[Stack]:
    """A broker and a controller; each test brings its sinks."""
    with Stack(procfile, ["broker", "control"]) as running:
        yield running


def gap(n: int) -> Gap:
    return Gap(session="s", source="mic", start_ms=n, length_ms=10, reason=f"n{n}.")


def told(path: Path) -> list[int]:
    """The numbers of the gaps in a file of the jsonl sink."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line)["start_ms"] for line in lines]


def shown(stack: Stack) -> list[int]:
    """The numbers of the gaps that a console has printed."""
    return [int(number) for number in re.findall(r"n(\d+)\.", stack.log(10_000))]


def worker(stack: Stack, sink: str) -> int:
    """The pid of a sink's worker, once it is known to the controller."""

    def find() -> int:
        return next((pid for name, pid in stack.alive().items() if name.startswith(f"sink.{sink}-")), 0)

    return stack.until(find, what=f"a sink {sink}")


def queues(stack: Stack, sink: str) -> dict[str, Any]:
    """What `status` says of all that waits in a sink."""
    statuses = [view["status"] for view in stack.ask("status")["services"] if view["alive"]]
    return next((dict(one["queues"]) for one in statuses if one["instance"].startswith(f"{sink}-")), {})


def test_every_sink_tells_what_it_holds(stack: Stack) -> None:
    stack.launch("causal-sink", "console")
    stack.launch("causal-sink", "web")
    stack.launch("causal-sink", "jsonl", "--out", "-")
    expected = {"console": {"held", "output"}, "jsonl": {"held", "output"}, "web": {"held", "events", "pages"}}
    for sink, names in expected.items():
        stack.until(lambda s=sink, n=names: set(queues(stack, s)) == n, what=f"the queues of {sink}")
    assert [queues(stack, sink)[name]["capacity"] for sink, name in (("console", "output"), ("web", "events"))] == [
        1000,
        10_000,
    ]


def test_a_jsonl_sink_that_is_killed_again_and_again_misses_nothing_and_repeats_nothing(
    stack: Stack, publisher: OneLoop, tmp_path: Path
) -> None:
    path = tmp_path / "t.jsonl"
    stack.launch("causal-sink", "jsonl", "--out", str(path), "--from", "start")
    for n in range(0, 300, 60):
        pid = worker(stack, "jsonl")
        publisher.publish(*map(gap, range(n, n + 30)))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        publisher.publish(*map(gap, range(n + 30, n + 60)))
        stack.until(lambda n=n: len(told(path)) >= n + 60)
    assert told(path) == list(range(300))


def test_a_killed_broker_costs_a_sink_nothing(stack: Stack, publisher: OneLoop, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    stack.launch("causal-sink", "jsonl", "--out", str(path), "--from", "start")
    worker(stack, "jsonl")
    for n in range(0, 90, 30):
        publisher.publish(*map(gap, range(n, n + 15)))
        os.kill(stack.pid("broker"), signal.SIGKILL)
        publisher.publish(*map(gap, range(n + 15, n + 30)))
    stack.until(lambda: len(told(path)) >= 90)
    assert told(path) == list(range(90))


def test_a_console_that_is_killed_goes_on_where_it_was(stack: Stack, publisher: OneLoop) -> None:
    stack.launch("causal-sink", "console")
    pid = worker(stack, "console")
    stack.until(lambda: list(stack.paths.runtime.glob("sink-console.*.place")))
    publisher.publish(gap(1))
    stack.until(lambda: shown(stack) == [1])
    os.kill(pid, signal.SIGKILL)
    publisher.publish(gap(2))
    stack.until(lambda: 2 in shown(stack))
    publisher.publish(gap(3))
    stack.until(lambda: 3 in shown(stack))
    assert shown(stack) == [1, 2, 3]


def test_a_sink_that_is_stopped_ends_well_and_leaves_nothing_but_its_file(
    stack: Stack, publisher: OneLoop, tmp_path: Path
) -> None:
    path = tmp_path / "t.jsonl"
    sink = stack.launch("causal-sink", "jsonl", "--out", str(path), "--from", "start")
    publisher.publish(gap(1))
    stack.until(lambda: told(path))
    sink.send_signal(signal.SIGTERM)
    publisher.publish(gap(2))  # still heard
    assert sink.wait(6.0) == 0
    assert told(path) == [1, 2]
    assert list(stack.paths.runtime.glob("sink-*")) == []


def test_a_second_sink_on_a_file_is_refused_at_once(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    stack.launch("causal-sink", "jsonl", "--out", str(path))
    worker(stack, "jsonl")
    second = subprocess.run(
        ["causal-sink", "jsonl", "--out", str(path)],
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert second.returncode == 2
    assert f"another sink writes {path}" in second.stderr


def test_a_folder_that_cannot_be_written_is_shown_in_status_and_tried_again(
    stack: Stack, publisher: OneLoop, tmp_path: Path
) -> None:
    path = tmp_path / "later" / "t.jsonl"
    stack.launch("causal-sink", "jsonl", "--out", str(path), "--from", "start")
    publisher.publish(gap(1))

    def fault() -> str:
        return next((view["fault"]["message"] for view in stack.ask("status")["services"] if view["fault"]), "")

    assert f"{path}: No such file or directory" in stack.until(fault)
    path.parent.mkdir()
    stack.until(lambda: told(path) == [1])
    stack.until(lambda: not fault())


def test_a_reader_that_has_enough_ends_the_sink_quietly(stack: Stack, publisher: OneLoop) -> None:
    publisher.publish(gap(1))
    command = "causal-sink jsonl --out - --from start | head -n 1"
    with subprocess.Popen(
        command, shell=True, env=stack.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as pipeline:
        assert pipeline.stdout is not None
        assert json.loads(pipeline.stdout.readline())["start_ms"] == 1
        publisher.publish(gap(2))  # nobody is left to read it
        assert pipeline.wait(10.0) == 0
        assert pipeline.stderr is not None
        assert pipeline.stderr.read() == ""


def test_a_reader_that_does_not_read_stops_no_heart_and_loses_no_line(stack: Stack, publisher: OneLoop) -> None:
    """A pager does so. The parent kills a worker that is silent for 5 s: this one must not be."""
    for n in range(0, 5000, 500):
        publisher.publish(*map(gap, range(n, n + 500)))
    with subprocess.Popen(
        ["causal-sink", "console", "--from", "start"], env=stack.environment, stdout=subprocess.PIPE, text=True
    ) as sink:
        pid = worker(stack, "console")
        stack.until(
            lambda: any(view["fault"] for view in stack.ask("status")["services"]), what="that the output is full"
        )
        stack.until(lambda: queues(stack, "console")["output"]["depth"] == 1000, what="that it says so")
        full_s = time.monotonic()
        stack.until(lambda: time.monotonic() - full_s > 6.0, within_s=8.0)
        assert worker(stack, "console") == pid
        assert sink.stdout is not None
        numbers = [int(re.findall(r"n(\d+)\.", sink.stdout.readline())[0]) for _ in range(5000)]
        sink.terminate()
    assert numbers == list(range(5000))
