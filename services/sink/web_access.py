"""Who may see the page: the browser that `causal-ctl open` has let in. No I/O.

Loopback is open to every user of the computer and, by way of a browser, to every web site. So a browser is let in once,
by a link that only somebody who can read the secret gets, and from then on shows two things:

    cookie   kept from scripts and from requests that other sites start; but a browser shows it to every port of the
             host, thus also to another user's server
    key      kept by the page's own storage, which belongs to this port alone; but a script could read it

Both follow from the secret and the port, so they outlive a restart of the process.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict

LINK_LIVES_S = 60.0
OPEN_LINKS = 16


class Access:
    """Holds at most 16 links that were not used yet; the oldest goes first."""

    def __init__(self, secret: str, port: int) -> None:
        self.cookie_name = f"causal-{port}"
        self.cookie = self._derive(secret, "cookie", port)
        self.key = self._derive(secret, "key", port)
        self.origins = tuple(f"http://{host}:{port}" for host in ("127.0.0.1", "localhost"))
        """What a browser calls our own page."""
        self._bearer = f"Bearer {secret}"
        self._hosts = frozenset(origin.removeprefix("http://") for origin in self.origins)
        self._links: OrderedDict[str, float] = OrderedDict()

    def is_own_host(self, host: str | None) -> bool:
        """Whether the request was meant for us: a site whose name was made to lead here has another `Host`."""
        return host in self._hosts

    def is_own_origin(self, origin: str | None) -> bool:
        """Whether the page that asks is ours."""
        return origin in self.origins

    def is_owner(self, authorization: str | None) -> bool:
        """Whether who asks can read the secret."""
        return _same(authorization, self._bearer)

    def has_cookie(self, cookie: str | None) -> bool:
        return _same(cookie, self.cookie)

    def has_key(self, key: str | None) -> bool:
        return _same(key, self.key)

    def new_link(self, now_s: float) -> str:
        """A word that lets in once, within a minute."""
        link = secrets.token_urlsafe(24)
        self._links[link] = now_s + LINK_LIVES_S
        while len(self._links) > OPEN_LINKS:
            self._links.popitem(last=False)
        return link

    def redeem(self, link: str, now_s: float) -> bool:
        """Whether the link lets in; it does not a second time."""
        return now_s < self._links.pop(link, now_s)

    @staticmethod
    def _derive(secret: str, what: str, port: int) -> str:
        return hmac.new(secret.encode(), f"causal {what} {port}".encode(), hashlib.sha256).hexdigest()


def _same(given: str | None, right: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())
