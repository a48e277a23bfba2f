"""The system's sound by ScreenCaptureKit, through pyobjc: macOS 13.0 and later. The screen itself is not looked at."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from queue import Empty, Queue
from typing import Any

from causal import clock, permission
from causal.errors import SourceError

from .gate import Gate
from .sample_buffer import read

log = logging.getLogger(__name__)

RATE_HZ, CHANNELS = 48_000, 2
ANSWER_WITHIN_S = 10.0
STOP_WITHIN_S = 1.0
PACKAGES = "python -m pip install pyobjc-framework-ScreenCaptureKit pyobjc-framework-libdispatch"

USER_DECLINED, MISSING_ENTITLEMENTS, NO_CAPTURE_SOURCE, USER_STOPPED = -3801, -3803, -3815, -3817
"""SCStreamError."""


class ScreenSound:
    """A stream of the first display, for its sound. ScreenCaptureKit calls on a serial queue of its own."""

    zeros_hint = ""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._ended = threading.Event()
        self._error: SourceError | None = None
        self._stream: Any = None
        self._output: Any = None
        self._queue: Any = None

    def start(self) -> None:
        try:
            import dispatch
            import ScreenCaptureKit as kit
        except ImportError as error:
            raise SourceError(
                "device-unavailable", f"a package that reaches ScreenCaptureKit is missing ({error})", PACKAGES
            ) from error
        permission.require_screen()
        content = _shareable_content(kit)
        displays = content.displays()
        if not displays:
            raise _explained(NO_CAPTURE_SOURCE, "")
        chosen = kit.SCContentFilter.alloc().initWithDisplay_excludingWindows_(displays[0], [])
        self._output = _output_class().alloc().initWithOwner_(self)
        self._stream = kit.SCStream.alloc().initWithFilter_configuration_delegate_(chosen, _settings(kit), self._output)
        self._queue = dispatch.dispatch_queue_create(b"causal.sound", None)
        added, refusal = self._stream.addStreamOutput_type_sampleHandlerQueue_error_(
            self._output, kit.SCStreamOutputTypeAudio, self._queue, None
        )
        if not added:
            raise _explained_error(refusal)
        _done(self._stream.startCaptureWithCompletionHandler_, ANSWER_WITHIN_S)

    def failure(self, within_s: float) -> SourceError | None:
        self._ended.wait(within_s)
        return self._error

    def close(self) -> None:
        if self._stream is None:
            return
        try:
            _done(self._stream.stopCaptureWithCompletionHandler_, STOP_WITHIN_S)
        except SourceError as error:  # it had not begun, or has ended already
            log.debug("ScreenCaptureKit was stopped with an error: %s", error)
        self._stream = self._output = self._queue = None  # the output has us, and Python sees no circle through it

    # Called on the queue

    def take(self, sample_buffer: Any) -> None:
        """Sound has come. An exception must not reach the queue."""
        try:
            if sound := read(sample_buffer, clock.now_ns()):
                self._gate.on_samples(sound.samples, sound.rate_hz, sound.captured_ns)
        except SourceError as error:
            self._end(error)
        except Exception as error:
            log.exception("a buffer of ScreenCaptureKit was not handled")
            self._end(SourceError("internal", f"a buffer of ScreenCaptureKit was not handled: {error}", retryable=True))

    def stopped(self, error: Any) -> None:
        """The stream has ended by itself."""
        self._end(_explained_error(error, began=True))

    def _end(self, error: SourceError) -> None:
        self._error = self._error or error
        self._ended.set()


@functools.cache
def _output_class() -> Any:
    """The class that ScreenCaptureKit calls. Objective-C takes a class of one name once in a process."""
    import objc
    import ScreenCaptureKit as kit
    from Foundation import NSObject

    protocols = [objc.protocolNamed("SCStreamOutput"), objc.protocolNamed("SCStreamDelegate")]

    class CausalSoundOutput(NSObject, protocols=protocols):  # type: ignore[misc, call-arg]
        def initWithOwner_(self, owner: ScreenSound) -> Any:
            made = objc.super(CausalSoundOutput, self).init()
            if made is not None:
                made.owner = owner
            return made

        def stream_didOutputSampleBuffer_ofType_(self, _stream: Any, sample_buffer: Any, kind: int) -> None:
            if kind == kit.SCStreamOutputTypeAudio:
                self.owner.take(sample_buffer)

        def stream_didStopWithError_(self, _stream: Any, error: Any) -> None:
            self.owner.stopped(error)

    return CausalSoundOutput


def _settings(kit: Any) -> Any:
    import CoreMedia

    settings = kit.SCStreamConfiguration.alloc().init()
    settings.setCapturesAudio_(True)
    settings.setSampleRate_(RATE_HZ)
    settings.setChannelCount_(CHANNELS)
    settings.setExcludesCurrentProcessAudio_(True)
    settings.setWidth_(2)  # pictures cannot be switched off: two by two points, one a second, and nobody takes them
    settings.setHeight_(2)
    settings.setMinimumFrameInterval_(CoreMedia.CMTimeMake(1, 1))
    return settings


def _shareable_content(kit: Any) -> Any:
    """What can be recorded."""
    come: Queue[tuple[Any, Any]] = Queue()

    def on_answer(content: Any, error: Any) -> None:  # pyobjc counts the arguments
        come.put((content, error))

    kit.SCShareableContent.getShareableContentWithCompletionHandler_(on_answer)
    return _answer(come, ANSWER_WITHIN_S)


def _done(ask: Callable[[Callable[[Any], None]], None], within_s: float) -> None:
    """Calls what says by a handler that it is done."""
    come: Queue[tuple[Any, Any]] = Queue()

    def on_answer(error: Any) -> None:
        come.put((None, error))

    ask(on_answer)
    _answer(come, within_s)


def _answer(come: Queue[tuple[Any, Any]], within_s: float) -> Any:
    """What ScreenCaptureKit says on a thread of its own."""
    try:
        result, error = come.get(timeout=within_s)
    except Empty:
        raise SourceError(
            "device-unavailable",
            f"ScreenCaptureKit has not answered for {within_s:.0f} s",
            "Look for a question of macOS on the screen. If there is none: log out and in.",
            retryable=True,
        ) from None
    if error is not None:
        raise _explained_error(error)
    return result


def _explained_error(error: Any, *, began: bool = False) -> SourceError:
    """An NSError, which may be missing."""
    return _explained(0, "", began=began) if error is None else _explained(int(error.code()), str(error), began=began)


def _explained(code: int, text: str, *, began: bool = False) -> SourceError:
    if code in (USER_DECLINED, MISSING_ENTITLEMENTS):
        return SourceError(
            "permission-denied",
            f"macOS does not let us record the screen's sound ({code})",
            permission.SOUND_HINT,
            retryable=True,
        )
    if code == NO_CAPTURE_SOURCE:
        return SourceError(
            "device-unavailable",
            "there is no display, and ScreenCaptureKit needs one",
            "Open the lid or connect a display; macOS 14.2 and later do without.",
            retryable=True,
        )
    if code == USER_STOPPED:
        found = "the recording was stopped in the menu bar"
        return SourceError("device-lost", found, "To end it for good: causal-ctl stop.", retryable=True)
    found = f"ScreenCaptureKit {'ended' if began else 'cannot be opened'}: {text or 'no reason given'} ({code})"
    return SourceError("device-lost" if began else "device-unavailable", found, "It is tried again.", retryable=True)
