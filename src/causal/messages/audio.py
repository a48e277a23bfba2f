"""Audio on its way from a device to the speech-to-text gateway."""

from .base import Message

CHUNK_SAMPLES = 1600
"""A chunk is 100 ms at 16 kHz."""

CHUNK_RATE_HZ = 16_000


class Block(Message):
    """What a device delivered at once: capture to resample, with the samples as the last part (float32,
    shape `(frames, channels)`, interleaved)."""

    stream: str
    """`session/source`."""
    epoch: int
    """The capture worker's turn at this stream; a greater one replaces a smaller."""
    n: int
    """Counts the blocks of this stream and epoch from 0, without holes."""
    captured_ns: int
    """Capture clock (`causal.clock`) at the first sample: smoothed stamps, which follow the device's clock where it is
    slow or fast."""
    rate_hz: int
    channels: int
    frames: int
    """Samples of each channel; 0 when the block only says that something ended."""
    segment: int = 0
    """Counts the unbroken runs of the stream: a new number means that samples are missing before this block."""
    gap_reason: str = ""
    """Why a new segment began; empty when none did."""
    segment_started_ns: int = 0
    """Capture clock at the segment's first sample, as it was stamped: names the segment. With `segment_frame`, the
    exact place of the block in it."""
    segment_frame: int = 0
    """Frames of the segment before this block's first one."""
    end: bool = False
    """Nothing follows: the stream was stopped, or its file is over."""


class Chunk(Message):
    """100 ms for the speech service: resample to gateway, with the samples as the last part (int16, `(1600,)`)."""

    stream: str
    """`session/source`."""
    index: int
    """Counts the chunks of the stream from 0, over all epochs and gaps."""
    position: int
    """When the chunk begins on the session's time line, in samples at 16 kHz, gaps included. Within a run the chunks
    follow each other; where the device's clock has drifted by a millisecond, the next one is put right."""
    captured_ns: int
    """Capture clock at the first sample, with the device's drift taken out."""
    valid: int = CHUNK_SAMPLES
    """Samples that were heard; the rest is padding."""
    segment_chunk: int = 0
    """Chunks of the same unbroken run before this one: 0 where sound begins anew."""
    run_started_ns: int = 0
    """Capture clock at the run's first sample, as it was counted from its segment's first stamp: names the run."""
    mid_segment: bool = False
    """The run did not begin with its segment: blocks before it did not come through."""
    active: bool = True
    """Louder than the noise floor, or too early to tell."""
    end: bool = False
    """Nothing follows; such a chunk has no valid samples and no last part."""


class Next(Message):
    """What a receiver has, and what it wants: every 200 ms, at first sight, and at a hole.

    The sender forgets all blocks before `n` and keeps the others, for a receiver that is killed starts anew from
    them. It goes back only when `resend` says so; otherwise what is not acknowledged is merely on its way. It goes
    back to `wanted`, or to the oldest block it has left. An `epoch` below the sender's own means that the receiver
    has not seen it yet, one above that another sender took over.
    """

    stream: str
    epoch: int
    """The sender's turn that the receiver listens to; -1 before it has heard any."""
    n: int
    """All blocks before it are in the journal, with what a receiver needs that starts anew: forget them."""
    wanted: int = 0
    """The block that should come next: all before it have arrived."""
    resend: bool = False
    """Something is missing: send again, from `wanted` on."""
    position: int = 0
    """Where the journal ends on the stream's time line: 16 kHz samples from the session's start. A file whose reader
    was restarted goes on half a second before it; what the receiver has already, it leaves out."""
