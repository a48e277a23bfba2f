"""One stream from blocks to chunks: what came, what to do. Opens nothing.

for action in stream.hear(block, samples):
    ...carry it out, in this order...
told = stream.tell(now_s)    # afterwards: an acknowledgement must not overtake the journal
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from causal.journal_record import SAMPLE_NS
from causal.messages import Block, Chunk, Gap, Next, StreamName
from causal.messages.audio import CHUNK_SAMPLES

from .activity import Activity
from .framer import Frame
from .inlet import Inlet
from .resampler import Floats
from .run import Run, taken_up
from .timeline import SAMPLES_PER_MS, Hole, Timeline

HIGHEST_RATE_HZ = 1_000_000
MOST_CHANNELS = 256
CHUNK_MS = 100
PADDED_CHUNKS = 10
"""Of lost chunks, so many may have been short ones, at the ends of runs."""


@dataclass(frozen=True)
class KeepChunk:
    """Write it into the journal, then pass it on."""

    chunk: Chunk
    samples: npt.NDArray[np.int16]


@dataclass(frozen=True)
class PublishGap:
    """Tell everyone; the same `key` is stored once."""

    gap: Gap
    key: str


Action = KeepChunk | PublishGap


class Stream:
    """Turns the blocks of one stream into chunks, on one time line, over all epochs, segments and restarts.

    `last` is the newest chunk in the journal, None when it is empty. What `hear` and the others return must be carried
    out before `tell` is asked.
    """

    def __init__(self, name: str, started_ns: int, last: Chunk | None, *, outran: int = 0) -> None:
        """`outran`: up to so many chunks behind `last` were passed on, and died with the process that held them."""
        self.name = name
        self.inlet = Inlet(name)
        self.ended = last is not None and last.end
        self.bad_blocks = 0
        self.lost_ms = 0
        """Length of all gaps so far."""
        self._started_ns = started_ns
        self._next_index = last.index + 1 if last else 0
        self._last = last
        self._outran = outran
        self._timeline = Timeline(started_ns, last.position + last.valid if last else None)
        self._activity = Activity()
        self._run: Run | None = None
        self._epoch = -1
        self._kept_back: deque[tuple[int, int]] = deque()

    @property
    def position(self) -> int:
        """Where the journal ends on the time line."""
        return self._timeline.end

    @property
    def shifted_ms(self) -> int:
        """By how much runs were moved because they would have begun before the end of the one before."""
        return self._timeline.shifted_samples // SAMPLES_PER_MS

    def hear(self, block: Block, samples: Floats) -> list[Action]:
        """What to do with a block; `samples` are interleaved, float32."""
        if not self.inlet.take(block) or self.ended:
            return []
        if block.epoch != self._epoch:
            self._epoch = block.epoch
            self._kept_back.clear()
        if not _fits(block, samples):
            self.bad_blocks += 1
            return self.finish() if block.end else []
        actions: list[Action] = []
        if block.frames:
            actions += self._take(block, samples.reshape(block.frames, block.channels))
        else:
            actions += self.flush()
        if block.end:
            actions += self.finish(
                block.captured_ns if block.gap_reason and not block.frames else None, block.gap_reason
            )
            self.inlet.hurry()
        return actions

    def flush(self) -> list[Action]:
        """Ends the run, if there is one: what soxr holds comes out, the last chunk is padded."""
        if self._run is None:
            return []
        run, self._run = self._run, None
        self._kept_back.clear()
        return self._keep(run, run.flush())

    def finish(self, until_ns: int | None = None, reason: str = "restarted") -> list[Action]:
        """Ends the stream, whether its end mark has come or not. Until `until_ns` it was to be heard, and was not."""
        if self.ended:
            return []
        actions = self.flush()
        hole = self._timeline.pass_to(until_ns) if until_ns is not None else None
        self._leave_out(hole)
        if hole is not None:
            actions.append(self._gap(hole, reason))
        self.ended = True
        position = self._timeline.end
        end = Chunk(
            stream=self.name,
            index=self._next_index,
            position=position,
            captured_ns=self._started_ns + position * SAMPLE_NS,
            valid=0,
            active=False,
            end=True,
        )
        return [*actions, KeepChunk(end, np.zeros(CHUNK_SAMPLES, np.int16))]

    def remembered(self, hole: Hole) -> PublishGap:
        """A gap of which the journal tells; its reason is not known any more."""
        return self._gap(hole, "restarted")

    def tell(self, now_s: float) -> Next | None:
        """What the sender should know now; None when that can wait."""
        if not self.inlet.is_due(now_s):
            return None
        if self._run is not None:
            safe_frame = self._run.safe_frame
            while self._kept_back and self._kept_back[0][1] <= safe_frame:
                self._kept_back.popleft()
        safe = self._kept_back[0][0] if self._kept_back else self.inlet.wanted
        return self.inlet.tell(safe, self.position, now_s)

    def _take(self, block: Block, frames: Floats) -> list[Action]:
        actions: list[Action] = []
        if self._run is None and self._last is not None:
            found = taken_up(self._last, block)
            if found == "journalled":
                return []
            self._run = None if found == "new" else found
        self._last = None
        run = self._run
        frame = run.place(block) if run is not None else None
        if run is None or frame is None:
            actions += self.flush()
            run, news = self._opened(block)
            actions += news
            frame = block.segment_frame
        self._run = run
        self._outran = 0
        self._kept_back.append((block.n, frame + block.frames))
        return actions + self._keep(run, run.push(frame, block, frames))

    def _opened(self, block: Block) -> tuple[Run, list[Action]]:
        """A new run that begins with `block`, and what is to be told of it."""
        first_ever = self._next_index == 0
        hole = self._timeline.open(block.captured_ns)
        self._leave_out(hole)
        self._activity = Activity()
        run = Run(block)
        if hole is None or (first_ever and not block.gap_reason):
            return run, []
        return run, [self._gap(hole, block.gap_reason or ("overflow" if block.segment_frame else "restarted"))]

    def _leave_out(self, hole: Hole | None) -> None:
        """The indexes that were given to chunks that are lost are not given again: whoever has heard those would take
        the new ones for known. There were no more than fit into the hole."""
        if hole is not None:
            self._outran = min(self._outran, hole.length_ms // CHUNK_MS + PADDED_CHUNKS)
        self._next_index += self._outran
        self._outran = 0

    def _gap(self, hole: Hole, reason: str) -> PublishGap:
        self.lost_ms += hole.length_ms
        name = StreamName.parse(self.name)
        gap = Gap(
            session=name.session, source=name.source, start_ms=hole.start_ms, length_ms=hole.length_ms, reason=reason
        )
        return PublishGap(gap, f"gap/{self.name}/{hole.start_ms}")

    def _keep(self, run: Run, frames: list[Frame]) -> list[Action]:
        actions: list[Action] = []
        for frame in frames:
            captured_ns = run.captured_ns(frame.segment_chunk)
            chunk = Chunk(
                stream=self.name,
                index=self._next_index,
                position=self._timeline.follow(captured_ns) if frame.segment_chunk else self._timeline.end,
                captured_ns=captured_ns,
                valid=frame.valid,
                segment_chunk=frame.segment_chunk,
                run_started_ns=run.started_ns,
                mid_segment=run.mid_segment,
                active=self._activity.of(frame.samples, frame.valid),
            )
            self._next_index += 1
            self._timeline.advance(frame.valid)
            actions.append(KeepChunk(chunk, frame.samples))
        return actions


def _fits(block: Block, samples: Floats) -> bool:
    """Whether a block's numbers make sense and its samples are all there."""
    return len(samples) == block.frames * block.channels and (
        block.frames == 0 or (0 < block.rate_hz <= HIGHEST_RATE_HZ and 0 < block.channels <= MOST_CHANNELS)
    )
