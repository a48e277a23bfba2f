"""Which devices are open, and for whom.

A *track* is one stream's wish: a source, and the ring that shall hear it. A *line* is one device, open or waited for.
A line is shared by all tracks that want its device; a file's line belongs to one track. `tick` makes what is open
match what is wanted:

    wanted and not open      opened, and tried again: soon, then ever more slowly, and at each change of the devices
    lost                     closed, waited for, opened again: a new segment, reason `device-lost`
    silent without a word    opened again: reason `suspended`
    another default          the new one is opened first, and taken where the old one ends: reason `moved`. An old one
                             that falls silent meanwhile ends there, for its sound has moved too
    wanted by nobody         closed
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from causal import clock
from causal.clock import NS_PER_S
from causal.errors import SourceError
from causal.messages.control import Device

from .aliases import resolve
from .backend import Backend, told
from .condition import Condition, condition_of
from .drift import Drift
from .intake import KEPT_NS, Intake
from .level import AUDIBLE, Level
from .line import Line, Track
from .listing import Listing
from .ring import Ring
from .watch import retry_after_s, should_reopen

log = logging.getLogger(__name__)

STOOD_STILL_S = 2.0
"""Ticks so far apart: this process or the whole machine stood still. What a device says then counts from now on, for
all that its server has kept meanwhile is still to come, and would be lost if the device were opened again."""


class Hub:
    """Opens, shares, follows and closes devices. Lives on one thread; drivers reach it by `wake` and flags only."""

    def __init__(
        self, backends: Mapping[str, Backend], wake: Callable[[], None], now_ns: Callable[[], int] = clock.now_ns
    ) -> None:
        self.stirred = False
        """Something has happened on which `tick` should decide now. Set on any thread, taken back by `tick`."""
        self._backends = backends
        self._wake = wake
        self._now_ns = now_ns
        self._listing = Listing(backends, self._stir)
        self._tracks: dict[str, Track] = {}
        self._lines: dict[str, Line] = {}
        self._drifts: dict[str, Drift] = {}
        """Of all devices that were ever opened: some hundred numbers for each."""
        self._ticked_ns = self._awake_ns = now_ns()

    def close(self) -> None:
        """Closes all devices, and ends all rings."""
        for stream, track in list(self._tracks.items()):
            self.remove(stream, self._now_ns() if self.is_live(track.source) else None)
        self._listing.close()

    @property
    def devices(self) -> tuple[Device, ...] | None:
        """All that can be heard now; None before the first tick has asked."""
        return self._listing.devices

    @property
    def problem(self) -> SourceError | None:
        """What keeps a backend from listing its devices."""
        return next(iter(self._listing.problems), None)

    def is_live(self, source: str) -> bool:
        """Whether a source goes on by itself, heard or not; a file waits and has a place to start from."""
        backend = self._backends.get(source.partition(":")[0])
        return backend is None or backend.live

    def add(self, stream: str, source: str, ring: Ring, *, origin_ns: int, start_ns: int = 0) -> None:
        """From the next tick on `ring` hears `source`."""
        self._tracks[stream] = Track(stream, source, ring, origin_ns, start_ns)

    def remove(self, stream: str, until_ns: int | None = None) -> None:
        """The stream's ring gets its end and nothing more; its device is closed unless others want it. `until_ns`: when
        a live source should have been heard to its end."""
        track = self._tracks.pop(stream, None)
        if track is not None:
            self._leave(track)
            track.ring.end(until_ns)
            self._close_unwanted()

    def tick(self) -> None:
        """Makes what is open match what is wanted."""
        self.stirred = False
        now_ns = self._now_ns()
        if now_ns - self._ticked_ns > STOOD_STILL_S * NS_PER_S:
            self._awake_ns = now_ns
        self._ticked_ns = now_ns
        if self._listing.tick(now_ns):
            for line in self._lines.values():
                line.retry_ns = 0
        for track in self._tracks.values():
            self._direct(track)
        for line in list(self._lines.values()):
            self._tend(line, now_ns)
        for track in self._tracks.values():
            self._part(track, now_ns)
            self._switch(track, now_ns)
        self._close_unwanted()

    def measure(self, stream: str) -> Level | None:
        """The stream's level, with all that came since the last call. Call it before the ring is released."""
        track = self._tracks.get(stream)
        if track is None:
            return None
        for n in range(max(track.measured, track.ring.tail), track.ring.head):
            held = track.ring.held(n)
            if track.level.add(held.samples, held.rate_hz) > AUDIBLE:
                track.sounded_ns = held.captured_ns
        track.measured = track.ring.head
        return track.level

    def condition(self, stream: str) -> Condition:
        """How the stream is doing. One that is not here has stopped."""
        track = self._tracks.get(stream)
        if track is None:
            return Condition(None, "stopped")
        kind = self._listing.kind_of(track.line.device_id) if track.line else None
        return condition_of(track, kind, self._now_ns())

    def drift_ppm(self, stream: str) -> float | None:
        """By how much the clock of the stream's device is fast, once that is known; None for a file."""
        track = self._tracks.get(stream)
        line = track.line if track else None
        return line.drift.ppm if line and line.backend.live else None

    def _stir(self) -> None:
        self.stirred = True
        self._wake()

    # Tracks

    def _direct(self, track: Track) -> None:
        """Finds the line that the track shall have."""
        if track.over:
            return
        try:
            device_id = resolve(track.source, self.devices or (), self._listing.problems)
            line = self._line_for(track, device_id)
        except SourceError as error:
            track.error, track.coming = error, None
            if track.line is None:
                track.ring.break_segment("device-lost")
            if track.line is None and not error.retryable:
                self._end(track)
            return
        track.error = None
        if line is track.line:
            track.coming = None
        elif track.line is None:
            self._take(track, line)
        else:
            track.coming = line

    def _line_for(self, track: Track, device_id: str) -> Line:
        name = device_id.partition(":")[0]
        backend = self._backends.get(name)
        if backend is None:
            known = ", ".join(sorted(self._backends))
            raise SourceError("device-not-found", f"nothing hears {device_id!r}", f"Ids begin with one of: {known}.")
        key = device_id if backend.live else f"{track.stream} {device_id}"
        if key not in self._lines:
            drift = self._drifts.setdefault(device_id, Drift()) if backend.live else Drift()
            self._lines[key] = Line(
                device_id, backend, track.origin_ns, track.start_ns, drift=drift, quiet_since_ns=self._now_ns()
            )
        return self._lines[key]

    def _part(self, track: Track, now_ns: int) -> None:
        """While another line is wanted, the present one is heard only as long as it says something: its sound moves
        there. A line that does not answer is waited for a moment."""
        if track.line is None or track.line.intake is None:
            return
        coming = track.coming
        if coming is not None and (coming.answers or coming.may_answer(now_ns)):
            track.line.intake.let_go(track.ring, answered=coming.answers)
        else:
            track.line.intake.hold(track.ring)

    def _switch(self, track: Track, now_ns: int) -> None:
        """Takes the coming line where the present one ends, or at once when that one is lost."""
        if track.line is None or track.coming is None or not track.may_change(now_ns):
            return
        reason = "moved" if track.line.intake else "device-lost"
        self._leave(track)
        track.ring.break_segment(reason)
        self._take(track, track.coming, since_ns=track.ring.end_ns or None)
        track.coming = None

    def _take(self, track: Track, line: Line, since_ns: int | None = None) -> None:
        track.line = line
        if line.intake:
            line.intake.attach(track.ring, since_ns)

    def _leave(self, track: Track) -> None:
        if track.line and track.line.intake:
            track.line.intake.detach(track.ring)
        track.line = None

    def _end(self, track: Track) -> None:
        track.over = True
        track.ring.end()

    # Lines

    def _tend(self, line: Line, now_ns: int) -> None:
        intake = line.intake
        if intake is None:
            if now_ns >= line.retry_ns and not line.over:
                self._open(line, now_ns)
            return
        if intake.heard_ns is not None:
            line.quiet_since_ns, line.error, line.tries = intake.heard_ns, None, 0
        waited_s = (now_ns - max(intake.opened_ns, intake.heard_ns or 0, self._awake_ns)) / NS_PER_S
        if intake.lost is not None:
            self._lose(line, intake.lost, now_ns)
        elif intake.ended:
            self._finish(line, None)
        elif line.backend.live and should_reopen(waited_s=waited_s, driver=intake.driver_state, tries=line.tries):
            log.info("%s says nothing for %.0f s; it is opened again", line.device_id, waited_s)
            self._shut(line, "suspended")
            self._open(line, now_ns)

    def _open(self, line: Line, now_ns: int) -> None:
        kept_ns, slept_ns = (KEPT_NS, clock.slept_ns) if line.backend.live else (0, None)
        intake = Intake(
            self._wake, self._now_ns, line.origin_ns, line.start_ns,
            stir=self._stir, kept_ns=kept_ns, drift=line.drift, slept_ns=slept_ns,
        )  # fmt: skip
        line.tries += 1
        for track in self._tracks.values():
            if track.line is line:
                intake.attach(track.ring)
        try:
            with told(f"{line.device_id} cannot be opened"):
                line.stream = line.backend.open(line.device_id, intake)
        except SourceError as error:
            self._lose(line, error, now_ns)
        else:
            line.intake = intake

    def _lose(self, line: Line, error: SourceError, now_ns: int) -> None:
        self._shut(line, "device-lost")
        if line.error is None or (line.error.message != error.message and not _says_less(error, line.error)):
            log.warning("%s: %s", line.device_id, error)
            line.error = error
        line.retry_ns = now_ns + round(retry_after_s(line.tries) * NS_PER_S)
        if not line.backend.live:
            self._finish(line, error)

    def _finish(self, line: Line, error: SourceError | None) -> None:
        line.over = True
        self._shut(line, "")
        for track in self._tracks.values():
            if track.line is line:
                track.error = error
                self._end(track)

    def _shut(self, line: Line, reason: str) -> None:
        stream, line.stream, line.intake = line.stream, None, None
        if stream is not None:
            stream.close()
        for track in self._tracks.values():
            if track.line is line:
                track.ring.fall_silent(reason)

    def _close_unwanted(self) -> None:
        wanted = {id(line) for track in self._tracks.values() for line in (track.line, track.coming) if line}
        for key, line in list(self._lines.items()):
            if id(line) not in wanted:
                self._shut(line, "")
                del self._lines[key]


def _says_less(error: SourceError, before: SourceError) -> bool:
    """Whether a device that was lost is only found missing again."""
    return error.code == "device-not-found" and before.code == "device-lost"
