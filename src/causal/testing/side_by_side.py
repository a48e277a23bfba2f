"""Tests that mostly wait, run beside each other: each in a thread, with a stack of its own.

    beside = SideBySide()

    @beside(alone)                       # `with alone() as stack:` makes what the test gets
    def test_what_is_said_comes_out(stack):
        ...

pytest sees ordinary tests. The first one that it comes to starts all of them that were selected, in their order, a few
at a time; each waits for its own outcome. For tests whose time passes while somebody speaks; those that measure how
fast something is, or take a processor for themselves, stay alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from causal import clock

if TYPE_CHECKING:
    import pytest

BEGAN = "began_ns"
"""The user property that says when a test's story began, on the capture clock: before pytest came to it."""

AT_ONCE = 4
"""Two processors have room for them: a lone gateway with all that belongs to it takes a tenth of one."""

S = TypeVar("S")


class SideBySide:
    """The tests of one module that run beside each other. Used by pytest's thread alone."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._stories: dict[str, Callable[..., None]] = {}
        self._outcomes: dict[str, Future[None]] = {}
        self._began_ns: dict[str, int] = {}

    def __call__(self, make: Callable[[], AbstractContextManager[S]]) -> Callable[..., Callable[..., None]]:
        """A decorator for tests whose first argument is what `make` makes; the others are parameters, not fixtures."""

        def decorate(test: Callable[..., None]) -> Callable[..., None]:
            def story(**parameters: Any) -> None:
                with make() as made:
                    test(made, **parameters)

            @wraps(test)
            def run(request: pytest.FixtureRequest, **parameters: Any) -> None:
                del parameters  # the story has them
                if not self._outcomes:
                    self._start(request)
                try:
                    self._outcomes[request.node.nodeid].result()
                finally:
                    request.node.user_properties.append((BEGAN, self._began_ns[request.node.nodeid]))

            _, *parameters = inspect.signature(test).parameters.values()
            asked = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD)
            run.__signature__ = inspect.Signature([asked, *parameters])  # type: ignore[attr-defined]
            self._stories[test.__name__] = story
            return run

        return decorate

    def _start(self, request: pytest.FixtureRequest) -> None:
        pool = ThreadPoolExecutor(self._at_once, "beside")
        request.config.add_cleanup(lambda: pool.shutdown(wait=False, cancel_futures=True))
        for item in request.session.items:
            story = self._stories.get(getattr(item, "originalname", ""))
            if story is not None and item.path == request.path:
                parameters = item.callspec.params if hasattr(item, "callspec") else {}
                self._outcomes[item.nodeid] = pool.submit(self._tell, item.nodeid, partial(story, **parameters))

    def _tell(self, test: str, story: Callable[[], None]) -> None:
        self._began_ns[test] = clock.now_ns()
        story()
