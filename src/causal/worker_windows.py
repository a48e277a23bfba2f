"""A worker and its parent on Windows: two pipes, a Job Object, and no signals.

The Job Object ends the worker, and what the worker has started, as soon as its parent is gone, however that went. To
ask for an orderly end the parent writes a byte into the pipe that the worker watches.

What ends a command from outside is Ctrl-C or Ctrl-Break, or the end of those who started it: honcho, which cannot send
signals here, ends the shell (`cmd.exe`) that it started the command with, and nothing else.
"""

from __future__ import annotations

import contextlib
import ctypes
import msvcrt
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from ctypes import wintypes
from pathlib import PureWindowsPath
from types import FrameType, TracebackType
from typing import Self

import psutil

from causal.worker import PARENT_VARIABLE, Sign

assert sys.platform == "win32"

STOP_SIGNALS = (signal.SIGINT, signal.SIGBREAK)
RUNNER_VARIABLE = "HONCHO_PROCESS_NAME"
STOP = b"!"

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.CreateJobObjectW.restype = wintypes.HANDLE
_kernel32.OpenProcess.restype = wintypes.HANDLE
_kernel32.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
_kernel32.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
_kernel32.SetInformationJobObject.argtypes = (wintypes.HANDLE, ctypes.c_int, wintypes.LPVOID, wintypes.DWORD)
_kernel32.WaitForMultipleObjects.argtypes = (wintypes.DWORD, wintypes.LPVOID, wintypes.BOOL, wintypes.DWORD)
_kernel32.QueryFullProcessImageNameW.argtypes = (
    *(wintypes.HANDLE, wintypes.DWORD, wintypes.LPWSTR),
    ctypes.POINTER(wintypes.DWORD),
)
_kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)

PROCESS_TERMINATE, PROCESS_SET_QUOTA, PROCESS_QUERY_LIMITED_INFORMATION = 0x0001, 0x0100, 0x1000
SYNCHRONIZE = 0x0010_0000
LONGEST_PATH = 32_768
EXTENDED_LIMITS, KILL_ON_JOB_CLOSE = 9, 0x2000
INFINITE = 0xFFFF_FFFF


class _ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("times", ctypes.c_int64 * 2),
        ("flags", wintypes.DWORD),
        ("sizes", ctypes.c_size_t * 2),
        ("processes", wintypes.DWORD),
        ("affinity", ctypes.c_size_t),
        ("classes", wintypes.DWORD * 2),
        ("counters", ctypes.c_uint64 * 6),
        ("memory", ctypes.c_size_t * 4),
    )


class Worker:
    """A process that runs, as its parent holds it."""

    def __init__(self, command: list[str]) -> None:
        """Starts it. Raises `OSError` when that cannot be done."""
        alive_read, self._alive_write = os.pipe()
        beat_read, beat_write = os.pipe()
        theirs = [msvcrt.get_osfhandle(fd) for fd in (alive_read, beat_write)]
        for handle in theirs:
            os.set_handle_inheritable(handle, True)
        try:
            self._process = subprocess.Popen(
                command,
                env=_environment() | {PARENT_VARIABLE: ",".join(map(str, theirs))},
                startupinfo=subprocess.STARTUPINFO(lpAttributeList={"handle_list": theirs}),
                creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,  # Ctrl-C is for the parent alone
                stdin=subprocess.DEVNULL,
                stdout=_own(1),
                stderr=_own(2),
            )
        except OSError:
            os.close(beat_read)
            os.close(self._alive_write)
            raise
        finally:
            os.close(alive_read)
            os.close(beat_write)
        _hold(self._process.pid)
        self._signs: queue.SimpleQueue[Sign] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(beat_read,), daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of it: one that still runs takes that for its parent's death."""
        os.close(self._alive_write)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def listen(self, within_s: float) -> Sign:
        """What came from it in that time."""
        try:
            return self._signs.get(timeout=within_s)
        except queue.Empty:
            return Sign.NOTHING

    def ask_to_end(self) -> None:
        """May be called on any thread."""
        with contextlib.suppress(OSError):  # it has ended
            os.write(self._alive_write, STOP)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def wait(self) -> int:
        """Its exit code."""
        return self._process.wait()

    def _read(self, beats: int) -> None:
        with contextlib.suppress(OSError):
            while os.read(beats, 4096):
                self._signs.put(Sign.BEAT)
        self._signs.put(Sign.END)
        os.close(beats)


