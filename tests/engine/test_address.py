import json
import os
import stat

import pytest

from causal.engine.address import write_address


def test_the_file_says_where_and_with_which_key(tmp_path):
    path = tmp_path / "engine.json"
    write_address(path, "ws://127.0.0.1:1", "secret")
    assert json.loads(path.read_text()) == {"url": "ws://127.0.0.1:1", "key": "secret"}


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_only_its_user_may_read_it(tmp_path):
    path = tmp_path / "engine.json"
    path.write_text("{}")
    path.chmod(0o644)
    write_address(path, "ws://127.0.0.1:1", "secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_else_is_left_behind(tmp_path):
    for port in range(3):
        write_address(tmp_path / "engine.json", f"ws://127.0.0.1:{port}", "secret")
    assert [path.name for path in tmp_path.iterdir()] == ["engine.json"]
