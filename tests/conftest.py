"""For all tests."""

import pytest
from hypothesis import settings

from causal.testing.not_judged import NotJudged

settings.register_profile("unhurried", deadline=None)  # how long an example takes says something about the machine
settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    """What fails while the machine stands still says something about that (docs/decisions/0005)."""
    config.pluginmanager.register(NotJudged())
