"""Standard output and error as all systems have them: UTF-8, and a terminal that understands escape sequences."""

from __future__ import annotations

import io
import sys

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    VIRTUAL_TERMINAL = 0x0004
    STANDARD_HANDLES = (-11, -12)

    def prepare() -> None:
        """Call it first in a command. Windows would take the code page of the country, and show escapes as letters."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        kernel32 = ctypes.WinDLL("kernel32")
        kernel32.GetStdHandle.restype = wintypes.HANDLE
        for number in STANDARD_HANDLES:
            handle, mode = wintypes.HANDLE(kernel32.GetStdHandle(number)), wintypes.DWORD()
            if kernel32.GetConsoleMode(handle, ctypes.byref(mode)):
                kernel32.SetConsoleMode(handle, mode.value | VIRTUAL_TERMINAL)

else:

    def prepare() -> None:
        """Call it first in a command. Nothing to do here."""
