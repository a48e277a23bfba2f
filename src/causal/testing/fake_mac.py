"""A Mac for tests on other systems: its version, its permissions, and the modules by which Python reaches it.

    with FakeMac((14, 4)) as mac:
        mac.microphone = DENIED
        ...
        mac.taps.sessions[0].deliver(samples)

While it is entered, `sys.platform` is `darwin` and the modules can be imported. They do what Apple's, pyobjc's and
catap's documents say, and fail as these say; none of this was ever compared with a Mac.
"""

from __future__ import annotations

import platform
import sys
import threading
from collections.abc import Callable, Iterable
from types import ModuleType, TracebackType
from typing import Any, Self

from causal import permission

from .fake_catap import FakeTaps
from .fake_screen_kit import FakeScreenKit

UNDECIDED, RESTRICTED, DENIED, AUTHORIZED = range(4)
"""AVAuthorizationStatus."""


class FakeMac:
    """`missing` are modules that nobody has installed."""

    def __init__(self, version: tuple[int, ...] = (14, 4), missing: Iterable[str] = ()) -> None:
        self.version = version
        self.microphone = AUTHORIZED
        self.screen_allowed = True
        self.questions: list[str] = []
        """What the person at the Mac was asked for."""
        self.taps = FakeTaps()
        self.screen_kit = FakeScreenKit(lambda: self.screen_allowed)
        self._missing = {*missing, *(("catap",) if version < (14, 2) else ())}
        self._on_answer: Callable[[bool], None] | None = None
        self._before: list[tuple[str, ModuleType | None]] = []
        self._platform = ""
        self._mac_ver = platform.mac_ver

    def __enter__(self) -> Self:
        modules: dict[str, ModuleType | None] = {
            "AVFoundation": _module("AVFoundation", AVMediaTypeAudio="soun", AVCaptureDevice=_CaptureDevice(self)),
            "Quartz": _module(
                "Quartz",
                CGPreflightScreenCaptureAccess=lambda: self.screen_allowed,
                CGRequestScreenCaptureAccess=self._ask_for_screen,
            ),
            "catap": _module("catap", **self.taps.names()),
            **{name: _module(name, **names) for name, names in self.screen_kit.modules().items()},
        }
        modules |= dict.fromkeys(self._missing)  # a None in sys.modules cannot be imported
        self._before = [(name, sys.modules.get(name)) for name in modules]
        vars(sys)["modules"].update(modules)
        self._platform, sys.platform = sys.platform, "darwin"
        text = ".".join(map(str, self.version))
        vars(platform)["mac_ver"] = lambda: (text, ("", "", ""), "arm64")
        permission.asked.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.platform = self._platform
        platform.mac_ver = self._mac_ver
        for name, module in self._before:
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module

    def answer(self, granted: bool) -> None:
        """The person answers the question for the microphone. macOS tells it on a thread of its own."""
        self.microphone = AUTHORIZED if granted else DENIED
        handler, self._on_answer = self._on_answer, None
        if handler is not None:
            thread = threading.Thread(target=handler, args=(granted,))
            thread.start()
            thread.join()

    def ask_for_microphone(self, handler: Callable[[bool], None]) -> None:
        """As `requestAccessForMediaType`: who has decided is not asked again."""
        if self.microphone == UNDECIDED:
            self.questions.append("microphone")
            self._on_answer = handler
        else:
            handler(self.microphone == AUTHORIZED)

    def _ask_for_screen(self) -> bool:
        """Says what holds now; what is answered holds after a restart."""
        if not self.screen_allowed:
            self.questions.append("screen")
        return self.screen_allowed


class _CaptureDevice:
    def __init__(self, mac: FakeMac) -> None:
        self._mac = mac

    def authorizationStatusForMediaType_(self, media: str) -> int:
        return self._mac.microphone if media == "soun" else UNDECIDED

    def requestAccessForMediaType_completionHandler_(self, media: str, handler: Callable[[bool], None]) -> None:
        if media == "soun":
            self._mac.ask_for_microphone(handler)


def _module(name: str, **names: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(names)
    return module
