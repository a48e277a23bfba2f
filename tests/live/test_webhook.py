"""The webhook with real receivers: those that fail, that are slow, that are away."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from causal.errors import CausalError, ConfigError
from causal.messages import Gap, TranscriptFinal
from causal.sink import delivery, post, webhook
from causal.sink.sink import SinkOptions
from causal.sink.webhook import WebhookSink
from causal.testing.one_loop import OneLoop
from causal.testing.stack import Stack
from causal.testing.waiting import until

pytestmark = pytest.mark.live

SECRET = "a secret"


class Hook:
    """A receiver; `answer` is asked for the status of each POST."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.answer: Callable[[], int] = lambda: 204
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = hook.answer()
                if 200 <= status < 300:
                    hook.bodies.append(body)
                    hook.posts.append(json.loads(body))
                    hook.headers.append(dict(self.headers))
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def seqs(self) -> list[int]:
        """The events that were taken."""
        return [event["seq"] for one in self.posts for event in one["events"]]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setattr(delivery, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(delivery, "LONGEST_PAUSE_S", 0.1)
    monkeypatch.setenv(webhook.SECRET_VARIABLE, SECRET)
    hook = Hook()
    yield hook
    hook.server.shutdown()
    hook.server.server_close()


def final(seq: int) -> TranscriptFinal:
    return TranscriptFinal(
        session="s",
        source="mic",
        seq=seq,
        turn=str(seq),
        revision=0,
        text=f"Grüße {seq}",
        start_ms=seq,
        end_ms=seq + 1,
        started_at="2026-01-31T12:00:00.000Z",
    )


def options(folder: Path, url: str, **more: Any) -> SinkOptions:
    own = {"url": url, "batch": 1, "kinds": (), "give_up_s": 7200.0} | more
    return SinkOptions(folder, own=own)


@contextlib.contextmanager
def opened(folder: Path, url: str, **more: Any) -> Iterator[tuple[WebhookSink, int | None]]:
    sink = WebhookSink(options(folder, url, **more))
    position = sink.open()
    try:
        yield sink, position
    finally:
        sink.close()


def test_each_final_is_posted_once_in_order_and_signed(hook: Hook, tmp_path: Path) -> None:
    with opened(tmp_path, hook.url) as (sink, position):
        assert position is None
        for seq in range(1, 6):
            sink.write(final(seq))
        sink.write(Gap(session="s", source="mic", seq=6, start_ms=0, length_ms=1, reason="moved"))
        until(lambda: len(hook.seqs) == 5)
    assert hook.seqs == [1, 2, 3, 4, 5]
    assert hook.posts[0]["events"][0]["text"] == "Grüße 1"
    signature = hmac.new(SECRET.encode(), hook.bodies[0], hashlib.sha256).hexdigest()
    assert hook.headers[0]["Causal-Signature"] == f"sha256={signature}"
    assert hook.headers[0]["Causal-Ordering-Key"] == "s"
    with opened(tmp_path, hook.url) as (_, position):
        assert position in (5, 6)


def test_batches(hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LINGER_S", 60.0)
    monkeypatch.setattr(webhook, "LAST_WITHIN_S", 20.0)
    with opened(tmp_path, hook.url, batch=4) as (sink, _):
        for seq in range(1, 11):
            sink.write(final(seq))
    assert [len(one["events"]) for one in hook.posts] == [4, 4, 2]  # the last at the end, without waiting for more


def test_a_receiver_that_fails_gets_everything_once_it_works(hook: Hook, tmp_path: Path) -> None:
    hook.answer = lambda: 500
    with opened(tmp_path, hook.url) as (sink, _):
        for seq in (1, 2, 3):
            sink.write(final(seq))
        until(sink.fault)
        fault = sink.fault()
        assert fault is not None
        assert fault.message == "the webhook 127.0.0.1 answers 500"
        assert sink.queues()["posts"].depth == 3
        hook.answer = lambda: 204
        until(lambda: hook.seqs == [1, 2, 3])
        until(lambda: sink.fault() is None)


def test_while_it_fails_the_rest_stays_in_the_event_log(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "CAPACITY", 10)
    monkeypatch.setattr(webhook, "CAPACITY", 10)
    hook.answer = lambda: 503
    with opened(tmp_path, hook.url) as (sink, _):
        for seq in range(1, 11):
            sink.write(final(seq))
        with pytest.raises(CausalError, match="more wait in the event log"):
            sink.write(final(11))
        sink.close()
        with pytest.raises(CausalError):
            sink.open()
        hook.answer = lambda: 204
        until(lambda: len(hook.seqs) >= 5)
        assert sink.open() == 10
        sink.write(final(11))
        until(lambda: hook.seqs == list(range(1, 12)))


def test_what_is_refused_for_good_is_a_dead_letter(hook: Hook, tmp_path: Path) -> None:
    hook.answer = iter([400, 204]).__next__
    with opened(tmp_path, hook.url) as (sink, _):
        sink.write(final(1))
        sink.write(final(2))
        until(lambda: hook.seqs == [2])
    (letters,) = (tmp_path / "webhook").glob("*.dead.jsonl")
    (letter,) = [json.loads(line) for line in letters.read_text("utf-8").splitlines()]
    assert letter["reason"] == "answers 400"
    assert letter["event"]["text"] == "Grüße 1"
    assert letters.stat().st_mode & 0o777 == 0o600
    assert hook.url not in letters.read_text("utf-8")


def test_a_redirection_is_not_followed(hook: Hook, tmp_path: Path) -> None:
    hook.answer = lambda: 302
    with opened(tmp_path, hook.url, give_up_s=0.0) as (sink, _):
        sink.write(final(1))
        until(lambda: list((tmp_path / "webhook").glob("*.dead.jsonl")))
    assert hook.posts == []


def test_a_receiver_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with opened(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}/") as (sink, _):
            sink.write(final(1))
            until(sink.fault)
            fault = sink.fault()
            assert fault is not None
            assert fault.message == "the webhook 127.0.0.1 cannot be reached: Connection refused"


def test_a_receiver_that_answers_a_byte_at_a_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "ALL_WITHIN_S", 0.3)

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with contextlib.suppress(OSError), connection:
            while True:
                connection.sendall(b"H")
                time.sleep(0.05)  # the pace of this receiver: no single wait is long, the whole has no end

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        began_s = time.monotonic()
        answer = post.send(post.Receiver(False, "127.0.0.1", listener.getsockname()[1], "/"), b"{}", {})
    assert answer.status is None
    assert time.monotonic() - began_s < 5.0


def test_a_receiver_that_never_answers_does_not_hold_up_the_end(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "LAST_WITHIN_S", 0.1)
    free = threading.Event()
    hook.answer = lambda: free.wait() and 204
    with opened(tmp_path, hook.url) as (sink, _):
        sink.write(final(1))
        began_s = time.monotonic()
    assert time.monotonic() - began_s < post.STEP_WITHIN_S
    free.set()
    with opened(tmp_path, hook.url) as (_, position):
        assert position is None  # nobody knows whether it was taken: it is sent again


def test_two_webhooks_of_one_address_do_not_meet(hook: Hook, tmp_path: Path) -> None:
    with (
        opened(tmp_path, hook.url),
        pytest.raises(ConfigError, match="another sink writes"),
        opened(tmp_path, hook.url),
    ):
        pass
    with opened(tmp_path, hook.url), opened(tmp_path, hook.url + "/other"):
        pass


def test_a_dead_letter_that_cannot_be_written_is_told_and_nothing_is_lost(hook: Hook, tmp_path: Path) -> None:
    hook.answer = lambda: 400
    sink = WebhookSink(options(tmp_path, hook.url))
    sink.open()
    path = sink._dead_letters
    path.mkdir()
    sink.write(final(1))

    def fails() -> bool:
        try:
            sink.flush()
        except OSError:
            return True
        return False

    until(fails)
    sink.close()
    path.rmdir()
    assert sink.open() is None
    sink.write(final(1))
    until(path.exists)
    sink.close()


def test_a_killed_webhook_goes_on_where_it_was(procfile: Path, hook: Hook) -> None:
    environment = {"CAUSAL_WEBHOOK_URL": hook.url, webhook.SECRET_VARIABLE: SECRET}
    with Stack(procfile, ["broker", "control"], environment=environment) as stack, OneLoop(stack.paths) as publisher:
        stack.launch("causal-sink", "webhook", "--from", "start")

        def pid() -> int:
            return next((pid for name, pid in stack.alive().items() if name.startswith("sink.webhook-")), 0)

        first = stack.until(pid)
        publisher.publish(*map(final, range(1, 11)))
        stack.until(lambda: len(hook.seqs) >= 3)
        os.kill(first, signal.SIGKILL)
        publisher.publish(*map(final, range(11, 21)))
        stack.until(lambda: hook.seqs and hook.seqs[-1] == 20)
        assert list(dict.fromkeys(hook.seqs)) == list(range(1, 21))
        assert len(hook.seqs) <= 21  # at most what was on its way came twice
