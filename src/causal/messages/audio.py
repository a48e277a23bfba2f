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
    """Capture clock (`causal.clock`) at the first sample."""
    rate_hz: int
    channels: int
    frames: int
    """Samples of each channel; 0 when the block only says that something ended."""
    segment: int = 0
    """Counts the unbroken runs of the stream: a new number means that samples are missing before this block."""
    gap_reason: str = ""
    """Why a new segment began; empty when none did."""
    segment_started_ns: int = 0
    """Capture clock at the segment's first sample: with `segment_frame`, the exact place of the block."""
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
    """Samples at 16 kHz from the session's start to the chunk's first one, gaps included: the stream's time line."""
    captured_ns: int
    """Capture clock at the first sample."""
    valid: int = CHUNK_SAMPLES
    """Samples that were heard; the rest is padding."""
    active: bool = True
    """Louder than the noise floor, or too early to tell."""
    end: bool = False
    """Nothing follows; such a chunk has no valid samples and no last part."""


class Next(Message):
    """What a receiver wants next: the answer to whatever is lost between two sockets."""

    stream: str
    epoch: int
    n: int
    """The number of the block that is wanted; all before it have arrived."""
