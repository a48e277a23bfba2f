"""The hands of `causal-ctl doctor`: each looks at one thing and says what it found, without a verdict."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from packaging.requirements import Requirement

from causal import permission
from causal.errors import CausalError
from causal.permission import Answer

from . import key
from .checks import Folder, Reached
from .checks_sound import Hearing, Problem, Way

PACKAGE = "causal-audio"
CONNECT_WITHIN_S = 4.0
HEAR_WITHIN_S = 12.0
MODEL_WITHIN_S = 60.0
KEYRING_WITHIN_S = 5.0
UNANSWERED_FIX = {
    "linux": "systemctl --user restart pipewire.service pipewire-pulse.service, or: pulseaudio --kill",
    "darwin": "Look for a question of macOS on the screen, and answer it.",
}
SHOWN = ("msgspec", "numpy", "onnxruntime", "soxr", "soundfile", "websockets")

ENGINE = "from causal.commands import engine; engine()"


def folder(path: Path) -> Folder:
    """A directory; tries to write where it is, or would be made."""
    exists = path.is_dir()
    place = path
    while not place.is_dir() and place != place.parent:
        place = place.parent
    status = place.stat()
    return Folder(
        path,
        exists,
        _can_write(place),
        shutil.disk_usage(place).free,
        status.st_mode & 0o777 if exists else 0o700,
        not exists or sys.platform == "win32" or status.st_uid == os.getuid(),
    )


def broker_of(lock: Path) -> int | None:
    """The pid of the broker that holds a lock, if it is alive. The lock itself is not touched."""
    import psutil

    try:
        pid = int(lock.read_text("ascii", "replace"))
        return pid if any("broker" in part for part in psutil.Process(pid).cmdline()) else None
    except (OSError, ValueError, psutil.Error):
        return None


def key_place(environ: Mapping[str, str] = os.environ) -> tuple[str | CausalError, bool]:
    """Where the key is, or why there is none, and whether it looks like one."""
    try:
        place = key.aside(partial(key.place, environ)).result(KEYRING_WITHIN_S)
    except TimeoutError:
        return key.no_answer(), True
    except CausalError as error:
        return error, True
    return place, not key.is_in_environment(environ) or bool(key.LOOKS_LIKE_A_KEY.fullmatch(environ[key.VARIABLE]))


def reach(address: str, within_s: float = CONNECT_WITHIN_S) -> Reached:
    """Connects as far as TCP and TLS, through the proxy that the gateway would use, and goes away again."""
    try:
        parts = urlsplit(address)
        port = parts.port or {"wss": 443, "ws": 80}[parts.scheme]
    except (KeyError, ValueError):
        return Reached("", 0, "address", address)
    host = parts.hostname or ""
    try:
        with _connected(host, port, parts.scheme, within_s) as plain:
            if parts.scheme == "wss":
                with ssl.create_default_context().wrap_socket(plain, server_hostname=host):
                    pass
    except socket.gaierror:
        return Reached(host, port, "name")
    except ConnectionRefusedError:
        return Reached(host, port, "refused")
    except TimeoutError:
        return Reached(host, port, "timeout")
    except ssl.SSLCertVerificationError as error:
        return Reached(host, port, "certificate", error.verify_message)
    except OSError as error:
        return Reached(host, port, "network", error.strerror or str(error))
    return Reached(host, port)


def model() -> tuple[bool, str]:
    """Whether the engine's model is whole, and what the engine says of it."""
    command = [sys.executable, "-c", ENGINE, "prepare", "--check"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=MODEL_WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False, f"the check has not ended within {MODEL_WITHIN_S:.0f} s"
    lines = done.stderr.strip().splitlines()
    return done.returncode == 0, lines[-1].removeprefix("causal-engine: ") if lines else ""


def hearing(backend: str) -> Hearing | Problem:
    """What can be heard, by a process that is thrown away. `backend` is the setting."""
    command = [sys.executable, "-m", "causal.control.hearing", backend]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=HEAR_WITHIN_S, check=False
        )
        return msgspec.json.decode(done.stdout, type=Hearing)
    except subprocess.TimeoutExpired:
        hint = UNANSWERED_FIX.get(sys.platform, "")
        return Problem("device-unavailable", f"the sound system has not answered for {HEAR_WITHIN_S:.0f} s", hint)
    except msgspec.DecodeError:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return Problem("internal", f"listening ended with code {done.returncode}: {said[-1] if said else 'silently'}")


def mac_permissions() -> tuple[tuple[int, ...], Answer, Answer]:
    """macOS's version, and what it says about the microphone and about recording the screen."""
    version = tuple(int(part) for part in platform.mac_ver()[0].split(".") if part.isdigit())
    return version, permission.microphone(), permission.screen()


def way_to_sound(environ: Mapping[str, str] = os.environ) -> Way:
    """How clients find the sound server."""
    if environ.get("PULSE_SERVER"):
        return "named"
    if sys.platform == "win32":
        return "usual"
    hidden = not environ.get("XDG_RUNTIME_DIR") and Path(f"/run/user/{os.getuid()}").is_dir()
    return "hidden" if hidden else "usual"


def sound_servers() -> list[str]:
    """Those that are installed and can be started here, the one to start first."""
    programs = {"pipewire": ("pipewire-pulse", "systemctl"), "pulseaudio": ("pulseaudio",)}
    return [name for name, needed in programs.items() if all(map(shutil.which, needed))]


def versions() -> tuple[dict[str, str], list[str]]:
    """What is installed with its version, and what is required but is not there."""
    import zmq

    found = {
        "Causal": installed_version(),
        "Python": ".".join(map(str, sys.version_info[:3])),
        "pyzmq": zmq.__version__,
        "libzmq": zmq.zmq_version(),
    }
    if library := _libpulse_version():
        found["libpulse"] = library
    missing = []
    for text in importlib.metadata.requires(PACKAGE) or []:
        requirement = Requirement(text)
        name = requirement.name
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                missing.append(name)
        else:
            found |= {name: version} if name in SHOWN else {}
    return found, missing


def installed_version() -> str:
    return importlib.metadata.version(PACKAGE)


def _can_write(place: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"causal")
    except OSError:
        return False
    return True


def _connected(host: str, port: int, scheme: str, within_s: float) -> socket.socket:
    """A TCP connection; by way of an HTTP proxy where the environment names one. Raises `OSError`."""
    proxies = urllib.request.getproxies()
    proxy = proxies.get("https" if scheme == "wss" else "http", "") or proxies.get("all", "")
    if not proxy.startswith("http://") or _is_local(host) or urllib.request.proxy_bypass(host):
        return socket.create_connection((host, port), within_s)
    way = urlsplit(proxy)
    plain = socket.create_connection((way.hostname or "", way.port or 80), within_s)
    plain.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    status = plain.recv(4096).split(b"\r\n", 1)[0].decode("latin-1")
    if " 200" not in status:
        plain.close()
        raise OSError(f"the proxy {way.hostname}:{way.port} says {status or 'nothing'!r}")
    return plain


def _is_local(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _libpulse_version() -> str:
    import ctypes

    try:
        ask = ctypes.CDLL("libpulse.so.0").pa_get_library_version
    except (OSError, AttributeError):
        return ""
    ask.restype = ctypes.c_char_p
    return str(ask().decode())
