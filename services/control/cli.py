"""The commands of `causal-ctl`. What one needs is imported when it runs, so that `--help` and mistakes are answered at
once.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from causal.errors import CausalError

from .command import EXIT_REFUSED, ask, client, command, main, paths, print_json, show

if TYPE_CHECKING:
    from causal.messages.control import Start

__all__ = ["main"]

FORMATS = ("txt", "md", "srt", "vtt", "json", "csv")
STOP_MARGIN_S = 5.0
TOKEN_WITHIN_S = 15.0
SHUTDOWN_WITHIN_S = 20.0


@command
@click.option("--watch", "again", is_flag=True, help="Keep it up to date; q or Ctrl-C leaves.")
def list_(again: bool, as_json: bool) -> None:
    """List what can be heard.

    These are microphones, and outputs whose sound can be heard. The first column says what `mic` and `system` mean at
    the moment.
    """
    from causal.messages.control import List

    from . import tables

    nothing = "nothing can be heard; causal-ctl doctor says what is wrong"
    if again:
        from . import changes, live

        live.repeat(client(), List(), as_json, lambda reply: tables.devices(reply) or [nothing], changes.of_devices)
        return
    reply = ask(List())
    lines = show(reply, as_json, tables.devices)
    if not lines and not as_json:
        click.echo(nothing, err=True)


@command
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--engine", metavar="ENGINE", help="Who hears: auto, assemblyai, local, or ws://… of a server.")
@click.option("--language", metavar="CODE", help="Language of the speech: en, de …")
@click.option("--keyterm", "keyterms", multiple=True, metavar="WORD", help="A name to know; may be repeated.")
@click.option("--label", default="", metavar="TEXT", help="A name for the session, for people.")
@click.option("--record", is_flag=True, help="Keep the sound, too: one FLAC file for each source.")
@click.option("--follow", is_flag=True, help="Show the transcript until the session ends; Ctrl-C stops it.")
@click.option("--wait", is_flag=True, help="Return when the session has ended: a file is over, or it was stopped.")
def start(
    sources: Sequence[str],
    engine: str | None,
    language: str | None,
    keyterms: Sequence[str],
    label: str,
    record: bool,
    follow: bool,
    wait: bool,
    as_json: bool,
) -> int:
    """Start a session and print its id.

    A SOURCE is `mic`, `system`, a device's id from `causal-ctl list`, or a sound file (WAV, FLAC, OGG, MP3), played
    in real time or as `file:talk.wav?speed=2` says. Without any: `mic` and `system`, whichever exist.

    With --wait or --follow, the exit code is 1 if the session failed.
    """
    from causal.messages.control import Start

    from .given import device_id

    request = Start(
        sources=tuple(map(device_id, sources)),
        engine=engine,
        language=language,
        keyterms=tuple(keyterms),
        label=label,
        record=record,
    )
    if not (follow or wait):
        _start(request, as_json)
        return 0
    from .follow import Interrupts
    from .follow import follow as follow_session

    with Interrupts() as interrupts:
        session = _start(request, as_json)
        return follow_session(paths(), session, interrupts, live=follow, as_json=as_json)


@command
@click.argument("session", required=False)
@click.option("--all", "everything", is_flag=True, help="Stop all sessions.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, 3600),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the last words.",
)
def stop(session: str | None, everything: bool, timeout_s: float, as_json: bool) -> None:
    """Stop a session and wait for its last words.

    Without SESSION: the one that is running. What is not transcribed within the timeout goes on in the background.
    """
    from causal.messages.control import Stop

    from . import tables

    if session and everything:
        raise click.UsageError("either SESSION or --all")

    for name in [session] if session else _running(everything):
        reply = ask(Stop(session=name, timeout_s=timeout_s), timeout_s + STOP_MARGIN_S)
        show(reply, as_json, functools.partial(tables.stopped, name))


@command
@click.option("--watch", "again", is_flag=True, help="Keep it up to date; q or Ctrl-C leaves.")
def status(again: bool, as_json: bool) -> None:
    """Tell how the work goes.

    Sessions and their streams, services and their processes, and what is wrong.
    """
    from causal.messages.control import Status

    from . import tables

    if again:
        from . import changes, live

        live.repeat(client(), Status(), as_json, tables.status, changes.of_status)
        return
    show(ask(Status()), as_json, tables.status)


@command
def watch(as_json: bool) -> None:
    """Watch all that goes on: levels, words, services.

    On a terminal this is one page, which q or Ctrl-C leaves; the stack is left alone. In a pipe each change is a line,
    with --json each event.
    """
    from . import live

    live.watch(paths(), as_json)


@command
def sessions(as_json: bool) -> None:
    """List the sessions there were, the newest first."""
    from causal.messages.control import Sessions

    from . import tables

    show(ask(Sessions()), as_json, tables.sessions)


@command
@click.argument("session")
@click.option("--format", "kind", type=click.Choice(FORMATS), help="Default: as the name of FILE says, otherwise txt.")
@click.option("--out", type=click.Path(dir_okay=False), metavar="FILE", help="Where to. Default: standard output.")
def export(session: str, kind: str | None, out: str | None, as_json: bool) -> None:
    """Write a session's transcript in one of six formats.

    txt and md to read, srt and vtt for subtitles, json with all words and times, csv for tables. Of a session that is
    going on: what has been said so far.
    """
    from .reading import export as export_session

    suffix = out.rpartition(".")[2].lower() if out else ""
    kind = kind or (suffix if suffix in FORMATS else "txt")
    text = export_session(client(), paths(), session, kind, out)
    if as_json:
        print_json({"ok": True, "session": session, "format": kind} | ({"out": out} if out else {"text": text}))
    elif not out:
        click.echo(text.encode(), nl=False)


@command
@click.argument("words", nargs=-1, required=True)
@click.option("--since", metavar="WHEN", help="Not before: 2h, 3d, 2026-01-31, or 2026-01-31T12:00.")
@click.option("--source", metavar="SOURCE", help="Only this source: mic, system, file …")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@click.option("--database", type=click.Path(), metavar="FILE", help="Default: that of causal-sink sqlite.")
def search(
    words: Sequence[str], since: str | None, source: str | None, limit: int, database: str | None, as_json: bool
) -> None:
    """Find where words were said, the newest first.

    All WORDS have to be in one utterance; "quoted words" in this order; a word may end in * for any ending. It looks
    into the database that the sink sqlite writes, which is not in the Procfile: leave causal-sink sqlite --from start
    running beside the stack.
    """
    from .reading import search as search_words

    lines, hits = search_words(paths(), words, since, source, limit, database)
    if as_json:
        print_json({"ok": True, "hits": hits})
        return
    for line in lines:
        click.echo(line)
    if not lines:
        click.echo("nothing was found", err=True)


@command
@click.option(
    "--expires-in",
    "expires_in_s",
    type=click.IntRange(1, 600),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long it may be used to begin.",
)
def token(expires_in_s: int, as_json: bool) -> None:
    """Print a temporary AssemblyAI token.

    It is for a browser, which must not have the key.
    """
    from causal.messages.control import Token

    reply = ask(Token(expires_in_s=expires_in_s), TOKEN_WITHIN_S)
    show(reply, as_json, lambda fields: [fields["token"]])


@command
@click.argument("action", type=click.Choice(("set", "show", "delete")), metavar="set|show|delete")
def key(action: str, as_json: bool) -> None:
    """Keep the AssemblyAI key in the system's keyring.

    `set` asks for it without showing it, or reads it from standard input; `show` tells where it comes from, and nothing
    of the key itself; `delete` takes it out of the keyring. If ASSEMBLYAI_API_KEY is set, that comes first. A stack
    that runs goes on with the key that it was started with.
    """
    from . import key as keys

    match action:
        case "set":
            place, said = keys.keep(_typed_key()), "the key is in the {}; the next start of the stack takes it"
        case "delete":
            place, said = keys.forget(), "the key is no longer in the {}"
        case _:
            place, said = keys.place(), ""
    show({"ok": True, "place": place}, as_json, lambda fields: [] if said else [fields["place"]])
    if said:
        click.echo(said.format(place), err=True)
        if keys.is_in_environment():
            click.echo(f"{keys.VARIABLE} is set in this shell, and comes first", err=True)


@command
@click.option("--no-browser", is_flag=True, help="Only print the link.")
def open_(no_browser: bool, as_json: bool) -> None:
    """Open the web page in a browser.

    The link that is printed lets one browser in, once and within a minute; from then on the page's plain address does.
    """
    from . import page_link

    directories = paths()
    link = page_link.new_link(directories)
    if not (no_browser or as_json) and page_link.open_in_browser(link, directories):
        click.echo("opened in the browser", err=True)
    else:
        show({"ok": True, "url": link}, as_json, lambda fields: [fields["url"]])


@command
def doctor(as_json: bool) -> int:
    """Look for what is wrong, and say what mends it.

    It looks at the sound server and listens to microphone and loopback for a second; at directories, disk, key, speech
    service, speech model and versions; and at the stack if one is running. Nothing is sent to the speech service.
    The exit code is 1 if anything fails.
    """
    from . import doctor as examination

    return 0 if examination.report(as_json) else EXIT_REFUSED


@command
def shutdown(as_json: bool) -> int:
    """End the whole stack.

    All sessions are stopped, and their last words stored; returns when that is done.
    """
    from causal.messages.control import Shutdown

    stack = client()
    show(stack.ask(Shutdown()), as_json, lambda _: [])
    if stack.wait_gone(SHUTDOWN_WITHIN_S):
        return 0
    click.echo("causal-ctl: the stack is still ending, or is started again by its supervisor", err=True)
    return EXIT_REFUSED


def _typed_key() -> str:
    """From the keyboard, unseen; or the first line of standard input."""
    if sys.stdin.isatty():
        typed: str = click.prompt("AssemblyAI key (it is not shown)", hide_input=True, err=True)
        return typed
    return sys.stdin.buffer.readline().decode("utf-8", "replace")


def _start(request: Start, as_json: bool) -> str:
    """Starts a session, prints its id, and says who hears it."""
    reply = ask(request)
    show(reply, as_json, lambda fields: [fields["session"]])
    if reply.get("engine"):
        click.echo(f"heard by {reply['engine']}", err=True)
    if request.record:
        click.echo(f"the sound is kept in {paths().recordings / reply['session']}", err=True)
    return str(reply["session"])


def _running(everything: bool) -> list[str]:
    """The sessions to stop when none was named. Raises `CausalError` when that is not exactly one, unless all shall."""
    from causal.messages.control import Status

    found = {view["status"]["session"]: view["status"] for view in ask(Status())["sessions"]}
    if everything:
        return list(found)
    running = [name for name, fields in found.items() if fields["state"] == "running"] or list(found)
    if not running:
        raise CausalError("unknown-session", "no session is running")
    if len(running) > 1:
        raise CausalError("unknown-session", f"{len(running)} sessions are running: {', '.join(running)}", "Name one.")
    return running
