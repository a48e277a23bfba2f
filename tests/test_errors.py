"""What a person is told to do."""

from pathlib import Path

import pytest

from causal.errors import PROCFILE, start_command


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An environment that Causal was installed into."""
    folder = tmp_path / "my environment"
    (folder / "share" / "causal").mkdir(parents=True)
    (folder / "share" / "causal" / PROCFILE).touch()
    return folder


def test_in_a_checkout_its_own_procfile_starts_the_stack(tmp_path, prefix):
    (tmp_path / PROCFILE).touch()
    assert start_command(str(tmp_path), str(prefix)) in ("honcho start", "honcho start -f Procfile.windows")


def test_without_a_checkout_the_installed_procfile_is_named(tmp_path, prefix):
    assert start_command(str(tmp_path), str(prefix)) == f'honcho start -f "{prefix / "share" / "causal" / PROCFILE}"'
