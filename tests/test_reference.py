"""docs/reference/commands.md and settings.md say what the commands and the settings are."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from causal.settings import KINDS

ROOT = Path(__file__).parents[1]
PAGES: dict[Path, str] = runpy.run_path(str(ROOT / "scripts" / "reference.py"))["pages"]()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_is_what_the_code_says(path: Path) -> None:
    assert path.read_text("utf-8") == PAGES[path], "write it anew: python scripts/reference.py"


def test_every_setting_is_told() -> None:
    (text,) = (text for path, text in PAGES.items() if path.stem == "settings")
    assert [name for name in KINDS if f"* `{name} = " not in text] == []


@pytest.mark.parametrize("option", ["--keyterm WORD", "--no-respawn", "--wheel PATH", "--batch N", "--port N"])
def test_an_option_of_each_kind_of_command_is_told(option: str) -> None:
    (text,) = (text for path, text in PAGES.items() if path.stem == "commands")
    assert f"* `{option}` - " in text
