"""The screen, seen by a small terminal."""

from __future__ import annotations

import random
import re

import pytest

from causal.screen import Screen, clean, head, tail, width_of, wrapped

PIECE = re.compile(r"\x1b\[(\d*)([A-Zm])|(\r)|(\n)|(.)", re.DOTALL)


class Terminal:
    """As much of a terminal as the screen uses: rows, a cursor, wrapping at the last column, clearing."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows: list[list[str]] = [[]]
        self.row = self.column = 0

    def write(self, text: str) -> None:
        for number, command, carriage, newline, char in PIECE.findall(text):
            if command == "A":
                self.row -= int(number)
                assert self.row >= 0, "the cursor left the screen"
            elif command == "K":
                del self.rows[self.row][self.column :]
            elif command == "J":
                del self.rows[self.row][self.column :]
                del self.rows[self.row + 1 :]
            elif carriage:
                self.column = 0
            elif newline:
                self._down()
            elif char:
                self._put(char)

    def lines(self) -> list[str]:
        return ["".join(row) for row in self.rows]

    def _put(self, char: str) -> None:
        columns = width_of(char)
        if columns == 0:
            self.rows[self.row][self.column - 1] += char
            return
        if self.column + columns > self.width:
            self._down()
        row = self.rows[self.row]
        row.extend(" " * (self.column + columns - len(row)))
        row[self.column : self.column + columns] = [char] + [""] * (columns - 1)
        self.column += columns

    def _down(self) -> None:
        self.row += 1
        self.column = 0
        if self.row == len(self.rows):
            self.rows.append([])


def test_lines_stay_above_what_changes() -> None:
    terminal, screen = Terminal(20), Screen()
    terminal.write(screen.show([], ["mic  so"], 20))
    terminal.write(screen.show([], ["mic  so it", "sys  hello"], 20))
    terminal.write(screen.show(["mic  So it is."], ["sys  hello w"], 20))
    assert terminal.lines() == ["mic  So it is.", "sys  hello w"]


def test_a_long_line_that_stays_is_wrapped_and_hides_nothing() -> None:
    terminal, screen = Terminal(10), Screen()
    terminal.write(screen.show([], ["one", "two", "three"], 10))
    terminal.write(screen.show(["a" * 20, "b"], ["one"], 10))
    assert terminal.lines() == ["a" * 10, "a" * 10, "b", "one"]


def test_nothing_is_written_when_nothing_changes() -> None:
    screen = Screen()
    screen.show([], ["one"], 10)
    assert screen.show([], ["one"], 10) == ""


def test_at_the_end_nothing_unfinished_is_left() -> None:
    terminal, screen = Terminal(10), Screen()
    terminal.write(screen.show(["done"], ["one", "two"], 10))
    terminal.write(screen.show([], [], 10))
    assert terminal.lines() == ["done", ""]
    assert terminal.column == 0


def test_what_a_narrower_terminal_has_wrapped_is_taken_away_too() -> None:
    terminal, screen = Terminal(12), Screen()
    terminal.write(screen.show(["done"], ["one is long", "two"], 12))
    narrow = Terminal(6)
    narrow.write("done\none is long\ntwo")
    narrow.write(screen.show([], ["one"], 6))
    assert narrow.lines() == ["done", "one"]


def test_nothing_is_cleared_before_it_is_written_anew() -> None:
    screen = Screen()
    screen.show([], ["one", "two"], 10)
    text = screen.show([], ["one!", "two!"], 10)
    assert text.index("one!") < text.index("\x1b[K")
    assert "\x1b[J" not in text


@pytest.mark.parametrize("seed", range(50))
def test_whatever_is_shown_the_terminal_has_all_lines_and_the_newest_bottom(seed: int) -> None:
    chance = random.Random(seed)
    width = chance.randint(4, 30)
    terminal, screen = Terminal(width), Screen()
    stayed: list[str] = []
    for _ in range(40):
        lines = ["x" * chance.randint(1, 60) for _ in range(chance.choice([0, 0, 1, 3]))]
        bottom = [chance.choice("ab字") * chance.randint(1, (width - 1) // 2) for _ in range(chance.randint(0, 4))]
        stayed += [line[i : i + width] for line in lines for i in range(0, len(line), width)]
        terminal.write(screen.show(lines, bottom, width))
        assert terminal.lines() == stayed + (bottom or [""])


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("字幕", 4), ("e\u0301", 1), ("\x1b[31mred\x1b[0m", 3), ("", 0), ("a\u200db", 2)],
)
def test_width_is_counted_in_columns(text: str, columns: int) -> None:
    assert width_of(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("words", 5, "words"),
        ("many words", 6, "…words"),
        ("字幕字幕", 6, "…字幕"),
        ("abe\u0301", 2, "…e\u0301"),
        ("字", 1, "…"),
        ("abc", 0, ""),
    ],
)
def test_the_end_of_a_text_is_kept(text: str, columns: int, shown: str) -> None:
    assert tail(text, columns) == shown
    assert width_of(shown) <= max(columns, 0)


def test_a_text_cannot_steer_the_terminal() -> None:
    assert clean("a\x1b[2Jb\r\nc\u202ed\x9b") == "a [2Jb  c d "
    assert clean("می\u200cخواهم") == "می\u200cخواهم"


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [("short", 5, "short"), ("longer", 5, "long…"), ("字幕字", 5, "字幕…"), ("字幕字", 4, "字…"), ("ab", 0, "")],
)
def test_the_head_of_a_text_fits(text: str, columns: int, expected: str) -> None:
    assert head(text, columns) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("one two", ["one two"]),
        ("12:00 one two three", ["12:00 one", "  two", "  three"]),
        ("unbreakable-word", ["unbreakabl", "  e-word"]),
        ("字幕字幕字幕字", ["字幕字幕字", "  幕字"]),
        ("          far", ["          ", "  far"]),
    ],
)
def test_a_long_text_is_wrapped_at_blanks(text: str, expected: list[str]) -> None:
    assert wrapped(text, 10, 2) == expected


def test_wrapped_rows_fit_and_lose_nothing_but_blanks() -> None:
    chance = random.Random(11)
    for _ in range(300):
        text = "".join(chance.choice("ab 字e\u0301") for _ in range(chance.randrange(60)))
        rows = wrapped(text, 12, 3)
        assert all(width_of(row) <= 12 for row in rows)
        assert "".join(rows).replace(" ", "") == text.replace(" ", "")
