"""A worker's surroundings."""

import os
import sys

import pytest

from causal import service
from causal.loop import Loop
from causal.service import Options


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data directory that others may look into."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    monkeypatch.setenv("CAUSAL_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("CAUSAL_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CAUSAL_DATA_DIR", str(folder))
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="Windows gives rights by folder")
def test_what_a_service_writes_is_for_its_user_alone(data):
    before = os.umask(0o022)
    try:
        with service.opened("test", Options(), Loop()) as me:
            (me.paths.recordings / "s1").mkdir(parents=True)
            file = me.paths.recordings / "s1" / "mic.flac"
            file.write_bytes(b"sound")
        assert os.umask(0o022) == 0o022, "whoever comes after it has its own again"
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (me.paths.recordings, file.parent, file)] == [0o700, 0o700, 0o600]
