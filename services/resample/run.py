"""One unbroken run of a stream's sound: soxr and framer from its first frame to its last, and where they begin again
when a resampler takes over from one that was killed.

    frames   0 ┄┄┄┄ first ━━━━━━━━━━━━━━━ restart ━━━━━━━━━━━━━━━━━━━━━━▶        of the segment, at the device's rate
    samples           0 ━━━━━━━━━━━━━━━━━━━━┿━━━━━━━━━━━ done ━━━━━━━━━━━▶        of the run, at 16 kHz
    new resampler                            warm-up      goes on

`done` samples are in the journal. The new soxr begins at `restart`, a frame that is a whole number of samples after
the first, and early enough that it has settled at `done`; what it says before is thrown away. So the sender must not
forget the frames from `restart` on: `safe_frame` is what the acknowledgements go by.

Samples are counted. When each was heard is another matter, for no device's clock is right: each block brings how far
its stamp is from the count, and a chunk takes that of the block with its first frame. So a resampler that takes over
finds the same time.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from causal.journal_record import SAMPLE_NS
from causal.messages import Block, Chunk
from causal.messages.audio import CHUNK_SAMPLES

from .framer import Frame, Framer
from .ratio import Ratio
from .resampler import Floats, Resampler

GRID_NS = 2
"""How well a time must fit to a frame, so that it is no chance: frames are 5000 to 125000 ns apart."""


class Run:
    """Takes the frames of one run in order, gives its chunks. Frames it has had already it leaves out."""

    def __init__(
        self,
        block: Block,
        *,
        started_ns: int | None = None,
        first_frame: int | None = None,
        restart_frame: int | None = None,
        done_chunks: int = 0,
    ) -> None:
        """A run that begins with `block`.

        One that is taken up has begun before: with `first_frame` of the segment that began at `started_ns`. Its first
        `done_chunks` are in the journal, and frames are wanted from `restart_frame` on.
        """
        self._started_ns = block.segment_started_ns if started_ns is None else started_ns
        self._format = (block.rate_hz, block.channels)
        self._ratio = Ratio(block.rate_hz)
        self._first_frame = block.segment_frame if first_frame is None else first_frame
        self._next_frame = self._first_frame if restart_frame is None else restart_frame
        self._chunks = done_chunks
        done = done_chunks * CHUNK_SAMPLES
        self._warm_up = done - self._ratio.samples(self._next_frame - self._first_frame)
        self._resampler = Resampler(block.rate_hz, self._warm_up + CHUNK_SAMPLES)
        self._framer = Framer(done_chunks)
        self._off_ns: deque[tuple[int, int]] = deque()
        """From which frame on stamps are how far from the count: what the chunk at work may need."""

    @property
    def started_ns(self) -> int:
        """Capture clock at the run's first sample, by the count of its segment: names the run."""
        return self._started_ns + self._ratio.ns(self._first_frame)

    @property
    def mid_segment(self) -> bool:
        """Whether the run began later than its segment."""
        return self._first_frame > 0

    @property
    def safe_frame(self) -> int:
        """The frames of the segment before this one are not needed any more, whatever happens."""
        return self._first_frame + self._ratio.restart_frame(self._chunks * CHUNK_SAMPLES)

    def place(self, block: Block) -> int | None:
        """The block's first frame, counted in this run's segment; None when the block does not go on where the run
        is, or before."""
        if (block.rate_hz, block.channels) != self._format:
            return None
        before = _frames_between(self._started_ns, block)
        frame = None if before is None else before + block.segment_frame
        return frame if frame is not None and frame <= self._next_frame else None

    def push(self, frame: int, block: Block, frames: Floats) -> list[Frame]:
        """The chunks that are complete after the `frames` of `block`, the first of which is the segment's `frame`."""
        new = frames[self._next_frame - frame :]
        off_ns = block.captured_ns - counted_ns(block)
        if not self._off_ns or off_ns != self._off_ns[-1][1]:
            self._off_ns.append((frame, off_ns))
        self._next_frame += len(new)
        return self._cut(self._resampler.push(new)) if len(new) else []

    def flush(self) -> list[Frame]:
        """The rest, the last chunk filled up with silence. The run is over."""
        return self._cut(self._resampler.flush()) + self._framer.flush()

    def captured_ns(self, chunk: int) -> int:
        """Capture clock at the first sample of a chunk of the run. Ask for them in order."""
        samples = chunk * CHUNK_SAMPLES
        while len(self._off_ns) > 1 and self._ratio.samples(self._off_ns[1][0] - self._first_frame) <= samples:
            self._off_ns.popleft()
        return self.started_ns + samples * SAMPLE_NS + (self._off_ns[0][1] if self._off_ns else 0)

    def _cut(self, samples: Floats) -> list[Frame]:
        if not len(samples):
            return []
        warm_up = min(self._warm_up, len(samples))
        self._warm_up -= warm_up
        frames = self._framer.push(samples[warm_up:])
        self._chunks += len(frames)
        return frames


