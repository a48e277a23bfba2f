"""A link that lets a browser in to the web page, from whoever serves it."""

from __future__ import annotations

import http.client
import json
import webbrowser

from causal import page_file
from causal.errors import START_COMMAND, CausalError
from causal.paths import Paths

ANSWER_WITHIN_S = 5.0


def new_link(paths: Paths) -> str:
    """An address that works once, within a minute. Raises `CausalError` when no page is served."""
    page = page_file.read(paths.page_file)
    if page is None:
        raise _no_page(f"no web page runs in {paths.runtime}")
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("POST", "/link", headers={"Authorization": f"Bearer {page.secret}"})
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise _no_page(f"{page.url} is somebody else's (it answers {answer.status})")
        path: str = json.loads(answer.read())["path"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise _no_page(f"{page.url} does not answer: {error}") from error
    finally:
        connection.close()
    return page.url + path


def open_in_browser(link: str, paths: Paths) -> bool:
    """Shows the page; False when there is no browser to do it. What a command is called with, every user can see, so
    the browser gets a file that leads to the link."""
    file = paths.runtime / "open.html"
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(f'<!doctype html><title>Causal</title><meta http-equiv="refresh" content="0;url={link}">\n')
    return webbrowser.open(file.as_uri())


def _no_page(message: str) -> CausalError:
    return CausalError("no-stack", message, f"Start it: {START_COMMAND}, or causal-sink web beside a running stack")
