"""A private PipeWire with WirePlumber and its PulseAudio door: no session, no bus, works as any user.

Devices: the sink `speakers` (so the loopback `speakers.monitor`), and the virtual source `microphone`.
The quantum is large on purpose: a small one makes PipeWire put in silence now and then on a busy machine, which no
client is told about.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from .sound_server import SoundServer
from .waiting import until

DEVICES = """\
context.properties = {
  support.dbus = false
  default.clock.rate = 48000
  default.clock.quantum = 4096
  default.clock.min-quantum = 4096
  default.clock.max-quantum = 8192
}
context.objects = [
  { factory = adapter args = {
      factory.name = support.null-audio-sink node.name = speakers node.description = "Speakers"
      media.class = Audio/Sink object.linger = true audio.position = [ FL FR ] audio.rate = 48000
      monitor.channel-volumes = true monitor.passthrough = true } }
  { factory = adapter args = {
      factory.name = support.null-audio-sink node.name = microphone node.description = "Microphone"
      media.class = Audio/Source/Virtual object.linger = true audio.position = [ MONO ] audio.rate = 48000 } }
]
"""

# Without a bus, WirePlumber ends with status 70 as long as one of these is on.
NO_BUS = """\
alsa_monitor.enabled = false
v4l2_monitor.enabled = false
libcamera_monitor.enabled = false
default_access.properties["enable-flatpak-portal"] = false
"""
NO_BLUETOOTH = "bluez_monitor.enabled = false\n"

NEEDED = ("pipewire", "wireplumber", "pipewire-pulse", "pactl", "paplay")
READY_WITHIN_S = 15.0


class PrivatePipeWire(SoundServer):
    """Starts on entry, stops on exit. `environment` is what its clients need."""

    def __init__(self) -> None:
        # A short path: a Unix socket's has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="pipewire-", dir="/tmp" if Path("/tmp").is_dir() else None))
        self.server = f"unix:{self.folder}/run/pulse/native"
        self.environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "PIPEWIRE_RUNTIME_DIR": str(self.folder / "run"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "PULSE_SERVER": self.server,
            "PULSE_COOKIE": str(self.folder / "cookie"),
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
            "DBUS_SYSTEM_BUS_ADDRESS": "disabled:",
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._write("run/.keep", "")
        self._write("config/pipewire/pipewire.conf.d/50-test.conf", DEVICES)
        self._write("config/wireplumber/main.lua.d/51-test.lua", NO_BUS)
        self._write("config/wireplumber/bluetooth.lua.d/51-test.lua", NO_BLUETOOTH)

    def start(self) -> None:
        """Starts the three processes and waits until the default devices are known."""
        self._spawn("pipewire")
        self._wait("its socket", (self.folder / "run/pipewire-0").exists)
        self._spawn("wireplumber")
        self._spawn("pipewire-pulse")
        self._wait("the default sink", lambda: "Default Sink: speakers" in self._ask("info"))
        self._wait("the microphone", lambda: "microphone" in self._ask("list", "short", "sources"))

    def stop(self) -> None:
        """Ends all processes, the last one first."""
        for process in reversed(list(self._processes.values())):
            process.terminate()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def kill(self, name: str) -> None:
        """Ends one of the processes, as a crash does."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def add_sink(self, name: str, rate_hz: int = 48_000, channels: int = 2) -> str:
        """Adds loudspeakers; returns what `unload` needs to take them away."""
        return self.pactl(
            "load-module", "module-null-sink", f"sink_name={name}", f"rate={rate_hz}", f"channels={channels}"
        )

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text)

    def _spawn(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as output:
            self._processes[name] = subprocess.Popen(
                [name], env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def _ask(self, *arguments: str) -> str:
        return subprocess.run(
            ["pactl", *arguments], env=self.environment, check=False, capture_output=True, text=True
        ).stdout

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        def look() -> bool:
            if ready():
                return True
            ended = [name for name, process in self._processes.items() if process.poll() is not None]
            if ended:
                raise RuntimeError(f"waiting for {what}; ended: {ended}\n{self._logs()}")
            return False

        until(look, READY_WITHIN_S, lambda: f"{what}\n{self._logs()}")

    def _logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.log"))
