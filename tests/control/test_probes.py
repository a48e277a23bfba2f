"""The doctor's hands, on real directories, sockets and processes."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from causal.control import probes
from causal.errors import CausalError


def test_a_directory_that_is_not_there_yet_is_judged_by_where_it_would_be(tmp_path: Path) -> None:
    found = probes.folder(tmp_path / "a" / "b")
    assert (found.exists, found.writable, found.owned) == (False, True, True)
    assert found.free_bytes > 0
    assert not (tmp_path / "a").exists()


def test_others_rights_show_in_the_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert probes.folder(tmp_path).mode == 0o755


def test_a_lock_of_a_dead_or_other_process_holds_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "broker.lock"
    assert probes.broker_of(lock) is None
    for text in ("", "1", "999999999", "nonsense"):
        lock.write_text(text)
        assert probes.broker_of(lock) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0123abc", ("environment (ASSEMBLYAI_API_KEY)", True)),
        ('"0123abc"', ("environment (ASSEMBLYAI_API_KEY)", False)),
        ("0123abc\n", ("environment (ASSEMBLYAI_API_KEY)", False)),
    ],
)
def test_a_key_is_told_by_its_place_alone(given: str, expected: tuple[str, bool]) -> None:
    assert probes.key_place({"ASSEMBLYAI_API_KEY": given}) == expected


def test_a_keyring_that_waits_for_its_owner_does_not_keep_the_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    unlocked = threading.Event()
    monkeypatch.setattr(probes.key, "place", lambda _: unlocked.wait(30))
    monkeypatch.setattr(probes, "KEYRING_WITHIN_S", 0.01)
    found, _ = probes.key_place({})
    unlocked.set()
    assert isinstance(found, CausalError)
    assert "does not answer" in found.message and "look for a window" in found.hint


def test_a_listening_server_is_reached_and_a_closed_port_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert probes.reach(f"ws://127.0.0.1:{port}").error == ""
    assert probes.reach(f"ws://127.0.0.1:{port}").error == "refused"


def test_a_server_that_says_nothing_times_out_at_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert probes.reach(f"wss://127.0.0.1:{server.getsockname()[1]}", within_s=0.2).error == "timeout"


@pytest.mark.parametrize("address", ["http://example.org", "nonsense", "wss://host:port", ""])
def test_what_is_no_address_is_told(address: str) -> None:
    assert probes.reach(address).error == "address"


def test_everything_that_is_required_is_installed_here() -> None:
    found, missing = probes.versions()
    assert missing == []
    assert {"Causal", "Python", "libzmq", "numpy"} <= found.keys()
