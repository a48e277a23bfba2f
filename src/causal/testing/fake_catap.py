"""catap 0.6 without a Mac: taps on the system's sound that deliver, and fail, when the test says so."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioStreamFormat:
    sample_rate: float = 48_000.0
    num_channels: int = 2
    bits_per_sample: int = 32
    sample_type: str = "float"
    format_id: str = "lpcm"

    @property
    def is_float(self) -> bool:
        return self.sample_type == "float"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioBuffer:
    data: bytes
    frame_count: int
    format: AudioStreamFormat
    input_sample_time: float | None = None


class FakeTaps:
    """The module `catap`, as far as system sound goes."""

    def __init__(self) -> None:
        self.sessions: list[FakeTapSession] = []
        self.refusal: Exception | None = None
        """Raised by the next `start`, as Core Audio refuses a tap or an aggregate device."""
        self.stuck_closings = 0
        """How many times a `close` fails before it succeeds."""
        self.prompt = threading.Event()
        """`start` waits for it, as it may for a person's answer."""
        self.prompt.set()

    def names(self) -> dict[str, Any]:
        """What the module has."""
        return {"record_system_audio": self._record}

    def _record(
        self,
        output_path: str | None = None,
        *,
        on_buffer: Callable[[AudioBuffer], None] | None = None,
        max_pending_buffers: int = 256,
    ) -> FakeTapSession:
        if output_path is None and on_buffer is None:
            raise ValueError("output_path must be provided unless on_buffer is set for streaming mode")
        session = FakeTapSession(self, on_buffer, max_pending_buffers)
        self.sessions.append(session)
        return session


class FakeTapSession:
    """`RecordingSession`: a bounded queue, and a worker thread that calls `on_buffer`."""

    def __init__(
        self, taps: FakeTaps, on_buffer: Callable[[AudioBuffer], None] | None, max_pending_buffers: int
    ) -> None:
        self.max_pending_buffers = max_pending_buffers
        self.is_recording = False
        self.needs_cleanup = False
        self.stream_format = AudioStreamFormat()
        self._taps = taps
        self._on_buffer = on_buffer
        self._queue: queue.Queue[AudioBuffer | None] = queue.Queue(max_pending_buffers)
        self._failed = threading.Event()
        self._failures: list[str] = []
        self._worker = threading.Thread(target=self._work, daemon=True)
        self._sample_time = 0.0

    # As capture sees it

    @property
    def capture_failed(self) -> bool:
        return self._failed.is_set()

    def start(self) -> None:
        if self.is_recording:
            raise RuntimeError("Already recording")
        self._taps.prompt.wait()
        refusal, self._taps.refusal = self._taps.refusal, None
        if refusal is not None:
            raise refusal
        self.is_recording = True
        self._worker.start()

    def wait_for_capture_failure(self, timeout: float | None = None) -> bool:
        if not self.is_recording:
            raise RuntimeError("Not recording")
        return self._failed.wait(timeout)

    def stop(self) -> None:
        if not self.is_recording and not self.needs_cleanup:
            raise RuntimeError("Not recording")
        self.close()

    def close(self) -> None:
        """What is queued is still delivered; then a failure of the capture is told, once."""
        if threading.current_thread() is self._worker:
            raise RuntimeError("Cannot stop the audio worker from an on_buffer callback")
        if not self.is_recording and not self.needs_cleanup:
            return
        if self.is_recording:
            self._queue.put(None)
            self._worker.join()
        self.is_recording = False
        self.needs_cleanup = self._taps.stuck_closings > 0
        if self.needs_cleanup:
            self._taps.stuck_closings -= 1
            raise OSError("Failed to destroy aggregate device: status 560947818")
        failures, self._failures = self._failures, []
        if failures:
            raise RuntimeError(failures[0])

    # As a test sees it

    def deliver(self, samples: npt.NDArray[np.float32], *, skip_frames: int = 0, **form: Any) -> None:
        """One buffer, heard before this returns. `skip_frames` were lost on the way; `form` is what differs in the
        format from 48 kHz float32."""
        sound = replace(self.stream_format, num_channels=samples.shape[1], **form)
        self._sample_time += skip_frames
        self._put(AudioBuffer(data=samples.tobytes(), frame_count=len(samples), format=sound,
                              input_sample_time=self._sample_time))  # fmt: skip
        self._sample_time += len(samples)
        self._queue.join()

    def fail(self, message: str) -> None:
        """The capture fails in the background: an overflow, another format, a tap that is gone."""
        self._failures.append(message)
        self._failed.set()

    def _put(self, buffer: AudioBuffer) -> None:
        try:
            self._queue.put_nowait(buffer)
        except queue.Full:
            self.fail("Dropped 1 native audio buffer(s) before they reached on_buffer.")

    def _work(self) -> None:
        while (buffer := self._queue.get()) is not None:
            try:
                if self._on_buffer is not None and not self._failed.is_set():
                    self._on_buffer(buffer)
            except Exception as error:
                self.fail(f"Audio buffer callback failed: {error}")
            finally:
                self._queue.task_done()
        self._queue.task_done()
