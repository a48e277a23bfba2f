"""`causal-ctl doctor`: looks at everything that a transcript needs, with and without a running stack."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import click

from causal import settings as settings_module
from causal.errors import CausalError
from causal.messages.control import Status
from causal.paths import Paths

from . import checks, checks_desktop, checks_mac, checks_sound, probes
from .checks import Result
from .client import Client

MARKS = {"ok": "ok", "warning": "warning", "failed": "FAILED"}
STYLES = {"ok": "32", "warning": "33", "failed": "1;31"}
ANSWER_WITHIN_S = 5.0
LABEL_COLUMNS = 16


def report(as_json: bool) -> bool:
    """Prints what is found, each result as soon as it is known. Whether nothing fails."""
    terminal = sys.stdout.isatty()
    colour = terminal and not os.environ.get("NO_COLOR")
    columns = shutil.get_terminal_size().columns if terminal else None
    results = []
    for result in examine():
        results.append(result)
        if not as_json:
            click.echo("\n".join(lines(result, colour=colour, columns=columns)))
    well = all(result.state != "failed" for result in results)
    if as_json:
        click.echo(json.dumps({"ok": well, "checks": [vars(result) for result in results]}, ensure_ascii=False))
    else:
        click.echo(f"\n{summary(results)}")
    return well


def examine(environ: Mapping[str, str] = os.environ) -> Iterator[Result]:
    """One result after the other, each as soon as it is known."""
    yield checks.versions(*probes.versions(), sys.version_info[:2])
    wanted, stt_url, backend = "auto", "", "auto"
    try:
        settings = settings_module.load(environ=environ)
    except CausalError as error:
        yield checks.broken_settings(error)
    else:
        wanted, stt_url, backend = settings.engine, settings.stt_url, settings.backend
        file = settings_module.user_file(environ)
        yield checks.settings(file, file.exists(), wanted)
    reply: Mapping[str, Any] | CausalError = CausalError("no-stack", "")
    try:
        paths = Paths.from_environment(environ)
    except CausalError as error:
        yield Result("sockets", "failed", error.message, error.hint)
    else:
        reply = _status(paths)
        yield from _places(paths, reply)
    yield from _hearers(wanted, stt_url, reply, environ)
    yield from sound(environ, backend)


def sound(environ: Mapping[str, str], backend: str = "auto") -> Iterator[Result]:
    """What is found about devices, and about the permission to hear them. `backend` is the setting."""
    match sys.platform:
        case "darwin":
            yield from checks_mac.permissions(*probes.mac_permissions())
            yield from checks_desktop.sound(probes.hearing(backend), checks_desktop.MACOS)
        case "win32":
            yield from checks_desktop.sound(probes.hearing(backend), checks_desktop.WINDOWS)
        case _:
            yield from checks_sound.sound(probes.hearing(backend), probes.sound_servers(), probes.way_to_sound(environ))


def lines(result: Result, *, colour: bool, columns: int | None) -> list[str]:
    """A result for people: what was found, and under it what mends it. Wrapped at `columns`, if there is a terminal."""
    mark = f"{MARKS[result.state]:<8}"
    mark = f"\x1b[{STYLES[result.state]}m{mark}\x1b[0m" if colour else mark
    first, *more = _wrapped(result.found, columns)
    more += [("→ " if not number else "  ") + text for number, text in enumerate(_wrapped(result.fix, columns))]
    return [f"{mark}{result.name:<{LABEL_COLUMNS}}{first}", *(" " * (8 + LABEL_COLUMNS) + text for text in more)]


def summary(results: list[Result]) -> str:
    """How many are wrong."""
    failed = sum(result.state == "failed" for result in results)
    warnings = sum(result.state == "warning" for result in results)
    if not failed and not warnings:
        return "everything is well"
    return f"{failed} failed, {warnings} warning{'' if warnings == 1 else 's'}"


def _wrapped(text: str, columns: int | None) -> list[str]:
    if columns is None:
        return [text] if text else []
    room = max(20, columns - LABEL_COLUMNS - 8 - 2)
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)


def _status(paths: Paths) -> Mapping[str, Any] | CausalError:
    try:
        return Client(paths).ask(Status(), ANSWER_WITHIN_S)
    except CausalError as error:
        return error


def _places(paths: Paths, reply: Mapping[str, Any] | CausalError) -> Iterator[Result]:
    yield checks.runtime(probes.folder(paths.runtime))
    yield checks.disk("data directory", probes.folder(paths.data))
    brokers = (probes.broker_of(paths.runtime / "broker-1.lock"), probes.broker_of(paths.data / "broker.lock"))
    yield from checks.stack(reply, probes.installed_version(), *brokers)


def _hearers(
    wanted: str, stt_url: str, reply: Mapping[str, Any] | CausalError, environ: Mapping[str, str]
) -> Iterator[Result]:
    """Key, service and model: what is needed of them depends on who hears the room."""
    place, tidy = probes.key_place(environ)
    running = "" if isinstance(reply, CausalError) else str(reply.get("engine", ""))
    heard_by = running or (_auto(place) if wanted == "auto" else wanted)
    if running == "assemblyai" and isinstance(place, CausalError):
        yield Result("key", "ok", "the running stack has one; this shell has none")
    else:
        yield checks.key(place, tidy, heard_by)
    address = stt_url if heard_by in ("assemblyai", "local") else heard_by
    if address:
        yield checks.speech_service(probes.reach(address), needed=heard_by != "local")
    yield checks.model(*probes.model(), needed=heard_by == "local")


def _auto(place: str | CausalError) -> str:
    return "local" if isinstance(place, CausalError) else "assemblyai"
