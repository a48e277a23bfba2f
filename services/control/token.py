"""Temporary tokens of the speech service, for a browser that must not have the key."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from causal.errors import CausalError

TIMEOUT_S = 8.0


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
