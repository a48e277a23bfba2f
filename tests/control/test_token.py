"""Temporary tokens: from the service's answer to ours, without the key in any error. A real server on loopback."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from causal.control.token import mint
from causal.errors import CausalError

KEY = "0123456789abcdef"


class Service:
    """Answers every request with what it was told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.body: bytes = json.dumps({"token": "t-1", "expires_in_seconds": 60}).encode()
        self.asked: list[tuple[str, str | None]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append((self.path, self.headers["Authorization"]))
                self.send_response(service.status)
                self.send_header("Content-Length", str(len(service.body)))
                self.end_headers()
                self.wfile.write(service.body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"ws://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    threading.Thread(target=service.server.serve_forever, args=(0.02,), daemon=True).start()
    yield service
    service.server.shutdown()
    service.server.server_close()


def refusal(*given: Any) -> CausalError:
    with pytest.raises(CausalError) as refused:
        mint(*given)
    assert KEY not in repr(refused.value.__dict__)
    assert refused.value.__suppress_context__ or KEY not in str(refused.value.__cause__)
    return refused.value


@pytest.mark.parametrize("path", ["", "/", "/v3/ws"])
def test_a_token_comes_from_the_rest_side_of_the_streaming_address(service, path):
    assert mint(service.url + path, KEY, 90) == {"token": "t-1", "expires_in_s": 60}
    assert service.asked == [("/v3/token?expires_in_seconds=90", KEY)]


def test_a_refused_key_is_told_as_such(service):
    service.status, service.body = 401, b'{"error": "Invalid API key"}'
    error = refusal(service.url, KEY, 60)
    assert (error.code, "Invalid API key" in error.message) == ("auth-failed", True)


def test_another_refusal_has_the_services_words(service):
    service.status, service.body = 422, b'{"error": "expires_in_seconds must be at most 600"}'
    error = refusal(service.url, KEY, 60)
    assert (error.code, "at most 600" in error.message) == ("rejected-by-service", True)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"token": "t", "expires_in_seconds": "soon"}', b"7"])
def test_an_answer_that_is_no_token_is_an_error_in_words(service, body):
    service.body = body
    assert refusal(service.url, KEY, 60).code == "rejected-by-service"


def test_a_service_that_is_away_is_a_failed_connection():
    assert refusal("ws://127.0.0.1:9", KEY, 60).code == "connection-failed"


@pytest.mark.parametrize("key", [f"{KEY}\n{KEY}", f"{KEY}\u2026"])
def test_a_key_that_is_none_is_in_no_error(service, key):
    assert refusal(service.url, key, 60).code == "rejected-by-service"
    assert service.asked == []


@pytest.mark.parametrize("address", ["", "nonsense", "ws://", "ws://[", "gopher://host"])
def test_an_address_that_is_none_is_an_error_in_words(address):
    assert refusal(address, KEY, 60).hint
