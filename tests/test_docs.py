"""The pages for people: every link leads somewhere, every page is found, and what they repeat from the code is so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "bench").rglob("*.md")]
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(\s*([^)\s]+)\)|<img src=\"([^\"]+)\"")


def links(page: Path) -> list[str]:
    """What a page points to within the project."""
    found = [one or other for one, other in LINK.findall(CODE.sub("", page.read_text("utf-8")))]
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """What stands behind `#` in links to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, heading = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not heading or heading in anchors(target), link


def test_the_index_has_every_page_and_the_readme_the_index() -> None:
    index = DOCS / "index.md"
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in links(index)}
    assert set(DOCS.rglob("*.md")) - linked == {index}
    assert "docs/index.md" in links(ROOT / "README.md")


def test_the_tests_that_show_a_promise_are_there() -> None:
    named = re.findall(r"`((?:\w+/)*test_\w+\.py|live/\w+)`", (DOCS / "reliability.md").read_text("utf-8"))
    assert len(named) > 30
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []


def test_the_unit_of_the_page_starts_all_of_the_procfile_but_the_console() -> None:
    page = (DOCS / "how-to" / "run-as-a-service.md").read_text("utf-8")
    unit = RawConfigParser()
    unit.read_string(re.findall(r"```ini\n(\[Unit\].*?)```", page, re.DOTALL)[0])
    started = unit["Service"]["ExecStart"].partition("/Procfile ")[2].split()
    procfile = [line.partition(":")[0] for line in (ROOT / "Procfile").read_text("utf-8").splitlines()]
    assert sorted([*started, "console"]) == sorted(procfile)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="not installed: systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit_of_the_page(tmp_path: Path) -> None:
    page = (DOCS / "how-to" / "run-as-a-service.md").read_text("utf-8")
    unit = tmp_path / "causal.service"
    unit.write_text(re.findall(r"```ini\n(\[Unit\].*?)```", page, re.DOTALL)[0])
    honcho = tmp_path / "causal" / ".venv" / "bin" / "honcho"
    honcho.parent.mkdir(parents=True)
    honcho.touch(mode=0o755)
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(unit)],
        env=os.environ | {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_section_of_the_page_is_as_those_of_supervisords_configuration() -> None:
    page = (DOCS / "how-to" / "run-as-a-service.md").read_text("utf-8")
    ours = RawConfigParser()
    ours.read(ROOT / "config" / "supervisord.conf")
    shown = RawConfigParser()
    shown.read_string(re.findall(r"```ini\n(\[program:sqlite\].*?)```", page, re.DOTALL)[0])
    sqlite, jsonl = dict(shown["program:sqlite"]), dict(ours["program:jsonl"])
    assert {key: value.replace("jsonl", "sqlite") for key, value in jsonl.items()} == sqlite