class Lifeline:
    """The worker's ends of the two pipes. Without a parent nothing is sent, and nothing ever comes."""

    def __init__(self, pipes: str | None = None) -> None:
        text = os.environ.pop(PARENT_VARIABLE, "") if pipes is None else pipes
        self.parent_fd: int | None = None
        """Readable when the worker shall end. It is a socket, for a loop watches nothing else here."""
        self.is_orphan = False
        """Whether that is because the parent is gone."""
        self._beat_fd: int | None = None
        if text:
            alive, _, beat = text.partition(",")
            for handle in (int(alive), int(beat)):
                os.set_handle_inheritable(handle, False)  # a child that outlives the worker must not look like it
            self._beat_fd = msvcrt.open_osfhandle(int(beat), os.O_WRONLY)
            self._near, self._far = socket.socketpair()
            self.parent_fd = self._near.fileno()
            alive_fd = msvcrt.open_osfhandle(int(alive), os.O_RDONLY)
            threading.Thread(target=self._watch, args=(alive_fd,), daemon=True).start()

    def beat(self) -> None:
        """Says that the worker's loop turns. Call it from the loop, once a second."""
        if self._beat_fd is not None:
            with contextlib.suppress(OSError):
                os.write(self._beat_fd, b".")

    def _watch(self, alive_fd: int) -> None:
        try:
            self.is_orphan = not os.read(alive_fd, 1)
        except OSError:
            self.is_orphan = True
        self._far.send(STOP)


def command(program: str, service: str, arguments: list[str]) -> list[str]:
    """How a parent starts its worker: without the launchers, which would be processes in between."""
    del program
    python = getattr(sys, "_base_executable", "") or sys.executable
    return [python, "-m", "causal.commands", service, *arguments]


def on_end(callback: Callable[[int, FrameType | None], None]) -> None:
    """Calls back when this process is told to end, or those who started it have ended; then from a thread."""
    for number in STOP_SIGNALS:
        signal.signal(number, callback)
    if handles := _starters():

        def watch() -> None:
            array = (wintypes.HANDLE * len(handles))(*handles)
            _kernel32.WaitForMultipleObjects(len(handles), array, False, INFINITE)
            callback(signal.SIGBREAK, None)

        threading.Thread(target=watch, daemon=True).start()


def _starters() -> list[int]:
    """Handles of those without whom this command shall not run: under honcho its launcher, its shell, and honcho."""
    found: list[int] = []
    if RUNNER_VARIABLE not in os.environ:
        return found
    has_shell = False
    for process in psutil.Process().parents():
        handle = _kernel32.OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, False, process.pid)
        name = _program(handle) if handle else ""
        is_shell = name == "cmd.exe" and not has_shell
        if not (is_shell or name.startswith(("causal", "py", "honcho"))):
            break
        has_shell = has_shell or is_shell
        found.append(handle)
    return found


def _program(process: int) -> str:
    """The name of a process's file, such as `cmd.exe`."""
    buffer = ctypes.create_unicode_buffer(LONGEST_PATH)
    size = wintypes.DWORD(len(buffer))
    _kernel32.QueryFullProcessImageNameW(process, 0, buffer, ctypes.byref(size))
    return PureWindowsPath(buffer.value).name.lower()


def _environment() -> dict[str, str]:
    """With what the launcher of a virtual environment would add."""
    base = getattr(sys, "_base_executable", sys.executable)
    return dict(os.environ) | ({"__PYVENV_LAUNCHER__": sys.executable} if base != sys.executable else {})


def _own(fd: int) -> int:
    """A standard output that the worker shares; nowhere, if there is none."""
    try:
        msvcrt.get_osfhandle(fd)
    except OSError:
        return subprocess.DEVNULL
    return fd


def _hold(pid: int) -> None:
    """Puts a process into this one's job. Where that is refused, the worker still sees the end of the pipe."""
    process = _kernel32.OpenProcess(PROCESS_TERMINATE | PROCESS_SET_QUOTA, False, pid)
    if process:
        _kernel32.AssignProcessToJobObject(_job(), process)
        _kernel32.CloseHandle(process)


def _job() -> int:
    """The job of this process. Its handle is never closed: that is left to the end of the process."""
    global _own_job  # noqa: PLW0603
    if _own_job is None:
        job: int = _kernel32.CreateJobObjectW(None, None)
        limits = _ExtendedLimits(flags=KILL_ON_JOB_CLOSE)
        _kernel32.SetInformationJobObject(job, EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits))
        _own_job = job
    return _own_job


_own_job: int | None = None
