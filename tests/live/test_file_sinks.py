"""Sinks that write files and databases, as processes: killed while they write, read while they write."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import srt

from causal.messages import SessionStatus, TranscriptFinal
from causal.testing.one_loop import OneLoop
from causal.testing.small_disk import SmallDisk
from causal.testing.stack import Stack

pytestmark = pytest.mark.live

ROUNDS = 4
FINALS = 60
"""Of each round."""


@pytest.fixture
def stack(procfile: Path) -> Iterator[Stack]:
    with Stack(procfile, ["broker", "control"]) as running:
        yield running


def final(number: int, session: str = "s") -> TranscriptFinal:
    return TranscriptFinal(
        session=session,
        source="mic",
        turn=str(number),
        revision=0,
        text=f"Number {number}.",
        start_ms=number * 2000,
        end_ms=number * 2000 + 1500,
        started_at="2026-01-31T12:00:00.000Z",
    )


def status(state: str, session: str = "s") -> SessionStatus:
    return SessionStatus(session=session, label="", state=state, sources=("mic",))  # type: ignore[arg-type]


def kill_worker(stack: Stack, sink: str) -> None:
    def find() -> int:
        return next((pid for name, pid in stack.alive().items() if name.startswith(f"sink.{sink}-")), 0)

    with contextlib.suppress(ProcessLookupError):
        os.kill(stack.until(find, what=f"a sink {sink}"), signal.SIGKILL)


def publish_and_kill(stack: Stack, publisher: OneLoop, sink: str) -> None:
    for first in range(0, ROUNDS * FINALS, FINALS):
        half = first + FINALS // 2
        publisher.publish(*map(final, range(first, half)))
        kill_worker(stack, sink)
        publisher.publish(*map(final, range(half, first + FINALS)))


@contextlib.contextmanager
def read_all_the_time(look: Callable[[], object]) -> Iterator[None]:
    """Another program that looks, again and again. Raises what it raised."""
    errors: list[BaseException] = []
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.003):
            try:
                look()
            except BaseException as error:
                errors.append(error)
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if errors:
        raise errors[0]


def numbers(path: Path) -> list[str]:
    """What the subtitles say; raises for a file that is not whole."""
    if not path.exists():
        return []
    return [subtitle.content for subtitle in srt.parse(path.read_text("utf-8"), ignore_errors=False)]


def test_a_file_is_whole_at_every_moment_however_often_its_writer_is_killed(
    stack: Stack, publisher: OneLoop, tmp_path: Path
) -> None:
    path = tmp_path / "s.srt"
    lengths = [0]

    def look() -> None:
        found = numbers(path)
        assert found == [f"Number {n}." for n in range(len(found))]
        assert len(found) >= lengths[-1]  # never shorter than before
        lengths.append(len(found))

    stack.launch("causal-sink", "srt", "--out", f"{tmp_path}/", "--from", "start")
    publisher.publish(status("running"))
    with read_all_the_time(look):
        publish_and_kill(stack, publisher, "srt")
        stack.until(lambda: len(numbers(path)) == ROUNDS * FINALS)
    publisher.publish(status("ended"))


def test_a_database_misses_nothing_and_repeats_nothing_and_is_read_meanwhile(
    stack: Stack, publisher: OneLoop, tmp_path: Path
) -> None:
    path = tmp_path / "t.sqlite"

    def count() -> int:
        if not path.exists():
            return 0
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
            try:
                return int(db.execute("SELECT count(*) FROM finals").fetchone()[0])
            except sqlite3.OperationalError as error:
                if "no such table" in str(error) or "unable to open" in str(error):
                    return 0  # it is being made
                raise

    stack.launch("causal-sink", "sqlite", "--out", str(path), "--from", "start")
    with read_all_the_time(count):
        publish_and_kill(stack, publisher, "sqlite")
        stack.until(lambda: count() == ROUNDS * FINALS)
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT turn FROM finals ORDER BY start_ms").fetchall() == [
            (str(n),) for n in range(ROUNDS * FINALS)
        ]
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.execute("INSERT INTO finals_text (finals_text) VALUES ('integrity-check')")


def test_a_sink_that_comes_and_goes_in_the_middle_of_a_session_goes_on(
    stack: Stack, publisher: OneLoop, tmp_path: Path
) -> None:
    path = tmp_path / "s.srt"
    publisher.publish(status("running"), final(0))
    for number in (1, 2):
        sink = stack.launch("causal-sink", "srt", "--out", str(path), "--from", "start")
        stack.until(lambda n=number: len(numbers(path)) == n)
        publisher.publish(final(number))
        stack.until(lambda n=number: len(numbers(path)) == n + 1)
        sink.send_signal(signal.SIGTERM)
        assert sink.wait(20.0) == 0
    assert numbers(path) == ["Number 0.", "Number 1.", "Number 2."]


def test_a_folder_that_may_not_be_written_is_a_clear_error_and_stops_nobody(
    stack: Stack, publisher: OneLoop, tmp_path: Path
) -> None:
    missing = tmp_path / "missing" / "s.txt"
    stack.launch("causal-sink", "txt", "--out", str(missing), "--from", "start")
    stack.launch("causal-sink", "txt", "--out", str(tmp_path / "s.txt"), "--from", "start")
    publisher.publish(status("running"), final(0))

    def fault() -> str:
        return next((view["fault"]["message"] for view in stack.ask("status")["services"] if view["fault"]), "")

    assert f"{missing.parent}: No such file or directory" in stack.until(fault)
    stack.until((tmp_path / "s.txt").exists)
    missing.parent.mkdir()
    stack.until(missing.exists)
    stack.until(lambda: not fault())


def test_a_read_only_disk_is_told_by_every_sink_and_disturbs_no_other(
    stack: Stack, publisher: OneLoop, tmp_path: Path
) -> None:
    outputs = {"txt": "s.txt", "srt": "s.srt", "jsonl": "t.jsonl", "sqlite": "t.sqlite"}

    def faults() -> dict[str, tuple[str, str]]:
        views = [view for view in stack.ask("status")["services"] if view["fault"]]
        return {
            view["status"]["instance"].partition("-")[0]: (view["fault"]["code"], view["fault"]["message"])
            for view in views
        }

    with SmallDisk(tmp_path / "disk", 4) as disk:
        if disk.missing:
            pytest.skip(disk.missing)
        disk.allow_writing(False)
        for name, file in outputs.items():
            stack.launch("causal-sink", name, "--out", str(disk.folder / file), "--from", "start")
        stack.launch("causal-sink", "jsonl", "--out", str(tmp_path / "beside.jsonl"), "--from", "start")
        publisher.publish(status("running"), final(0))
        stack.until(lambda: len(stack.events("transcript-final", tmp_path / "beside.jsonl")) == 1)
        stack.until(lambda: faults().keys() == outputs.keys(), 20.0)
        for name, (code, message) in faults().items():
            assert code == "permission-denied"
            assert message == f"the sink {name} cannot write: {disk.folder}/{message.rpartition('/')[2]}"
            assert message.endswith(": Read-only file system")
        disk.allow_writing(True)
        publisher.publish(final(1))
        for file in outputs.values():
            stack.until((disk.folder / file).exists, 20.0)
        stack.until(lambda: numbers(disk.folder / "s.srt") == ["Number 0.", "Number 1."], 20.0)
        stack.until(lambda: len(stack.events("transcript-final", disk.folder / "t.jsonl")) == 2, 20.0)
        stack.until(lambda: not faults(), 20.0)
        stack.stop()


def test_what_the_sink_has_written_is_found(stack: Stack, publisher: OneLoop) -> None:
    stack.launch("causal-sink", "sqlite", "--from", "start")
    publisher.publish(status("running"), *map(final, range(3)))
    found = stack.until(lambda: stack.ctl("search", "number", "2").stdout)
    assert found.endswith("s  mic: [Number] [2].\n")


def test_export_is_the_same_by_the_command_and_by_the_controller(stack: Stack, publisher: OneLoop) -> None:
    publisher.publish(status("running"), *map(final, range(250)))
    for kind in ("txt", "md", "srt", "vtt", "json", "csv"):
        told = subprocess.run(
            ["causal-ctl", "export", "s", "--format", kind],
            env=stack.environment,
            capture_output=True,
            timeout=20,
            check=True,
        )
        assert told.stdout.decode() == stack.ask("export", 10.0, session="s", format=kind)["text"]
        assert "Number 249." in told.stdout.decode()
    refused = stack.ask("export", 10.0, session="nobody", format="txt")["error"]
    assert (refused["code"], refused["message"]) == ("unknown-session", "there is no session 'nobody'")
    assert stack.ctl("export", "nobody").returncode == 1


def test_an_export_answers_in_time_while_the_controller_goes_on(stack: Stack, publisher: OneLoop) -> None:
    publisher.publish(status("running"), final(0))
    broker = psutil.Process(stack.pid("broker"))
    broker.suspend()  # it hangs; its parent will notice
    with pytest.raises(TimeoutError):
        stack.ask("export", 0.5, session="s", format="txt")
    assert stack.ask("sessions")["ok"]
    assert broker.status() == psutil.STATUS_STOPPED, "answered while it hung"
    stack.until(lambda: stack.ctl("export", "s").returncode == 0, within_s=20.0)
