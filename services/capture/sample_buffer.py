"""Takes the sound out of a CMSampleBuffer, which is what ScreenCaptureKit delivers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from causal.clock import NS_PER_S
from causal.errors import SourceError

from .backend import Samples

IS_FLOAT, IS_NON_INTERLEAVED = 1 << 0, 1 << 5
"""kAudioFormatFlagIsFloat and kAudioFormatFlagIsNonInterleaved."""

TIME_IS_VALID = 1 << 0
PLAUSIBLE_NS = 5 * NS_PER_S
"""A stamp that is older, or lies in the future, is a mistake: then arrival stands for time."""


class Sound(NamedTuple):
    samples: Samples
    rate_hz: int
    captured_ns: int
    """Capture clock at the first sample."""


def read(sample_buffer: Any, now_ns: int) -> Sound | None:
    """The samples, interleaved; None when there are none. `now_ns` is the capture clock. Raises `SourceError` for a
    format that is not float32."""
    import CoreMedia as media

    data = media.CMSampleBufferGetDataBuffer(sample_buffer) if media.CMSampleBufferDataIsReady(sample_buffer) else None
    if data is None:
        return None
    rate_hz, flags, bits, channels = _format(sample_buffer, media)
    if not flags & IS_FLOAT or bits != 32:
        raise SourceError(
            "format-unsupported",
            f"ScreenCaptureKit delivers {bits}-bit samples, flags {flags}; float32 was expected",
            "Update macOS.",
        )
    status, raw = media.CMBlockBufferCopyDataBytes(data, 0, media.CMBlockBufferGetDataLength(data), None)
    if status:
        raise SourceError("device-lost", f"Core Media does not hand its sound out ({status})", retryable=True)
    samples = np.frombuffer(raw, "<f4")
    samples = samples.reshape(channels, -1).T if flags & IS_NON_INTERLEAVED else samples.reshape(-1, channels)
    age_ns = _age_ns(media.CMSampleBufferGetPresentationTimeStamp(sample_buffer), media)
    if age_ns is None:
        age_ns = len(samples) * NS_PER_S // rate_hz
    return Sound(samples, rate_hz, now_ns - age_ns) if len(samples) else None


def _format(sample_buffer: Any, media: Any) -> tuple[int, int, int, int]:
    """Rate, flags, bits a sample and channels. pyobjc makes a record of the description, or, as long as nobody has
    loaded Core Audio's, a tuple."""
    described = media.CMAudioFormatDescriptionGetStreamBasicDescription(
        media.CMSampleBufferGetFormatDescription(sample_buffer)
    )
    if hasattr(described, "mSampleRate"):
        rate, flags = described.mSampleRate, described.mFormatFlags
        channels, bits = described.mChannelsPerFrame, described.mBitsPerChannel
    else:
        rate, _, flags, _, _, _, channels, bits, _ = described
    return round(rate), int(flags), int(bits), int(channels)


def _age_ns(stamp: Any, media: Any) -> int | None:
    """How long ago the first sample was, by the clock that ScreenCaptureKit stamps with: it stands still while the Mac
    sleeps, and is not the capture clock. None when the stamp cannot be."""
    captured_ns, now_ns = _ns(stamp), _ns(media.CMClockGetTime(media.CMClockGetHostTimeClock()))
    if captured_ns is None or now_ns is None or not 0 <= now_ns - captured_ns <= PLAUSIBLE_NS:
        return None
    return now_ns - captured_ns


def _ns(time: Any) -> int | None:
    """A CMTime in nanoseconds."""
    return int(time.value) * NS_PER_S // int(time.timescale) if time.flags & TIME_IS_VALID else None
