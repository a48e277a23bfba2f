"""The key and its places; the keyring is one that keeps its passwords in a file and needs no desktop."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import keyring
import pytest
from click.testing import CliRunner, Result
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked
from keyrings.alt.file import PlaintextKeyring

from causal.control import key
from causal.control.cli import main
from causal.errors import CausalError

KEY = "0123456789abcdef0123456789abcdef"
WITHIN_S = 20.0


class Locked(KeyringBackend):
    """A keyring whose owner does not unlock it."""

    priority = 1

    def get_password(self, service: str, username: str) -> str:
        raise KeyringLocked("it is locked")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked("it is locked")


class Broken(Locked):
    """One that fails with an error of its own, which tells too much."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError(f"cannot store {password}")


@pytest.fixture(autouse=True)
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[KeyringBackend], None]:
    """Puts a keyring in place of the user's: to begin with an empty file."""
    file = PlaintextKeyring()
    monkeypatch.setattr(PlaintextKeyring, "file_path", str(tmp_path / "keys.cfg"))
    monkeypatch.delenv(key.VARIABLE, raising=False)
    former = keyring.get_keyring()
    monkeypatch.setattr(keyring.core, "_keyring_backend", former)
    keyring.set_keyring(file)
    return keyring.set_keyring


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, ["key", *arguments], input=typed)


def test_a_key_is_kept_told_by_its_place_found_and_taken_away() -> None:
    assert run("set", typed=f" {KEY}\n").exit_code == 0
    assert key.find({}) == KEY
    assert run("show").stdout == "keyring (file PlaintextKeyring)\n"
    assert run("delete").exit_code == 0
    assert key.find({}) is None


def test_nothing_that_is_printed_has_the_key_in_it() -> None:
    said = [run(*words, typed=f"{KEY}\n").output for words in (("set",), ("show",), ("set", "--json"), ("delete",))]
    assert all(said)
    assert not any(KEY in text for text in said)


def test_the_variable_comes_first_and_set_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "comes first" not in run("set", typed=KEY).stderr
    monkeypatch.setenv(key.VARIABLE, "another")
    assert "comes first" in run("set", typed=KEY).stderr
    assert key.find() == "another"
    assert run("show").stdout == "environment (ASSEMBLYAI_API_KEY)\n"


def test_without_a_key_show_says_how_to_give_one() -> None:
    result = run("show")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no AssemblyAI key. causal-ctl key set" in result.stderr


def test_nothing_to_delete_is_told() -> None:
    result = run("delete")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no key in the keyring (file PlaintextKeyring)" in result.stderr


@pytest.mark.parametrize("typed", ["", "\n", "two words", '"quoted"', "schlüssel", "tab\tin it", "\x1b[A"])
def test_what_cannot_be_a_key_is_refused_without_being_shown(typed: str) -> None:
    result = run("set", typed=typed)
    assert result.exit_code == 1
    assert "Copy the key alone" in result.stderr
    assert not typed.strip() or typed not in result.output
    assert key.find({}) is None


def test_without_a_keyring_the_hint_names_two_ways(use: Callable[[KeyringBackend], None]) -> None:
    use(NoKeyring())
    result = run("set", typed=KEY)
    assert result.exit_code == 1
    assert "no keyring runs for this user. Start one" in result.stderr
    assert "export ASSEMBLYAI_API_KEY" in result.stderr
    assert key.find({}) is None


def test_without_the_package_the_hint_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    result = run("set", typed=KEY)
    assert result.exit_code == 1
    assert "-m pip install keyring" in result.stderr


def test_a_keyring_that_is_locked_is_told(use: Callable[[KeyringBackend], None]) -> None:
    use(Locked())
    assert "cannot be read: it is locked. Unlock it" in run("show").stderr
    assert "cannot be written to: it is locked. Unlock it" in run("set", typed=KEY).stderr
    with pytest.raises(CausalError, match="it is locked"):
        key.find({})


def test_an_error_of_a_keyring_does_not_tell_the_key(use: Callable[[KeyringBackend], None]) -> None:
    use(Broken())
    with pytest.raises(CausalError, match="cannot be written to: RuntimeError") as caught:
        key.keep(KEY)
    assert KEY not in str(caught.value)


def test_the_key_as_an_argument_is_wrong_usage() -> None:
    assert run("set", KEY).exit_code == 2
    assert key.find({}) is None


def test_on_a_terminal_it_is_asked_for_and_not_shown(tmp_path: Path) -> None:
    ours, theirs = pytest.importorskip("pty").openpty()
    environment = os.environ | {
        "PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring",
        "XDG_DATA_HOME": str(tmp_path),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", "from causal.control.cli import main; main()", "key", "set"],
        env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen = read_until(ours, "not shown): ")
    os.write(ours, f"{KEY}\n".encode())
    seen += read_until(ours, "takes it")
    assert process.wait(WITHIN_S) == 0
    os.close(ours)
    assert KEY not in seen
    assert list(tmp_path.rglob("*.cfg")) != []


def read_until(terminal: int, wanted: str) -> str:
    """What stands on the terminal when `wanted` does."""
    deadline_s = time.monotonic() + WITHIN_S
    text = ""
    while wanted not in text:
        assert select.select([terminal], [], [], max(0.0, deadline_s - time.monotonic()))[0], text
        text += os.read(terminal, 4096).decode()
    return text
