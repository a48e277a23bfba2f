"""A live test that fails while the machine's host has taken the processors away is not judged: told, and skipped.

    def pytest_configure(config):            # in a conftest.py
        config.pluginmanager.register(NotJudged())

Sound has to move in real time, so where nothing moves for seconds a live test shows that, and no more. It is not run
again, and a run in which too many were not judged fails: it has shown nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import pytest

from causal import clock

from .side_by_side import BEGAN
from .stolen_time import StolenTime, excuse

AT_MOST = 12
"""So many may go unjudged: one spell of a minute has been seen to cost eight."""
MARK = "live"


class NotJudged:
    """A plug-in of pytest. Looks at the machine from the first test on."""

    def __init__(self, at_most: int = AT_MOST) -> None:
        self._at_most = at_most
        self._count = 0
        self._begun_ns = 0
        self._stolen = StolenTime()

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        opened = contextlib.ExitStack()
        opened.enter_context(self._stolen)
        session.config.add_cleanup(opened.close)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self._begun_ns = clock.now_ns()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed and item.get_closest_marker(MARK) and (why := self._excuse(item)):
            self._count += 1
            self._tell(item.config, f"\nnot judged: {item.nodeid}\n{report.longreprtext}")
            path, line, _ = item.location
            report.outcome, report.longrepr = "skipped", (path, line or 0, f"Skipped: not judged, {why}")
        return report

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._count > self._at_most:
            self._tell(session.config, f"\n{self._count} tests were not judged: this run has shown nothing")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _excuse(self, item: pytest.Item) -> str:
        stories = [value for name, value in item.user_properties if name == BEGAN and isinstance(value, int)]
        return excuse(self._stolen.spells(min(stories, default=self._begun_ns)))

    def _tell(self, config: pytest.Config, text: str) -> None:
        terminal = config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.write_line(text)
