"""What `causal-ctl doctor` makes of what its probes found: a verdict, in words, and the command that mends it. No I/O.

ok: works. warning: works, or is not needed now, but something may be missed. failed: something does not work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from causal import wire
from causal.errors import START_COMMAND, CausalError
from causal.messages.control import ServiceView, SessionView
from causal.screen import clean

State = Literal["ok", "warning", "failed"]

NEEDED_SERVICES = ("broker", "control", "capture", "resample", "stt")
FULL_BYTES = 200_000_000
"""About two hours of one stream, and the event log."""
NARROW_BYTES = 2_000_000_000
RESTART = f"causal-ctl shutdown; {START_COMMAND}"


@dataclass(frozen=True)
class Result:
    """One check. `fix` is a command, or what to do where no command does it; empty when there is nothing to do."""

    name: str
    state: State
    found: str
    fix: str = ""


@dataclass(frozen=True)
class Folder:
    """What is known of a directory; of one that does not exist, of the nearest above it that does."""

    path: Path
    exists: bool
    writable: bool
    free_bytes: int
    mode: int = 0o700
    owned: bool = True


@dataclass(frozen=True)
class Reached:
    """How far a connection came: `error` is empty when TCP and, where wanted, TLS went through."""

    host: str
    port: int
    error: Literal["", "address", "name", "refused", "timeout", "certificate", "network"] = ""
    detail: str = ""


def broken_settings(error: CausalError) -> Result:
    """Settings or directories that no service can start with."""
    return Result("settings", "failed", error.message, error.hint)


def settings(file: Path, exists: bool, engine: str) -> Result:
    """Settings that can be read."""
    return Result("settings", "ok", f"engine = {engine}; {file}{'' if exists else ' (not there: defaults)'}")


def runtime(folder: Folder) -> Result:
    """The directory of the sockets, whose path is known to be short enough."""
    name = "sockets"
    if not folder.owned:
        fix = 'export CAUSAL_RUNTIME_DIR="$(mktemp -d)"'
        return Result(name, "failed", f"{folder.path} belongs to another user", fix)
    if not folder.writable:
        return Result(name, "failed", f"{folder.path} cannot be written to", _writable(folder.path))
    if folder.exists and folder.mode & 0o077:
        found = f"{folder.path} can be entered by others (mode {folder.mode:04o}, expected 0700)"
        return Result(name, "warning", found, f"chmod 700 '{folder.path}'")
    return Result(name, "ok", f"{folder.path}{'' if folder.exists else ' (made at the start)'}")


def disk(name: str, folder: Folder) -> Result:
    """A directory that needs room."""
    free = f"{folder.free_bytes / 1e9:.1f} GB free in {folder.path}"
    if not folder.writable:
        return Result(name, "failed", f"{folder.path} cannot be written to", _writable(folder.path))
    if folder.free_bytes < FULL_BYTES:
        return Result(name, "failed", f"only {free}", f"Make room: du -sh '{folder.path}'/*")
    if folder.free_bytes < NARROW_BYTES:
        return Result(name, "warning", f"only {free}", f"Make room: du -sh '{folder.path}'/*")
    return Result(name, "ok", free)


def stack(
    reply: Mapping[str, Any] | CausalError, version: str, own_broker: int | None, data_broker: int | None
) -> list[Result]:
    """The stack by its own `status`, and the pids of the brokers that have our sockets and our data."""
    if isinstance(reply, CausalError):
        return [_no_stack(reply, own_broker, data_broker)]
    services = [wire.convert(fields, ServiceView) for fields in reply["services"]]
    sessions = [wire.convert(fields, SessionView) for fields in reply["sessions"]]
    return [_versions_agree(reply, version), *_services(services), *_faults(sessions)]


def key(place: str | CausalError, tidy: bool, heard_by: str) -> Result:
    """The AssemblyAI key: where it was found (`place`), or why it was not, and whether it looks like one. Nothing of it
    is told."""
    if isinstance(place, CausalError):
        if heard_by == "assemblyai":
            return Result("key", "failed", f"{place.message}, but AssemblyAI is to hear the room", place.hint)
        if place.code != "auth-failed":
            return Result("key", "warning", f"{place.message}; heard by {heard_by}", place.hint)
        return Result("key", "ok", f"none: heard by {heard_by}")
    if not tidy:
        fix = "export ASSEMBLYAI_API_KEY=…   (the key alone, in the shell that starts the stack)"
        return Result("key", "warning", f"from the {place}, but with blanks or quotation marks in it", fix)
    return Result("key", "ok", f"from the {place}")


def speech_service(reached: Reached, needed: bool) -> Result:
    """The speech service's address, as far as it can be tried without cost."""
    where = f"{reached.host}:{reached.port}"
    if not reached.error:
        return Result("speech service", "ok", f"{where} answers")
    found, fix = {
        "address": (f"{reached.detail!r} is no ws:// or wss:// address", "Mend stt_url or engine in causal.toml."),
        "name": (f"the name {reached.host} is not known", f"ping {reached.host}   (is there a network?)"),
        "refused": (f"{where} refuses connections", f"Is that server running? curl -v https://{where}/"),
        "timeout": (f"{where} does not answer", f"curl -v https://{where}/   (a firewall, or a proxy to be named?)"),
        "certificate": (
            f"the certificate of {where} is not trusted: {reached.detail}",
            "Is the clock right (date)? Behind a company's proxy: export SSL_CERT_FILE=…",
        ),
        "network": (f"{where} cannot be reached: {reached.detail}", f"curl -v https://{where}/"),
    }[reached.error]
    return Result("speech service", "failed" if needed else "warning", found + ("" if needed else " (not needed)"), fix)


