"""What `causal-ctl` reads by itself: the event log for `export`, the database of the sink sqlite for `search`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import zmq

from causal import export as export_module
from causal import search as search_module
from causal import whole_file, wire
from causal.errors import CausalError
from causal.messages.control import Sessions
from causal.paths import Paths
from causal.screen import clean

from . import tables
from .client import Client


def export(client: Client, paths: Paths, session: str, kind: str, out: str | None) -> str:
    """The transcript of a session; written to `out` if that is given. Raises `CausalError`."""
    known = [fields["session"] for fields in client.ask(Sessions())["sessions"]]
    context: zmq.Context[zmq.Socket[bytes]]
    with zmq.Context() as context:
        text = export_module.export(context, paths, session, kind, known)
    if out:
        try:
            whole_file.replace(Path(out), text)
        except OSError as error:
            text = f"{out} cannot be written: {error.strerror or error}"
            raise CausalError("bad-config", text, "Give another file by --out.") from error
    return text


def search(
    paths: Paths, words: Sequence[str], since: str | None, source: str | None, limit: int, database: str | None
) -> tuple[list[str], list[dict[str, Any]]]:
    """What was found, as lines and as maps. Raises `CausalError`."""
    try:
        earliest = search_module.since_of(since, datetime.now().astimezone()) if since else ""
    except (ValueError, OverflowError) as error:
        raise CausalError("bad-request", str(error)) from error
    path = Path(database) if database else search_module.default_database(paths.data)
    asked = search_module.words_of(words)
    hits = search_module.search(path, asked, since=earliest, source=source, limit=limit)
    begin, end = ("\x1b[1m", "\x1b[0m") if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else ("[", "]")
    lines = []
    for hit in hits:
        who = f"{hit.source} {hit.speaker}" if hit.speaker else hit.source
        text = search_module.marked(hit.snippet, begin, end)
        lines.append(f"{tables.local_time(hit.started_at)}  {clean(hit.session)}  {clean(who)}: {text}")
    return lines, [wire.to_map(hit) | {"snippet": search_module.marked(hit.snippet, "[", "]")} for hit in hits]
