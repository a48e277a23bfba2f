"""docs/how-to/write-a-sink.md, as it stands there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from causal.messages import TranscriptFinal
from causal.testing.one_loop import OneLoop
from causal.testing.stack import Stack

pytestmark = pytest.mark.live

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-sink.md"


def block(language: str) -> str:
    """The only block of a language."""
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(text)


def install(folder: Path) -> None:
    """What pip leaves: the module, and its names."""
    project = tomllib.loads(block("toml"))["project"]
    (folder / "mentions.py").write_text(block("python"), "utf-8")
    info = folder / f"causal_mentions-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in names.items())
        for group, names in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))


def final(text: str) -> TranscriptFinal:
    return TranscriptFinal(
        session="s",
        source="mic",
        turn=text,
        revision=0,
        text=text,
        start_ms=0,
        end_ms=900,
        started_at="2026-01-31T12:00:00.000Z",
    )


def test_the_sink_of_the_page_works(procfile: Path, tmp_path: Path) -> None:
    install(tmp_path)
    environment = {"PYTHONPATH": str(tmp_path)}
    with Stack(procfile, ["broker", "control"], environment=environment) as stack, OneLoop(stack.paths) as publisher:
        publisher.publish(final("Ask Ada."), final("Nobody else."))
        stack.launch("causal-sink", "mentions", "--name", "Ada", "--from", "start")
        mentions = stack.paths.data / "mentions.txt"
        stack.until(lambda: mentions.exists() and mentions.read_text() == "2026-01-31T12:00:00.000Z mic: Ask Ada.\n")


def test_it_is_about_as_short_as_the_page_says() -> None:
    assert len([line for line in block("python").splitlines() if line.strip()]) <= 22
