"""The way to the page, when nobody or somebody else is there."""

from __future__ import annotations

import socket
import stat
import threading
from pathlib import Path

import pytest

from causal import page_file
from causal.control import page_link
from causal.errors import CausalError
from causal.page_file import PageFile
from causal.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path, tmp_path, tmp_path)


def refused(paths: Paths) -> CausalError:
    with pytest.raises(CausalError) as caught:
        page_link.new_link(paths)
    assert caught.value.code == "no-stack"
    assert "causal-sink web" in caught.value.hint
    return caught.value


def announce(paths: Paths, port: int) -> None:
    page_file.write(paths.page_file, PageFile(url=f"http://127.0.0.1:{port}", secret="secret"))


def test_without_a_page_it_says_how_to_start_one(paths: Paths) -> None:
    assert "no web page runs" in refused(paths).message


def test_a_file_that_was_left_behind_leads_nowhere(paths: Paths) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    announce(paths, port)
    assert f"{port} does not answer" in refused(paths).message


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", b"HTTP/1.1 404 No\r\n\r\n", b"SSH-2.0-other\r\n", b""]
)
def test_another_program_on_the_port_is_not_taken_for_the_page(paths: Paths, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        announce(paths, server.getsockname()[1])

        def serve() -> None:
            other, _ = server.accept()
            with other:
                other.recv(4096)
                other.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        refused(paths)
        thread.join()


def test_the_browser_is_shown_a_file_that_nobody_else_can_read(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: not shown.append(url))
    assert page_link.open_in_browser("http://127.0.0.1:1/open?once=word", paths)
    assert shown == [(paths.runtime / "open.html").as_uri()]
    file = paths.runtime / "open.html"
    assert "url=http://127.0.0.1:1/open?once=word" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_secret_is_for_its_user_alone(paths: Paths) -> None:
    announce(paths, 1)
    assert stat.S_IMODE(paths.page_file.stat().st_mode) == 0o600
    assert page_file.read(paths.page_file) == PageFile(url="http://127.0.0.1:1", secret="secret")


@pytest.mark.parametrize("text", ["", "{}", '{"url": 1}', "\x00\xff"])
def test_half_a_file_is_none(paths: Paths, text: str) -> None:
    paths.page_file.write_text(text)
    assert page_file.read(paths.page_file) is None
