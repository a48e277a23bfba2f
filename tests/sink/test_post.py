"""What a POST looks like, and which addresses there are."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from causal.errors import ConfigError
from causal.messages import Gap
from causal.sink.delivery import Post
from causal.sink.post import Receiver, body_of, headers_of

POST = Post(
    tuple(
        Gap(session="s/ü", source="mic", seq=seq, start_ms=0, length_ms=1, reason="moved \u2028 'x'") for seq in (7, 9)
    )
)


def test_the_body_has_the_events_as_the_jsonl_sink_writes_them() -> None:
    events = json.loads(body_of(POST))["events"]
    assert [(event["type"], event["seq"]) for event in events] == [("gap", 7), ("gap", 9)]


def test_the_signature_is_that_of_the_body() -> None:
    headers = headers_of(POST, b"body", "secret")
    assert headers["Causal-Signature"] == "sha256=" + hmac.new(b"secret", b"body", hashlib.sha256).hexdigest()
    assert "Causal-Signature" not in headers_of(POST, b"body", "")


def test_order_and_repeats_can_be_told_by_the_headers() -> None:
    headers = headers_of(POST, b"", "")
    assert headers["Causal-Ordering-Key"] == "s%2F%C3%BC"
    assert headers["Idempotency-Key"] == "s%2F%C3%BC-7-9"


def test_an_address_is_taken_apart() -> None:
    assert Receiver.of("https://example.org:8443/a b%20?x=1".replace("a b", "ab")) == Receiver(
        True, "example.org", 8443, "/ab%20?x=1"
    )
    assert Receiver.of("http://[::1]") == Receiver(False, "::1", None, "/")
    assert Receiver.of("http://h/ü").path == "/%C3%BC"


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://example.org", "http://", "http://h:port/", "http://h/a b", "http://h/\r\nX: y"],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="webhook's address"):
        Receiver.of(url)


def test_a_password_in_the_address_is_refused_and_not_told() -> None:
    with pytest.raises(ConfigError) as caught:
        Receiver.of("https://me:hush@example.org/")
    assert "hush" not in str(caught.value)
