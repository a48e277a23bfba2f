"""The page's HTTP: its files, the way in, and the socket. Nothing is served to a foreign host name or page.

POST /link          whoever can read the secret gets a link that lets a browser in once
GET  /open?once=…   the browser gets cookie and key
GET  /              the page, for a browser that was let in
WS   /live          all the rest (`web_page`)
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from .web_access import Access
from .web_hub import Hub
from .web_page import Answer, PageSocket

FOLDER = Path(__file__).parent / "page"
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
KEPT_S = 400 * 24 * 3600
"""How long a browser keeps the cookie: as long as browsers do. It dies with the secret."""

HEADERS = {
    "cache-control": "no-cache",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def make(access: Access, hub: Hub, answer: Answer) -> ASGIApp:
    """The whole application."""
    routes = Routes(access, hub, answer)
    app = Starlette(
        routes=[
            Route("/", routes.page, methods=["GET"]),
            Route("/link", routes.link, methods=["POST"]),
            Route("/open", routes.open, methods=["GET"]),
            WebSocketRoute("/live", routes.live),
            *(Route(f"/{name}", routes.file, methods=["GET"]) for name in _public_files()),
        ]
    )
    return Guard(app, access)


class Routes:
    def __init__(self, access: Access, hub: Hub, answer: Answer) -> None:
        self._access = access
        self._hub = hub
        self._answer = answer

    async def page(self, request: Request) -> Response:
        if not self._access.has_cookie(request.cookies.get(self._access.cookie_name)):
            return FileResponse(FOLDER / "refused.html", 403)
        return FileResponse(FOLDER / "index.html")

    async def file(self, request: Request) -> Response:
        path = FOLDER / request.url.path.removeprefix("/")
        return FileResponse(path, media_type=KINDS[path.suffix])

    async def link(self, request: Request) -> Response:
        if "origin" in request.headers or not self._access.is_owner(request.headers.get("authorization")):
            return PlainTextResponse("The secret in web.json is wanted.\n", 403)
        return JSONResponse({"path": f"/open?once={self._access.new_link(time.monotonic())}"})

    async def open(self, request: Request) -> Response:
        if "sec-purpose" in request.headers:  # a browser that reads ahead must not use the link up
            return PlainTextResponse("Not in advance.\n", 503)
        if not self._access.redeem(request.query_params.get("once", ""), time.monotonic()):
            return FileResponse(FOLDER / "refused.html", 403)
        html = (FOLDER / "opened.html").read_text("utf-8").replace("{key}", self._access.key)
        response = HTMLResponse(html, headers={"cache-control": "no-store"})
        response.set_cookie(
            self._access.cookie_name, self._access.cookie, max_age=KEPT_S, httponly=True, samesite="strict"
        )
        return response

    async def live(self, socket: WebSocket) -> None:
        await PageSocket(socket, self._hub, self._access, self._answer).run()


class Guard:
    """Lets through what was meant for us and comes from our own page, or from no page; adds the headers that keep the
    page to itself."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._headers = HEADERS | {"content-security-policy": _policy(access)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope["type"], Headers(scope=scope)) if scope["type"] != "lifespan" else None
        if scope["type"] == "websocket":
            if refusal:
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": refusal})
                return
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        app = self._app if refusal is None else PlainTextResponse(f"{refusal}\n", 403)
        await app(scope, receive, send_with_headers)

    def _refusal(self, kind: str, headers: Mapping[str, str]) -> str | None:
        if not self._access.is_own_host(headers.get("host")):
            return f"This is {self._access.origins[0]}, under no other name."
        if not self._access.is_own_origin(headers.get("origin")) and (kind == "websocket" or "origin" in headers):
            return "Only this server's own page may ask."
        return None


def _policy(access: Access) -> str:
    sockets = " ".join(origin.replace("http://", "ws://") for origin in access.origins)
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' {sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _public_files() -> list[str]:
    """What has no secret in it: also the page that refuses is styled."""
    return sorted(path.name for path in FOLDER.iterdir() if path.suffix in KINDS)
