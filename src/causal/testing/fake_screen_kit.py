"""ScreenCaptureKit, Core Media and what of pyobjc goes with them, without a Mac."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NS_PER_S = 1_000_000_000
DECLINED, STOP_OF_WHAT_IS_STOPPED = -3801, -3808
FLOAT, PACKED, NON_INTERLEAVED = 1 << 0, 1 << 3, 1 << 5
OUTPUT_SCREEN, OUTPUT_AUDIO = 0, 1


class CMTime(NamedTuple):
    value: int
    timescale: int
    flags: int = 1
    epoch: int = 0


class FakeError:
    """An NSError of ScreenCaptureKit's domain."""

    def __init__(self, code: int) -> None:
        self._code = code

    def code(self) -> int:
        return self._code

    def __str__(self) -> str:
        return "Error Domain=com.apple.ScreenCaptureKit.SCStreamErrorDomain"


@dataclass
class FakeSampleBuffer:
    """A CMSampleBuffer. `as_record` is how pyobjc describes its format when Core Audio's wrapper is loaded."""

    samples: npt.NDArray[np.float32]
    stamp: CMTime
    rate_hz: float = 48_000.0
    planar: bool = True
    ready: bool = True
    empty: bool = False
    bits: int = 32
    flags: int = FLOAT | PACKED
    as_record: bool = False

    def description(self) -> Any:
        flags = self.flags | (NON_INTERLEAVED if self.planar else 0)
        channels = self.samples.shape[1]
        frame_bytes = 4 if self.planar else 4 * channels
        fields = (self.rate_hz, 0x6C70636D, flags, frame_bytes, 1, frame_bytes, channels, self.bits, 0)
        names = ("mSampleRate", "mFormatID", "mFormatFlags", "mBytesPerPacket", "mFramesPerPacket", "mBytesPerFrame",
                 "mChannelsPerFrame", "mBitsPerChannel", "mReserved")  # fmt: skip
        return SimpleNamespace(**dict(zip(names, fields, strict=True))) if self.as_record else fields

    def data(self) -> bytes | None:
        if self.empty:
            return None
        return (self.samples.T if self.planar else self.samples).tobytes()


class FakeScreenKit:
    """What a test sets before, and sees after. Handlers and sound come on threads of their own, as on a Mac."""

    def __init__(self, is_allowed: Callable[[], bool]) -> None:
        self.displays = 1
        self.mute_handlers: set[str] = set()
        """Handlers that are never called: content, start, stop."""
        self.start_error = 0
        self.output_error = 0
        self.streams: list[FakeScreenStream] = []
        self.is_allowed = is_allowed

    def modules(self) -> dict[str, dict[str, Any]]:
        """The modules by name, and what they have."""
        return {
            "objc": {"super": super, "protocolNamed": _protocol_named, "autorelease_pool": _pool, "error": ObjcError},
            "Foundation": {"NSObject": NSObject},
            "dispatch": {"dispatch_queue_create": lambda label, attributes: (label, attributes)},
            "CoreMedia": _core_media(),
            "ScreenCaptureKit": {
                "SCShareableContent": _Content(self),
                "SCContentFilter": _Filter,
                "SCStreamConfiguration": _Configuration,
                "SCStream": _Allocated(lambda: FakeScreenStream(self)),
                "SCStreamOutputTypeScreen": OUTPUT_SCREEN,
                "SCStreamOutputTypeAudio": OUTPUT_AUDIO,
            },
        }

    def call(self, name: str, handler: Callable[..., None], *answer: Any) -> None:
        if name not in self.mute_handlers:
            threading.Thread(target=handler, args=answer, daemon=True).start()


