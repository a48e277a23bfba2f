"""A key that is looked for while the controller works; time is a number."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from causal.control.engine_choice import Key
from causal.control.key_search import WITHIN_S, KeySearch
from causal.errors import CausalError
from causal.testing.waiting import until


class Keyring:
    """Answers when it is unlocked."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.unlocked = threading.Event()
        self.answer: Callable[[], str | None] = lambda: "k"

    def find(self) -> str | None:
        self.unlocked.wait(30)
        return self.answer()

    def search(self) -> KeySearch:
        return KeySearch(self.find, lambda: self.now_s)


@pytest.fixture
def keyring() -> Iterator[Keyring]:
    keyring = Keyring()
    yield keyring
    keyring.unlocked.set()


def test_it_is_coming_until_the_keyring_answers(keyring: Keyring) -> None:
    search = keyring.search()
    assert search.known() == Key(coming=True)
    keyring.unlocked.set()
    until(lambda: search.known() == Key("k"))


def test_a_keyring_without_a_key_is_no_problem(keyring: Keyring) -> None:
    keyring.answer = lambda: None
    keyring.unlocked.set()
    search = keyring.search()
    until(lambda: search.known() == Key())


def test_a_keyring_that_waits_for_its_owner_is_told_once_and_its_key_taken_when_it_comes(
    keyring: Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    search = keyring.search()
    keyring.now_s += WITHIN_S
    for _ in range(3):
        problem = search.known().problem
        assert problem is not None and "does not answer" in problem.message
        assert "look for a window" in problem.hint and "export ASSEMBLYAI_API_KEY" in problem.hint
    assert len(caplog.records) == 1
    keyring.unlocked.set()
    until(lambda: search.known() == Key("k"))


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (CausalError("permission-denied", "it is locked", "Unlock it"), "it is locked. Unlock it"),
        (ZeroDivisionError("with the key in it"), "the system's keyring cannot be asked: ZeroDivisionError"),
    ],
)
def test_why_a_keyring_cannot_be_read_is_told_without_what_nobody_may_see(
    keyring: Keyring, raised: Exception, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> str:
        raise raised

    keyring.answer = fail
    keyring.unlocked.set()
    search = keyring.search()
    until(lambda: not search.known().coming)
    assert told in str(search.known().problem)
    assert "with the key in it" not in str(search.known().problem) + caplog.text
