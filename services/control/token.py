"""A temporary token of the speech service, for a browser that must not have the key."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from causal.errors import CausalError

TIMEOUT_S = 8.0


def mint(stt_url: str, key: str, expires_in_s: int) -> dict[str, Any]:
    """`{token, expires_in_s}` from `GET /v3/token`. Blocks; raises `CausalError` with what the service said."""
    address = stt_url.replace("ws", "http", 1).rstrip("/").removesuffix("/v3/ws")
    query = urllib.parse.urlencode({"expires_in_seconds": expires_in_s})
    request = urllib.request.Request(f"{address}/v3/token?{query}", headers={"Authorization": key})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            reply = json.load(response)
        return {"token": str(reply["token"]), "expires_in_s": int(reply.get("expires_in_seconds", expires_in_s))}
    except urllib.error.HTTPError as error:
        code = "auth-failed" if error.code in (401, 403) else "rejected-by-service"
        text = error.read(500).decode("utf-8", "replace")
        raise CausalError(
            code, f"the speech service gives no token: {error.code} {text}", "Is the key right?"
        ) from error
    except (OSError, ValueError, KeyError) as error:
        text = f"the speech service cannot be asked for a token: {error}"
        raise CausalError("connection-failed", text, "Is the network there?") from error
