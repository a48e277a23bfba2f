"""What the tests of the commands share."""

import tempfile
from collections.abc import Iterator

import pytest

from causal.paths import Paths


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    """Directories of the test's own, for whoever takes them from the environment."""
    with tempfile.TemporaryDirectory(prefix="causal-") as short:
        for name in ("RUNTIME", "DATA", "CACHE"):
            monkeypatch.setenv(f"CAUSAL_{name}_DIR", f"{short}/{name}")
        paths = Paths.from_environment()
        paths.make()
        yield paths
