"""Who is kept out of the web page, and what a bad message does: nothing, to anybody else."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from causal import page_file
from causal.messages import SessionStatus, TranscriptFinal
from causal.sink.web_access import Access
from causal.sink.web_requests import MAX_REQUEST_BYTES
from causal.testing.browser import Chromium
from causal.testing.one_loop import OneLoop
from causal.testing.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

MAX_WEIGHT_BYTES = 150_000


@pytest.fixture(scope="module")
def stack(procfile: Path) -> Iterator[Stack]:
    """A broker, a controller and the page's sink, shared: who publishes has a session of its own."""
    with Stack(procfile, ["broker", "control"]) as running:
        running.launch("causal-sink", "web")
        running.until(running.paths.page_file.exists, 20.0, "the page's address")
        yield running


def final(session: str, n: int, text: str = "Tea.") -> TranscriptFinal:
    known = {"turn": str(n), "revision": 0, "text": text, "start_ms": n, "end_ms": n, "started_at": ""}
    return TranscriptFinal(session=session, source="mic", **known)  # type: ignore[arg-type]


def begun(session: str) -> SessionStatus:
    return SessionStatus(session=session, label=session, state="running", sources=("mic",))


def origin(stack: Stack) -> str:
    page = page_file.read(stack.paths.page_file)
    assert page is not None
    return page.url


def access(stack: Stack) -> Access:
    page = page_file.read(stack.paths.page_file)
    assert page is not None
    return Access(page.secret, page.port)


