"""What the hub keeps: devices, and the streams that want them."""

from __future__ import annotations

from dataclasses import dataclass, field

from causal.clock import NS_PER_S
from causal.errors import SourceError

from .aliases import KINDS
from .backend import Backend, Stream
from .drift import Drift
from .intake import Intake
from .level import Level
from .ring import Ring

SEAM_WITHIN_NS = NS_PER_S // 2
"""A device that has said nothing for so long is left at once: the next one need not reach back to its end."""

ANSWERS_WITHIN_NS = 4 * NS_PER_S // 5
"""So long a device may take to be opened before another one's silence is believed again: less than is kept of that."""


@dataclass(eq=False)
class Line:
    """One device. `intake` and `stream` are there while it is open."""

    device_id: str
    backend: Backend
    origin_ns: int
    start_ns: int
    intake: Intake | None = None
    stream: Stream | None = None
    error: SourceError | None = None
    tries: int = 0
    """How often it was opened since it was last heard."""
    retry_ns: int = 0
    drift: Drift = field(default_factory=Drift)
    """What is known of its clock."""
    quiet_since_ns: int = 0
    """When it was last heard; before that, when it was first wanted."""
    over: bool = False
    """A file that has ended, or failed: it is not opened again."""

    @property
    def answers(self) -> bool:
        """Whether it is open, and will deliver."""
        return self.intake is not None and self.intake.lost is None and self.intake.has_format

    def may_answer(self, now_ns: int) -> bool:
        """Whether it has been wanted for so short a time that it may still be on its way."""
        return self.error is None and now_ns - self.quiet_since_ns < ANSWERS_WITHIN_NS

    @property
    def heard(self) -> bool:
        """Whether it has delivered since it was opened."""
        return self.intake is not None and self.intake.heard_ns is not None


@dataclass(eq=False)
class Track:
    """One stream. `coming` is the line that will replace `line` as soon as it delivers."""

    stream: str
    source: str
    ring: Ring
    origin_ns: int
    start_ns: int
    line: Line | None = None
    coming: Line | None = None
    error: SourceError | None = None
    over: bool = False
    level: Level = field(default_factory=Level)
    measured: int = 0
    sounded_ns: int | None = None
    """When something that can be heard came last."""

    @property
    def follows(self) -> bool:
        """Whether it is an alias, which has another device when the default changes."""
        return self.source in KINDS

    def may_change(self, now_ns: int) -> bool:
        """Whether `coming` can take over: it is heard since before `line` ends, or `line` says nothing anyhow."""
        if self.line is None or self.coming is None:
            return False
        if self.line.intake is None:
            return True
        if self.coming.intake is None or not self.coming.heard:
            return False
        if self.line.intake.has_fallen_silent(self.ring):
            return True
        quiet_ns = now_ns - (self.line.intake.heard_ns or 0)
        return quiet_ns > SEAM_WITHIN_NS or self.coming.intake.reaches(self.ring.end_ns)
