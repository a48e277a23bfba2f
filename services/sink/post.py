"""One POST: signed, with its limits of time, following no redirection."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import ssl
import threading
import urllib.parse
from dataclasses import dataclass
from importlib.metadata import version

from causal import event_json
from causal.errors import ConfigError

from .delivery import Answer, Post

STEP_WITHIN_S = 10.0
"""To connect, to take the body, to answer."""
ALL_WITHIN_S = 30.0
"""All of it: for a receiver that answers a byte at a time."""


@dataclass(frozen=True)
class Receiver:
    """Where to. The path may be a secret, so only the host is ever shown."""

    is_tls: bool
    host: str
    port: int | None
    path: str

    @classmethod
    def of(cls, url: str) -> Receiver:
        """Raises `ConfigError` for an address that cannot be used."""
        hint = "Expected https://HOST[:PORT]/PATH."
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigError("the webhook's address is malformed", hint) from error
        if parts.scheme not in ("http", "https") or not parts.hostname or any(c.isspace() for c in url):
            raise ConfigError("the webhook's address is not one of http or https", hint)
        if parts.username or parts.password:
            hint = "The signature says who sends: set CAUSAL_WEBHOOK_SECRET."
            raise ConfigError("the webhook's address has a password in it, which is not sent", hint)
        path = urllib.parse.quote(parts.path or "/", safe="/%:=&~!$'()*+,;@")
        query = f"?{urllib.parse.quote(parts.query, safe='/%:=&~!$()*+,;@?')}" if parts.query else ""
        return cls(parts.scheme == "https", parts.hostname, port, path + query)


def body_of(post: Post) -> bytes:
    """`{"events": [{"type": "transcript-final", …}]}`"""
    return b'{"events":[' + b",".join(event_json.line(event).rstrip() for event in post.events) + b"]}"


def headers_of(post: Post, body: bytes, secret: str) -> dict[str, str]:
    """With the signature of the body, if there is a secret."""
    session = urllib.parse.quote(post.session, safe="")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"causal-audio/{version('causal-audio')}",
        "Causal-Ordering-Key": session,
        "Idempotency-Key": f"{session}-{post.first_seq}-{post.last_seq}",
    }
    if secret:
        headers["Causal-Signature"] = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return headers


def send(receiver: Receiver, body: bytes, headers: dict[str, str]) -> Answer:
    """Sends and waits for the status, at most 30 s. Never raises for what the receiver or the network does."""
    connection = _connection(receiver)
    try:
        connection.connect()
        connected = connection.sock
        late = threading.Timer(ALL_WITHIN_S, _cut, [connected])
        late.daemon = True
        late.start()
        try:
            connection.request("POST", receiver.path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, retry_after_s=_seconds(response.getheader("Retry-After")))
        finally:
            late.cancel()
    except (OSError, http.client.HTTPException) as error:
        return Answer(None, _in_words(error))
    finally:
        connection.close()


def _connection(receiver: Receiver) -> http.client.HTTPConnection:
    if receiver.is_tls:
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(receiver.host, receiver.port, timeout=STEP_WITHIN_S, context=context)
    return http.client.HTTPConnection(receiver.host, receiver.port, timeout=STEP_WITHIN_S)


def _cut(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # over already


def _seconds(text: str | None) -> float:
    """`Retry-After` in seconds; its other form, a date, is not heeded."""
    return float(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else 0.0


def _in_words(error: OSError | http.client.HTTPException) -> str:
    match error:
        case TimeoutError():
            return "does not answer in time"
        case ssl.SSLCertVerificationError():
            return f"has a certificate that is not valid: {error.verify_message}"
        case socket.gaierror():
            return "has a name that cannot be resolved"
        case OSError():
            return f"cannot be reached: {error.strerror or error}"
    return "answers with something that is not HTTP"