def get(
    stack: Stack, path: str, *, cookie: bool = False, method: str = "GET", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of an answer."""
    connection = http.client.HTTPConnection(origin(stack).removeprefix("http://"), timeout=5)
    if cookie:
        headers["Cookie"] = f"{access(stack).cookie_name}={access(stack).cookie}"
    with contextlib.closing(connection):
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}


def live(stack: Stack, *, cookie: bool = True, **headers: str) -> ClientConnection:
    """A page's socket, before its hello."""
    own = access(stack)
    given = {"Cookie": f"{own.cookie_name}={own.cookie}"} if cookie else {}
    given |= {"Origin": own.origins[0]} | headers
    where = origin(stack).replace("http://", "ws://")
    origin_given = given.pop("Origin")
    return connect(f"{where}/live", origin=origin_given, additional_headers=given, open_timeout=5)  # type: ignore[arg-type]


def hello(socket: ClientConnection, stack: Stack) -> None:
    socket.send(json.dumps({"op": "hello", "id": 0, "key": access(stack).key}))


def closed(socket: ClientConnection, within_s: float = 20.0) -> tuple[int, str]:
    """Code and reason of a socket's end."""
    until_s = time.monotonic() + within_s
    with pytest.raises(ConnectionClosed) as caught:
        while time.monotonic() < until_s:
            socket.recv(timeout=within_s)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


def test_a_link_lets_in_one_browser_once(stack: Stack, chromium: Chromium) -> None:
    result = stack.ctl("open", "--no-browser")
    assert result.returncode == 0
    link = result.stdout.strip()
    assert link.startswith(f"{origin(stack)}/open?once=")
    page = chromium.new_page()
    page.goto(link)
    page.wait_for_selector("#connection.open")
    assert "once" not in page.url
    cookie = page.context.cookies()[0]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    other = chromium.new_page()
    other.goto(link)
    expect(other.locator("h1")).to_have_text("Open this page from a terminal")


def test_a_browser_that_only_looks_ahead_does_not_use_the_link_up(stack: Stack) -> None:
    path = json.loads(stack.ctl("open", "--json").stdout)["url"].removeprefix(origin(stack))
    assert get(stack, path, Sec_Purpose="prefetch")[0] == 503
    assert get(stack, path)[0] == 200


def test_without_the_cookie_there_is_no_page(stack: Stack) -> None:
    code, body, _ = get(stack, "/")
    assert code == 403 and b"causal-ctl open" in body
    assert get(stack, "/", cookie=True)[0] == 200
    assert get(stack, "/", Cookie=f"{access(stack).cookie_name}=guessed")[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", ""])
def test_another_name_for_this_computer_is_refused(stack: Stack, host: str) -> None:
    assert get(stack, "/", cookie=True, Host=host)[0] == 403
    assert get(stack, "/style.css", Host=host)[0] == 403


@pytest.mark.parametrize("foreign", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_another_page_is_refused(stack: Stack, foreign: str) -> None:
    assert get(stack, "/", cookie=True, Origin=foreign)[0] == 403
    with pytest.raises(InvalidStatus) as caught:
        live(stack, Origin=foreign)
    assert caught.value.response.status_code == 403


def test_a_link_is_for_who_can_read_the_secret(stack: Stack) -> None:
    page = page_file.read(stack.paths.page_file)
    assert page is not None
    bearer = f"Bearer {page.secret}"
    assert get(stack, "/link", method="POST", Authorization=bearer)[0] == 200
    assert get(stack, "/link", method="POST", Authorization="Bearer guessed")[0] == 403
    assert get(stack, "/link", method="POST", cookie=True)[0] == 403
    assert get(stack, "/link", method="POST", Authorization=bearer, Origin=page.url)[0] == 403, "no browser asks"
    assert stack.paths.page_file.stat().st_mode & 0o777 == 0o600


def test_cookie_and_key_are_both_wanted(stack: Stack) -> None:
    with live(stack, cookie=False) as socket:
        assert closed(socket) == (4401, "no cookie of this page: causal-ctl open")
    with live(stack) as socket:
        socket.send('{"op":"hello","id":0,"key":"guessed"}')
        assert closed(socket)[0] == 4401
    with live(stack) as socket:
        socket.send('{"op":"sessions","id":0}')
        assert closed(socket) == (4401, "the first message is hello, not sessions")
    with live(stack) as socket:
        assert closed(socket) == (4401, "no hello within 5 s")


def test_every_answer_keeps_the_page_to_itself(stack: Stack) -> None:
    for path in ("/", "/app.js", "/nothing", "/open"):
        _, _, headers = get(stack, path)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "*" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/../web.py", "/%2e%2e/web.py", "/page/app.js", "/opened.html", "/index.html"])
def test_only_the_page_s_files_are_served(stack: Stack, path: str) -> None:
    assert get(stack, path, cookie=True)[0] == 404


Send = Callable[[ClientConnection], None]


@pytest.mark.parametrize(
    ("send", "code", "reason"),
    [
        (lambda socket: socket.send("nonsense"), 4400, "malformed: JSON is malformed"),
        (lambda socket: socket.send('{"op":"fly","id":1}'), 4400, "Invalid value 'fly'"),
        (lambda socket: socket.send('{"op":"search","id":1,"text":7}'), 4400, "`$.text`"),
        (lambda socket: socket.send(b"\x00\xff"), 4400, "bytes instead of a JSON text"),
        (lambda socket: socket.send("[" * 60_000), 4400, "malformed"),
        (lambda socket: socket.send("x" * (MAX_REQUEST_BYTES + 1)), 1009, str(MAX_REQUEST_BYTES)),
    ],
)
def test_a_bad_message_closes_its_socket_with_a_reason_and_disturbs_nobody(
    stack: Stack, publisher: OneLoop, chromium: Chromium, send: Send, code: int, reason: str
) -> None:
    publisher.publish(begun(reason), final(reason, 1))
    page = chromium.let_in(stack)
    page.evaluate("session => { location.hash = '#s=' + encodeURIComponent(session) }", reason)
    expect(page.locator("#transcript .turn")).to_have_count(1)
    with live(stack) as socket:
        hello(socket, stack)
        with contextlib.suppress(ConnectionClosed):
            send(socket)
        found_code, found_reason = closed(socket)
        assert found_code == code
        assert reason in found_reason
    publisher.publish(final(reason, 2))
    expect(page.locator("#transcript .turn")).to_have_count(2)
    expect(page.locator("#connection")).to_have_class("open")


def test_a_flood_of_requests_closes_its_socket(stack: Stack) -> None:
    with live(stack) as socket:
        hello(socket, stack)
        with contextlib.suppress(ConnectionClosed):
            for n in range(500):
                socket.send(json.dumps({"op": "stop", "id": n, "session": "nobody"}))
        assert closed(socket) == (4429, "more than 8 requests at once")


def test_a_page_that_does_not_read_is_sent_away_and_the_others_miss_nothing(stack: Stack, publisher: OneLoop) -> None:
    publisher.publish(begun("big"))
    with live(stack) as idle, live(stack) as reader:
        for one in (idle, reader):
            hello(one, stack)
            one.send(json.dumps({"op": "show", "id": 1, "session": "big"}))
        told: list[int] = []
        for n in range(0, 5000, 100):
            publisher.publish(*(final("big", k, "tea " * 2000) for k in range(n, n + 100)))
            while len(told) < n + 100:
                message = json.loads(reader.recv(timeout=20))
                events = message["events"] if message["type"] == "shown" else [message]
                told += [event["start_ms"] for event in events if event["type"] == "transcript-final"]
        assert told == list(range(5000))
        assert closed(idle, 20.0)[0] == 4408


def test_all_of_it_weighs_little_and_comes_from_here(stack: Stack, chromium: Chromium) -> None:
    page = chromium.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    chromium.let_in(stack, page)
    requests.clear()
    page.reload()
    page.wait_for_selector("#connection.open")
    url = origin(stack)
    assert requests and all(request.startswith(url) for request in requests)
    sizes = [len(get(stack, path.removeprefix(url), cookie=True)[1]) for path in set(requests)]
    assert sum(sizes) < MAX_WEIGHT_BYTES


def test_a_port_that_is_taken_is_told_with_what_to_do(procfile: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, Stack(procfile, ["broker", "control"]) as stack:
        port = taken.getsockname()[1]
        sink = stack.launch("causal-sink", "web", "--set", f"web_port={port}")
        assert sink.wait(20) == 2
        assert f"port {port} of 127.0.0.1 is taken" in stack.log()
        assert "web_port in causal.toml" in stack.log()


def test_a_second_page_of_the_same_stack_is_refused(stack: Stack) -> None:
    second = stack.launch("causal-sink", "web")
    assert second.wait(20) == 2
    assert f"causal-sink web runs already in {stack.paths.runtime}" in stack.log()
    assert get(stack, "/", cookie=True)[0] == 200