class FakeScreenStream:
    """SCStream."""

    def __init__(self, kit: FakeScreenKit) -> None:
        self.settings: dict[str, Any] = {}
        self.running = False
        self.escaped: list[BaseException] = []
        """Exceptions that reached the dispatch queue, where they would end the process."""
        self._kit = kit
        self._delegate: Any = None
        self._outputs: list[tuple[Any, int]] = []

    def initWithFilter_configuration_delegate_(self, _filter: Any, settings: Any, delegate: Any) -> FakeScreenStream:
        self.settings, self._delegate = settings.values, delegate
        self._kit.streams.append(self)
        return self

    def addStreamOutput_type_sampleHandlerQueue_error_(
        self, output: Any, kind: int, queue: Any, error: None
    ) -> tuple[bool, FakeError | None]:
        del queue, error
        if self._kit.output_error:
            return False, FakeError(self._kit.output_error)
        self._outputs.append((output, kind))
        return True, None

    def startCaptureWithCompletionHandler_(self, handler: Callable[[Any], None]) -> None:
        self.running = not self._kit.start_error
        self._kit.call("start", handler, FakeError(self._kit.start_error) if self._kit.start_error else None)

    def stopCaptureWithCompletionHandler_(self, handler: Callable[[Any], None]) -> None:
        error = None if self.running else FakeError(STOP_OF_WHAT_IS_STOPPED)
        self.running = False
        self._kit.call("stop", handler, error)

    # As a test sees it

    def deliver(self, samples: npt.NDArray[np.float32], *, age_ms: float = 30.0, **form: Any) -> None:
        """Sound whose first sample was so long ago; heard before this returns."""
        stamp = CMTime(host_ns() - round(age_ms * 1_000_000), NS_PER_S)
        buffer = FakeSampleBuffer(samples, stamp, **form)
        self._call(lambda output: output.stream_didOutputSampleBuffer_ofType_(self, buffer, OUTPUT_AUDIO))

    def show(self) -> None:
        """A picture of the screen."""
        self._call(lambda output: output.stream_didOutputSampleBuffer_ofType_(self, object(), OUTPUT_SCREEN))

    def end(self, code: int) -> None:
        """The stream ends by itself."""
        self.running = False
        self._call(lambda _: self._delegate.stream_didStopWithError_(self, FakeError(code) if code else None))

    def _call(self, tell: Callable[[Any], None]) -> None:
        def run() -> None:
            try:
                for output, _ in self._outputs:
                    tell(output)
            except BaseException as error:
                self.escaped.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()


def host_ns() -> int:
    """The clock that ScreenCaptureKit stamps with: not the capture clock, nor at the same place."""
    return time.monotonic_ns() + 7_777 * NS_PER_S


class ObjcError(Exception):
    """objc.error."""


class _ObjcClass(type):
    """Objective-C has one class of a name in a process."""

    names: ClassVar[set[str]] = set()

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any], protocols: Any = ()) -> type:
        del protocols
        if name in cls.names:
            raise ObjcError(f"{name} is overriding existing Objective-C class")
        cls.names.add(name)
        return super().__new__(cls, name, bases, space)

    def __init__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any], protocols: Any = ()) -> None:
        del protocols
        super().__init__(name, bases, space)


class NSObject(metaclass=_ObjcClass):
    @classmethod
    def alloc(cls) -> Any:
        return cls.__new__(cls)

    def init(self) -> Any:
        return self


class _Allocated:
    def __init__(self, make: Callable[[], Any]) -> None:
        self.alloc = make


class _Content:
    def __init__(self, kit: FakeScreenKit) -> None:
        self._kit = kit

    def getShareableContentWithCompletionHandler_(self, handler: Callable[[Any, Any], None]) -> None:
        allowed = self._kit.is_allowed()
        content = SimpleNamespace(displays=lambda: ["display"] * self._kit.displays) if allowed else None
        self._kit.call("content", handler, content, None if allowed else FakeError(DECLINED))


class _Filter(NSObject):
    def initWithDisplay_excludingWindows_(self, display: Any, windows: list[Any]) -> Any:
        del display, windows
        return self


class _Configuration(NSObject):
    """Keeps what is set: `setSampleRate_` as `SampleRate`."""

    KNOWN = ("CapturesAudio", "SampleRate", "ChannelCount", "ExcludesCurrentProcessAudio", "Width", "Height",
             "MinimumFrameInterval")  # fmt: skip

    def init(self) -> Any:
        self.values: dict[str, Any] = {}
        return self

    def __getattr__(self, name: str) -> Any:
        key = name.removeprefix("set").removesuffix("_")
        if key not in self.KNOWN:
            raise AttributeError(name)
        return lambda value: self.values.__setitem__(key, value)


def _protocol_named(name: str) -> str:
    if name not in ("SCStreamOutput", "SCStreamDelegate"):
        raise ObjcError(f"no protocol {name}")
    return name


@contextmanager
def _pool() -> Iterator[None]:
    yield


def _core_media() -> dict[str, Any]:
    """A block buffer is its bytes here, and a format description its sample buffer."""

    def copy(data: bytes, offset: int, count: int, out: None) -> tuple[int, bytes]:
        del out
        return 0, data[offset : offset + count]

    return {
        "CMTimeMake": CMTime,
        "CMClockGetHostTimeClock": lambda: "host",
        "CMClockGetTime": lambda clock: CMTime(host_ns(), NS_PER_S),
        "CMSampleBufferDataIsReady": lambda buffer: buffer.ready,
        "CMSampleBufferGetFormatDescription": lambda buffer: buffer,
        "CMAudioFormatDescriptionGetStreamBasicDescription": lambda buffer: buffer.description(),
        "CMSampleBufferGetDataBuffer": lambda buffer: buffer.data(),
        "CMBlockBufferGetDataLength": len,
        "CMBlockBufferCopyDataBytes": copy,
        "CMSampleBufferGetPresentationTimeStamp": lambda buffer: buffer.stamp,
    }
