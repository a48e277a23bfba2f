"""Who may open a session of the test service: keys, temporary tokens and the account's limits."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from .assemblyai_query import Refusal

MAX_EXPIRES_IN_S = 600
MAX_SESSION_S = 10_800


@dataclass
class Limits:
    """Of the account. May be changed while the server runs."""

    concurrent: int | None = None
    per_minute: int | None = None
    code: int = 1008
    """With which a session too many is refused: 1008 by one page of the documentation, 3009 by another."""


class Account:
    """One account with one key."""

    def __init__(self, key: str) -> None:
        self.limits = Limits()
        self._key = key
        self._tokens: dict[str, tuple[float, float]] = {}
        self._opened_s: list[float] = []

    def authorize(self, given: str | None) -> float:
        """How long the session may last, in seconds. Raises `Refusal`."""
        if given is None:
            raise Refusal(1008, "Missing Authorization header")
        if given in self._tokens:
            expires_s, max_session_s = self._tokens[given]
            if time.monotonic() > expires_s:
                raise Refusal(1008, "Signature has expired")
            return max_session_s
        if given != self._key:
            raise Refusal(1008, "Unauthorized Connection: Invalid API key")
        return MAX_SESSION_S

    def admit(self, already_open: int) -> None:
        """Counts a new session. Raises `Refusal` when it is one too many."""
        now_s = time.monotonic()
        self._opened_s = [opened_s for opened_s in self._opened_s if opened_s > now_s - 60] + [now_s]
        crowded = self.limits.concurrent is not None and already_open >= self.limits.concurrent
        if crowded or (self.limits.per_minute is not None and len(self._opened_s) > self.limits.per_minute):
            raise Refusal(self.limits.code, "Too many concurrent sessions")

    def token(self, request: Request) -> Response:
        """The answer to `GET /v3/token`."""
        query = parse_qs(urlsplit(request.path).query)
        if "Authorization" not in request.headers:
            return _invalid("header", "authorization")
        if request.headers["Authorization"].removeprefix("Bearer ") != self._key:
            return json_response(HTTPStatus.UNAUTHORIZED, {"error": "Unauthorized"})
        expires_in_s = _number(query, "expires_in_seconds", 0)
        max_session_s = _number(query, "max_session_duration_seconds", MAX_SESSION_S)
        if not 1 <= expires_in_s <= MAX_EXPIRES_IN_S:
            return _invalid("query", "expires_in_seconds")
        if not 60 <= max_session_s <= MAX_SESSION_S:
            return _invalid("query", "max_session_duration_seconds")
        token = secrets.token_urlsafe(32)
        self._tokens[token] = (time.monotonic() + expires_in_s, max_session_s)
        return json_response(HTTPStatus.OK, {"token": token, "expires_in_seconds": expires_in_s})


def json_response(status: HTTPStatus, body: object) -> Response:
    """A whole HTTP answer."""
    data = json.dumps(body).encode()
    headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(data)), "Connection": "close"})
    return Response(status.value, status.phrase, headers, data)


def _number(query: Mapping[str, list[str]], name: str, default: int) -> int:
    try:
        return int(query[name][0]) if name in query else default
    except ValueError:
        return -1


def _invalid(where: str, name: str) -> Response:
    detail = {"type": "missing", "loc": [where, name], "msg": "Field required, or out of range", "input": None}
    return json_response(HTTPStatus.UNPROCESSABLE_ENTITY, {"detail": [detail]})
