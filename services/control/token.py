"""Temporary tokens of the speech service, for a browser that must not have the key."""

from __future__ import annotations

import http.client
import json
import queue
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from causal.errors import CausalError

from .effects import Ticket, refuse

TIMEOUT_S = 8.0
MAX_WAITING = 10

Made = tuple[Ticket | None, dict[str, Any]]
"""Whose token it is, and the fields of the answer."""


class Mint:
    """Gets tokens in a thread of its own, one after the other. At most 10 wishes wait; more are refused."""

    def __init__(self, stt_url: str, key: str | None) -> None:
        self._stt_url = stt_url
        self._key = key or ""
        self._wanted: queue.Queue[tuple[Ticket | None, int]] = queue.Queue(MAX_WAITING)
        self._made: queue.SimpleQueue[Made] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(self, ticket: Ticket | None, expires_in_s: int) -> None:
        """Never blocks; the answer comes by `made`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="mint", daemon=True)
            self._thread.start()
        try:
            self._wanted.put_nowait((ticket, expires_in_s))
        except queue.Full:
            text = f"{MAX_WAITING} tokens are being asked for already"
            self._made.put((ticket, refuse(ticket, "busy", text, "Try again in a few seconds.").fields))

    def made(self) -> Iterator[Made]:
        """What has come since."""
        while True:
            try:
                yield self._made.get_nowait()
            except queue.Empty:
                return

    def _work(self) -> None:
        while True:
            ticket, expires_in_s = self._wanted.get()
            try:
                fields = {"ok": True} | mint(self._stt_url, self._key, expires_in_s)
            except CausalError as error:
                fields = refuse(ticket, error.code, error.message, error.hint).fields
            self._made.put((ticket, fields))


def mint(stt_url: str, key: str, expires_in_s: int) -> dict[str, Any]:
    """`{token, expires_in_s}` from `GET /v3/token`. Blocks; raises `CausalError` with what the service said."""
    query = urllib.parse.urlencode({"expires_in_seconds": expires_in_s})
    address = f"{_http(stt_url).rstrip('/').removesuffix('/v3/ws')}/v3/token?{query}"
    try:
        request = urllib.request.Request(address, headers={"Authorization": key})
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            reply = json.load(response)
        return {"token": str(reply["token"]), "expires_in_s": int(reply.get("expires_in_seconds", expires_in_s))}
    except urllib.error.HTTPError as error:
        code = "auth-failed" if error.code in (401, 403) else "rejected-by-service"
        text = f"the speech service gives no token: {error.code} {_said(error)}"
        raise CausalError(code, text, "Is the key right?") from error
    except (OSError, http.client.HTTPException) as error:
        text = f"the speech service cannot be asked for a token: {error}"
        raise CausalError("connection-failed", text, "Is the network there?") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        # Without its cause: the text of an error about a header has the key in it.
        text = "the speech service cannot be asked for a token, or answers with something else"
        raise CausalError("rejected-by-service", text, "Are the key and the setting stt_url right?") from None


def _http(address: str) -> str:
    scheme, colon, rest = address.partition(":")
    return {"ws": "http", "wss": "https"}.get(scheme, scheme) + colon + rest


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return error.read(500).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""
