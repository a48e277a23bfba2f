"""The AssemblyAI key: from the environment, or from the system's keyring. Never an argument, never in a log."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from causal.errors import CausalError

T = TypeVar("T")

VARIABLE = "ASSEMBLYAI_API_KEY"
SERVICE = "causal"
LOOKS_LIKE_A_KEY = re.compile(r"[!#-&(-~]+")
"""ASCII without blanks, control characters and quotation marks: it goes into a header."""
OR_THE_VARIABLE = f"or: export {VARIABLE}=…   (in the shell that starts the stack)"


def find(environ: Mapping[str, str] = os.environ) -> str | None:
    """The key, or None. Raises `CausalError` when the keyring cannot be read."""
    return environ.get(VARIABLE, "").strip() or _from_keyring()


def place(environ: Mapping[str, str] = os.environ) -> str:
    """Where `find` finds it. Raises `CausalError` when it is nowhere."""
    if is_in_environment(environ):
        return f"environment ({VARIABLE})"
    if _from_keyring():
        return _name()
    raise CausalError("auth-failed", "there is no AssemblyAI key", f"causal-ctl key set; {OR_THE_VARIABLE}")


def aside(question: Callable[[], T]) -> Future[T]:
    """Asks on a thread of its own: a keyring may show a window, and wait for ever for somebody to unlock it there. The
    thread keeps no process from ending."""
    answer: Future[T] = Future()

    def ask() -> None:
        try:
            answer.set_result(question())
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=ask, name="keyring", daemon=True).start()
    return answer


def no_answer() -> CausalError:
    """What is to be said of a keyring that lets us wait."""
    hint = f"It may wait for you: look for a window that asks for its password; {OR_THE_VARIABLE}"
    return CausalError("permission-denied", "the system's keyring, where the key may be, does not answer", hint)


def is_in_environment(environ: Mapping[str, str] = os.environ) -> bool:
    return bool(environ.get(VARIABLE, "").strip())


def keep(typed: str) -> str:
    """Puts the key into the keyring, and returns the keyring's name. Raises `CausalError`."""
    key = typed.strip()
    if not LOOKS_LIKE_A_KEY.fullmatch(key):
        found = f"what was given has {len(key)} characters, and blanks, quotation marks or odd ones among them"
        text = found if key else "no key was given"
        raise CausalError("bad-request", text, "Copy the key alone, as the speech service shows it.")
    _ask(lambda keyring: keyring.set_password(SERVICE, VARIABLE, key), "written to")
    return _name()


def forget() -> str:
    """Takes the key out of the keyring; returns the keyring's name. Raises `CausalError`, also when none is in it."""
    if _ask(lambda keyring: keyring.get_password(SERVICE, VARIABLE), "read") is None:
        raise CausalError("bad-request", f"there is no key in the {_name()}", "causal-ctl key show")
    _ask(lambda keyring: keyring.delete_password(SERVICE, VARIABLE), "written to")
    return _name()


def _from_keyring() -> str | None:
    """None where there is no keyring, or nothing in it. Raises `CausalError` when it cannot be read."""
    if importlib.util.find_spec("keyring") is None:
        return None
    try:
        found: str | None = _ask(lambda keyring: keyring.get_password(SERVICE, VARIABLE), "read")
    except NoKeyring:
        return None
    return found


class NoKeyring(CausalError):
    """There is nothing that keeps keys."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__("bad-config", message, f"{hint}; {OR_THE_VARIABLE}")


def _ask(question: Callable[[Any], Any], verb: str) -> Any:
    """What the `keyring` package answers. Raises `CausalError` with what mends it."""
    try:
        import keyring
        from keyring.errors import KeyringError, NoKeyringError
    except ImportError:
        hint = f"{sys.executable} -m pip install keyring"
        raise NoKeyring("the package keyring, which knows this system's keyring, is not installed", hint) from None
    try:
        return question(keyring)
    except NoKeyringError:
        hint = "Start one (GNOME Keyring and KWallet are such)"
        raise NoKeyring("no keyring runs for this user", hint) from None
    except Exception as error:  # backends raise what their libraries do, and who knows what their texts have in them
        said = str(error) if isinstance(error, KeyringError | OSError) else ""
        text = f"the {_name()} cannot be {verb}: {said or type(error).__name__}"
        raise CausalError("permission-denied", text, f"Unlock it; {OR_THE_VARIABLE}") from None


def _name() -> str:
    import keyring

    return f"keyring ({keyring.get_keyring().name})"
