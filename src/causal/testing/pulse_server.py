"""A private PulseAudio server: its own directory, socket and devices; no session, no bus, works as any user.

    with PrivatePulse() as pulse:
        pulse.play(path)                      # into the virtual loudspeakers
        pulse.play(path, sink="feed")         # into the virtual microphone

Devices: the sink `speakers` (so the loopback `speakers.monitor`), and the source `microphone`, fed by the sink `feed`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from .sound_server import SoundServer
from .waiting import until

# norewinds=1: without it an idle null sink has rendered 2 s ahead, and its monitor says nothing until then.
SCRIPT = """\
load-module module-native-protocol-unix socket={folder}/native auth-anonymous=1
load-module module-null-sink sink_name=speakers rate={rate} channels=2 format=float32le norewinds=1 \
sink_properties=device.description=Speakers
load-module module-null-sink sink_name=feed rate={rate} channels=1 format=float32le norewinds=1 \
sink_properties=device.description=Feed
load-module module-remap-source source_name=microphone master=feed.monitor \
source_properties=device.description=Microphone
set-default-sink speakers
set-default-source microphone
"""

OPTIONS = (
    "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes", "--realtime=no",
    "--high-priority=no", "--log-target=stderr",
)  # fmt: skip

NEEDED = ("pulseaudio", "pactl", "paplay")
READY_WITHIN_S = 10.0


class PrivatePulse(SoundServer):
    """Starts on entry, stops on exit. `environment` is what its clients need."""

    def __init__(
        self,
        rate_hz: int = 48_000,
        script: str = SCRIPT,
        *,
        server_environment: Mapping[str, str] | None = None,
        urgent: bool = False,
    ) -> None:
        """`urgent`: a busy machine shall not make the devices stumble, as far as this user may ask for that."""
        # A short path: a Unix socket's has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="pulse-", dir="/tmp" if Path("/tmp").is_dir() else None))
        self.server = f"unix:{self.folder}/native"
        self.environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
            "PULSE_RUNTIME_PATH": str(self.folder / "run"),
            "PULSE_STATE_PATH": str(self.folder / "state"),
            "PULSE_COOKIE": str(self.folder / "cookie"),
            "PULSE_SERVER": self.server,
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        }
        self._options = (*OPTIONS, "--realtime=yes", "--high-priority=yes") if urgent else OPTIONS
        self._server_environment = dict(server_environment or {})
        self._script = script.format(folder=self.folder, rate=rate_hz)
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("run", "state"):
            (self.folder / name).mkdir(mode=0o700)

    def start(self) -> None:
        """Starts the server, again if it was stopped or killed, and waits until it answers."""
        script, log = self.folder / "start.pa", self.folder / "log"
        script.write_text(self._script)
        (self.folder / "native").unlink(missing_ok=True)
        without_server = {name: value for name, value in self.environment.items() if name != "PULSE_SERVER"}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["pulseaudio", "-n", "-F", script, *self._options],
                env=without_server | self._server_environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        until(self._answers, READY_WITHIN_S, lambda: f"pulseaudio answers:\n{log.read_text(errors='replace')}")

    def stop(self) -> None:
        """Ends the server in order."""
        self._end(subprocess.Popen.terminate)

    def kill(self) -> None:
        """Ends the server at once, as a crash does."""
        self._end(subprocess.Popen.kill)

    def freeze(self, frozen: bool = True) -> None:
        """Stops the server without ending it, or lets it go on."""
        if self._process is not None:
            process = psutil.Process(self._process.pid)
            (process.suspend if frozen else process.resume)()

    def add_sink(self, name: str, rate_hz: int = 48_000, channels: int = 2) -> str:
        """Adds loudspeakers; returns what `unload` needs to take them away."""
        return self.pactl("load-module", "module-null-sink", f"sink_name={name}", "norewinds=1", "format=float32le",
                          f"rate={rate_hz}", f"channels={channels}")  # fmt: skip

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"pulseaudio does not start:\n{(self.folder / 'log').read_text(errors='replace')}")
        asked = subprocess.run(["pactl", "info"], env=self.environment, capture_output=True, check=False)
        return asked.returncode == 0

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        how(process)
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(process.pid).resume()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
