"""The stack's directories: short enough for sockets, private, and one stack's alone."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from causal.errors import ConfigError
from causal.paths import LONGEST_SOCKET_NAME, MAX_SOCKET_PATH_BYTES, Paths, locked

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has neither modes nor flock")


def paths_in(folder: Path) -> Paths:
    return Paths(folder / "run", folder / "data", folder / "cache")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def runtime_of_bytes(size: int) -> str:
    """A runtime directory whose longest socket's path has `size` bytes."""
    return "/" + "d" * (size - len(LONGEST_SOCKET_NAME) - 2)


@posix
def test_a_path_that_just_fits_is_taken():
    paths = Paths.from_environment({"CAUSAL_RUNTIME_DIR": runtime_of_bytes(MAX_SOCKET_PATH_BYTES)})
    assert len(str(paths.runtime / LONGEST_SOCKET_NAME)) == MAX_SOCKET_PATH_BYTES


@posix
def test_a_path_that_is_a_byte_too_long_is_refused_with_a_remedy():
    with pytest.raises(ConfigError, match=r"too long for sockets \(104 bytes, 103 fit\)") as caught:
        Paths.from_environment({"CAUSAL_RUNTIME_DIR": runtime_of_bytes(MAX_SOCKET_PATH_BYTES + 1)})
    assert "CAUSAL_RUNTIME_DIR" in caught.value.hint


@posix
def test_bytes_count_not_letters():
    with pytest.raises(ConfigError, match="too long"):
        Paths.from_environment({"CAUSAL_RUNTIME_DIR": "/" + "é" * 50})


def test_a_relative_path_is_made_absolute_since_services_may_change_theirs():
    assert Paths.from_environment({"CAUSAL_RUNTIME_DIR": "run"}).runtime == Path.cwd() / "run"


@posix
def test_the_variables_choose_all_directories():
    environ = {"CAUSAL_RUNTIME_DIR": "/r", "CAUSAL_DATA_DIR": "/d", "CAUSAL_CACHE_DIR": "/c"}
    paths = Paths.from_environment(environ)
    assert (paths.runtime, paths.data, paths.cache) == (Path("/r"), Path("/d"), Path("/c"))
    assert paths.address("log") == "ipc:///r/log"


@posix
def test_new_directories_are_for_this_user_alone(tmp_path):
    paths = paths_in(tmp_path)
    paths.make()
    assert mode(paths.runtime) == mode(paths.data) == 0o700


@posix
def test_an_open_runtime_directory_is_closed_to_others(tmp_path):
    paths = paths_in(tmp_path)
    paths.runtime.mkdir(mode=0o755)
    paths.runtime.chmod(0o777)
    paths.make()
    assert mode(paths.runtime) == 0o700


@posix
@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root may give a directory away")
def test_another_users_directory_is_refused(tmp_path):
    paths = paths_in(tmp_path)
    paths.runtime.mkdir()
    os.chown(paths.runtime, 12345, 12345)
    with pytest.raises(ConfigError, match="belongs to another user"):
        paths.make()


def test_a_file_in_the_directorys_place_is_refused_with_a_remedy(tmp_path):
    paths = paths_in(tmp_path)
    paths.data.write_text("")
    with pytest.raises(ConfigError, match="cannot be made") as caught:
        paths.make()
    assert "CAUSAL_DATA_DIR" in caught.value.hint


# --- locks ---

HOLDER = """
import sys
from pathlib import Path
from causal.paths import locked
with locked(Path(sys.argv[1]), "causal-broker"):
    print("held", flush=True)
    sys.stdin.read()
"""


@posix
def test_a_held_lock_names_who_has_it_and_frees_itself_with_its_process(tmp_path):
    path = tmp_path / "broker-1.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        expected = rf"causal-broker runs already in {tmp_path} \(pid {holder.pid}\)"
        with pytest.raises(ConfigError, match=expected), locked(path, "causal-broker"):
            pass
        holder.kill()
        holder.wait()
        with locked(path, "causal-broker"):
            assert path.read_text() == str(os.getpid())


@posix
def test_a_lock_is_free_again_after_use(tmp_path):
    path = tmp_path / "x.lock"
    for _ in range(2):
        with locked(path, "x"):
            pass


@posix
def test_a_lock_that_cannot_be_opened_is_a_configuration_error(tmp_path):
    (tmp_path / "x.lock").mkdir()
    with pytest.raises(ConfigError, match=r"x\.lock cannot be opened"), locked(tmp_path / "x.lock", "x"):
        pass
