"""The key that sessions are heard with, looked for beside the loop: a keyring may wait for its owner to unlock it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from causal.errors import CausalError

from . import key
from .engine_choice import Key

log = logging.getLogger("causal.control")

WITHIN_S = 2.0
"""A keyring that nobody has to unlock answers within half a second, the import of its package included."""


class KeySearch:
    """Looks once. A key that comes late is taken all the same."""

    def __init__(self, find: Callable[[], str | None] = key.find, now_s: Callable[[], float] = time.monotonic) -> None:
        """`find` may block for ever, or raise `CausalError`."""
        self._now_s = now_s
        self._late_s = now_s() + WITHIN_S
        self._answer = key.aside(find)
        self._logged = ""

    def known(self) -> Key:
        """What is known now."""
        if not self._answer.done() and self._now_s() < self._late_s:
            return Key(coming=True)
        found = self._found()
        if found.problem is not None and str(found.problem) != self._logged:
            self._logged = str(found.problem)
            log.warning("%s", self._logged)
        return found

    def _found(self) -> Key:
        if not self._answer.done():
            return Key(problem=key.no_answer())
        try:
            return Key(self._answer.result())
        except CausalError as error:
            return Key(problem=error)
        except Exception as error:  # without its text: who knows what a keyring puts there
            text = f"the system's keyring cannot be asked: {type(error).__name__}"
            return Key(problem=CausalError("internal", text, key.OR_THE_VARIABLE.removeprefix("or: ")))