def model(whole: bool, said: str, needed: bool) -> Result:
    """The local engine's model, as `causal-engine prepare --check` sees it."""
    if whole:
        return Result("speech model", "ok", said)
    fix = "causal-engine prepare"
    found = said.partition(f". Run: {fix}")[0] or "the check ended without a word"
    return Result("speech model", "failed" if needed else "warning", found + ("" if needed else " (not needed)"), fix)


def versions(found: Mapping[str, str], missing: Sequence[str], python: tuple[int, int]) -> Result:
    """What is installed; `missing` are packages that should be."""
    told = ", ".join(f"{name} {version}" for name, version in found.items())
    if python < (3, 11):
        return Result("versions", "failed", f"Python {python[0]}.{python[1]}, expected 3.11 or newer; {told}")
    if missing:
        fix = f"python -m pip install {' '.join(missing)}"
        return Result("versions", "failed", f"not installed: {', '.join(missing)}; {told}", fix)
    return Result("versions", "ok", told)


def _writable(path: Path) -> str:
    return f"ls -ld '{path}'; or set CAUSAL_RUNTIME_DIR, CAUSAL_DATA_DIR or CAUSAL_CACHE_DIR to places of your own"


def _no_stack(error: CausalError, own_broker: int | None, data_broker: int | None) -> Result:
    if error.code != "no-stack":
        return Result("stack", "failed", error.message, error.hint or RESTART)
    if own_broker is not None:
        found = f"the broker runs (pid {own_broker}), but the controller does not answer"
        return Result("stack", "failed", found, f"End it with Ctrl-C where it was started, then: {START_COMMAND}")
    if data_broker is not None:
        found = f"another stack (pid {data_broker}) uses the data directory, with other sockets"
        fix = f"kill {data_broker}, or give this one its own CAUSAL_RUNTIME_DIR and CAUSAL_DATA_DIR"
        return Result("stack", "failed", found, fix)
    return Result("stack", "ok", "not running", START_COMMAND)


def _versions_agree(reply: Mapping[str, Any], version: str) -> Result:
    running = str(reply.get("version", ""))
    if running != version:
        found = f"version {running} is running, {version} is installed"
        return Result("stack", "warning", found, RESTART)
    return Result("stack", "ok", f"running, version {running}; new sessions are heard by {reply.get('engine', '?')}")


def _services(views: Sequence[ServiceView]) -> list[Result]:
    alive = {view.status.service for view in views if view.alive}
    absent = [name for name in NEEDED_SERVICES if name not in alive]
    results = [Result(f"service {name}", "failed", "is not running", RESTART) for name in absent]
    for view in views:
        if view.alive and view.fault is not None:
            fault = view.fault
            results.append(Result(f"service {view.status.service}", "failed", clean(fault.message), clean(fault.hint)))
    if not results:
        results.append(Result("services", "ok", f"{', '.join(sorted(alive))} are running"))
    return results


def _faults(views: Sequence[SessionView]) -> list[Result]:
    return [
        Result(f"stream {source}", "failed", clean(fault.message), clean(fault.hint))
        for view in views
        for source, fault in view.faults.items()
    ]