def counted_ns(block: Block) -> int:
    """Capture clock at the block's first sample, counted from its segment's start."""
    return block.segment_started_ns + Ratio(block.rate_hz).ns(block.segment_frame)


def taken_up(last: Chunk, block: Block) -> Run | Literal["journalled", "new"]:
    """What a resampler that knows only the journal's `last` chunk does with the first blocks that it gets: it goes on
    with the run that the chunk belongs to, or the sound is in the journal already, or it is a new run.

    The last chunk tells when its run began, to the nanosecond; a block tells when its segment began. Segments
    begin one after the other, so an older one is in the journal. A run whose last chunk is padded was over.
    """
    ratio = Ratio(block.rate_hz)
    run_ns = last.run_started_ns
    found = _run_and_block(last, run_ns, block)
    if found is None:
        return "journalled" if block.segment_started_ns < run_ns else "new"
    started_ns, first, frame = found
    stop = frame + block.frames
    if stop <= first:
        return "journalled"
    done_chunks = last.segment_chunk + 1
    if last.valid < CHUNK_SAMPLES:
        done = last.segment_chunk * CHUNK_SAMPLES + last.valid
        return "journalled" if ratio.samples(stop - first) <= done else "new"
    offered = ratio.step_after(max(0, frame - first))
    restart = max(offered, ratio.restart_frame(done_chunks * CHUNK_SAMPLES))
    if ratio.samples(restart) > done_chunks * CHUNK_SAMPLES:
        return "new"
    return Run(
        block,
        started_ns=started_ns,
        first_frame=first,
        restart_frame=first + restart,
        done_chunks=done_chunks,
    )


def _run_and_block(last: Chunk, run_ns: int, block: Block) -> tuple[int, int, int] | None:
    """When the segment of the journal's run began, the run's first frame in it and the block's; None when the block
    is of another segment."""
    if not last.mid_segment:
        before = _frames_between(run_ns, block)
        return None if before is None else (run_ns, 0, before + block.segment_frame)
    ratio, started_ns = Ratio(block.rate_hz), block.segment_started_ns
    first = ratio.frames_in(run_ns - started_ns)
    return (started_ns, first, block.segment_frame) if first > 0 and started_ns + ratio.ns(first) == run_ns else None


def _frames_between(started_ns: int, block: Block) -> int | None:
    """The frames from a segment's start to the start of the block's segment, if both are one run of sound: 0 for the
    same segment. A capture process that takes a file up again begins its first segment amid the one before, on a
    whole frame."""
    between_ns = block.segment_started_ns - started_ns
    if between_ns == 0 or block.segment > 0:
        return 0 if between_ns == 0 else None
    ratio = Ratio(block.rate_hz)
    frames = ratio.frames_in(between_ns)
    return frames if frames > 0 and abs(ratio.ns(frames) - between_ns) <= GRID_NS else None
