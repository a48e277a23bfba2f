"""Does to a running stack what a fault says, and undoes it at the fault's end."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from .assemblyai_server import AssemblyAIServer
from .fault_schedule import Fault
from .machine_clocks import MachineClocks
from .pulse_server import SCRIPT, PrivatePulse
from .small_disk import SmallDisk
from .stack import Stack

Do = Callable[[psutil.Process], None]
Way = Callable[[str, float], contextlib.AbstractContextManager[None]]
"""To what, and for how long: a fault, from its beginning to its end."""

SPARE_SCRIPT = SCRIPT + (
    "load-module module-null-sink sink_name=spare format=float32le norewinds=1 sink_properties=device.class=sound\n"
)
"""With another pair of loudspeakers, which nothing plays into: the default while the first are unplugged, for the
server prefers devices of that class. When the first are back they are the default again, and what was playing moves
back with them."""

ERRORS = {3005: "Server error", 3008: "Session Expired: maximum session duration exceeded"}
AWAY_STATUS = 502
FIND_WITHIN_S = 3.0


@dataclass(frozen=True)
class WorkerHands:
    """Kills and freezes processes."""

    stack: Stack
    chance: random.Random = field(default_factory=lambda: random.Random(1), kw_only=True)
    """Chooses between the workers of a service."""

    def do(self, fault: Fault) -> None:
        """Returns when the fault is over."""
        with self._ways()[fault.kind](fault.target, fault.length_s):
            time.sleep(fault.length_s)

    def workers(self, service: str) -> list[psutil.Process]:
        """A service's workers, without asking the controller; none while there is none."""
        found = []
        for process in self.stack.leftovers():
            with contextlib.suppress(psutil.Error):
                words = process.cmdline()
                if "--no-respawn" in words and any(Path(word).name == f"causal-{service}" for word in words):
                    found.append(process)
        return found

    def _ways(self) -> dict[str, Way]:
        return {
            "kill": self._kill,
            "kill-two": self._kill_two,
            "freeze": self._freeze,
            "freeze-all": self._freeze_all,
        }

    @contextlib.contextmanager
    def _kill(self, service: str, _: float) -> Iterator[None]:
        self._do(service, psutil.Process.kill)
        yield

    @contextlib.contextmanager
    def _kill_two(self, services: str, _: float) -> Iterator[None]:
        one, two = services.split()
        self._do(one, psutil.Process.kill)
        yield
        self._do(two, psutil.Process.kill)

    @contextlib.contextmanager
    def _freeze(self, service: str, _: float) -> Iterator[None]:
        frozen = self._do(service, psutil.Process.suspend)
        yield
        with contextlib.suppress(psutil.Error):  # its parent may have killed it
            frozen.resume()

    @contextlib.contextmanager
    def _freeze_all(self, _target: str, _: float) -> Iterator[None]:
        """Parents, workers and all, as when the machine sleeps."""
        processes = self.stack.leftovers()
        _do_all(processes, psutil.Process.suspend)
        yield
        _do_all(processes, psutil.Process.resume)

    def _do(self, service: str, what: Do) -> psutil.Process:
        def do() -> psutil.Process | None:
            workers = self.workers(service)
            if workers:
                worker = self.chance.choice(workers)
                with contextlib.suppress(psutil.NoSuchProcess):
                    what(worker)
                    return worker
            return None

        found = self.stack.until(do, FIND_WITHIN_S, f"a worker of {service}")
        assert found is not None
        return found


@dataclass(frozen=True)
class Hands(WorkerHands):
    """All that the laboratory can do."""

    server: AssemblyAIServer
    pulse: PrivatePulse
    disk: SmallDisk
    clocks: MachineClocks

    def _ways(self) -> dict[str, Way]:
        return super()._ways() | {
            "refuse": self._refuse,
            "close": self._close,
            "error": self._error,
            "abort": self._abort,
            "silence": self._silence,
            "stall": self._stall,
            "nonsense": self._nonsense,
            "outage": self._be_away,
            "unplug": self._unplug,
            "suspend": self._suspend,
            "sound-server": self._restart_sound_server,
            "disk-full": self._fill_disk,
            "clock-jump": self._set_clock,
            "sleep": self._sleep,
        }

    # --- the speech service ---

    @contextlib.contextmanager
    def _refuse(self, status: str, _: float) -> Iterator[None]:
        self.server.faults.refuse_status = int(status)
        self.server.abort_all()
        yield
        self.server.faults.refuse_status = None

    @contextlib.contextmanager
    def _close(self, code: str, _: float) -> Iterator[None]:
        self.server.close_all(int(code))
        yield

    @contextlib.contextmanager
    def _error(self, code: str, _: float) -> Iterator[None]:
        self.server.fail_all(int(code), ERRORS[int(code)])
        yield

    @contextlib.contextmanager
    def _abort(self, _target: str, _: float) -> Iterator[None]:
        self.server.abort_all()
        yield

    @contextlib.contextmanager
    def _silence(self, _target: str, _: float) -> Iterator[None]:
        self.server.freeze()
        yield
        self.server.thaw()

    @contextlib.contextmanager
    def _stall(self, _target: str, _: float) -> Iterator[None]:
        self.server.faults.stall_begin = True
        self.server.abort_all()
        yield
        self.server.faults.stall_begin = False

    @contextlib.contextmanager
    def _nonsense(self, _target: str, _: float) -> Iterator[None]:
        self.server.rules.nonsense = True
        yield
        self.server.rules.nonsense = False

    @contextlib.contextmanager
    def _be_away(self, _target: str, _: float) -> Iterator[None]:
        with self._refuse(str(AWAY_STATUS), 0.0):
            yield

    # --- devices ---

    @contextlib.contextmanager
    def _unplug(self, device: str, _: float) -> Iterator[None]:
        modules = [line.split("\t") for line in self.pulse.pactl("list", "short", "modules").splitlines()]
        index, name, options = next(module[:3] for module in modules if f"_name={device} " in f"{module[2]} ")
        self.pulse.unload(index)
        yield
        self.pulse.pactl("load-module", name, options)

    @contextlib.contextmanager
    def _suspend(self, device: str, _: float) -> Iterator[None]:
        kind = "suspend-sink" if device == "speakers" else "suspend-source"
        self.pulse.pactl(kind, device, "1")
        yield
        self.pulse.pactl(kind, device, "0")

    @contextlib.contextmanager
    def _restart_sound_server(self, _target: str, _: float) -> Iterator[None]:
        self.pulse.kill()
        yield
        self.pulse.start()

    # --- the disk ---

    @contextlib.contextmanager
    def _fill_disk(self, _target: str, _: float) -> Iterator[None]:
        self.disk.fill()
        yield
        self.disk.make_room()

    # --- the clocks ---

    @contextlib.contextmanager
    def _set_clock(self, offset_s: str, _: float) -> Iterator[None]:
        self.clocks.set_wall(float(offset_s))
        yield

    @contextlib.contextmanager
    def _sleep(self, length_s: str, _: float) -> Iterator[None]:
        """All processes stand still, the sound server too; when they go on, so much time has passed."""
        self.pulse.freeze()
        processes = self.stack.leftovers()
        _do_all(processes, psutil.Process.suspend)
        yield
        self.clocks.sleep(float(length_s))
        _do_all(processes, psutil.Process.resume)
        self.pulse.freeze(False)


def _do_all(processes: Iterable[psutil.Process], what: Do) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            what(process)
