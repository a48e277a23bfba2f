"""A machine's clocks as tests want them, for all processes at once that were started with their environment.

    with MachineClocks() as clocks:
        ...  start processes with clocks.environment ...
        clocks.set_wall(3600.0)   # from now on they think it is an hour later
        clocks.sleep(600.0)       # they think the machine has slept for ten minutes

The machine's own clocks are left alone: a small library, loaded into the processes, adds to what they say. The
monotonic clock is not touched: it counts on when somebody sets the clock, and stands still while a machine sleeps.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from causal import clock

COMPILER = "cc"
SOURCE = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t right[2];
static const volatile int64_t *added_ns = right;   /* to the wall clock, to the clock since the machine's start */
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("MACHINE_CLOCKS");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        void *page = mmap(NULL, sizeof right, PROT_READ, MAP_SHARED, file, 0);
        if (page != MAP_FAILED) added_ns = page;
        close(file);
    }
}

static void add(struct timespec *at, int64_t more_ns) {
    int64_t ns = at->tv_nsec + more_ns % 1000000000;
    at->tv_sec += more_ns / 1000000000 + (ns >= 1000000000) - (ns < 0);
    at->tv_nsec = (ns + 1000000000) % 1000000000;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) add(at, added_ns[0]);
    if (!failed && clock == CLOCK_BOOTTIME) add(at, added_ns[1]);
    return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


class MachineClocks:
    """Right on entry. `missing` says why they cannot be changed here, if so."""

    def __init__(self) -> None:
        self.missing = ""
        self.environment: dict[str, str] = {}
        """What the processes need; empty where it is missing."""
        self._folder = Path(tempfile.mkdtemp(prefix="clocks-"))
        self._page: mmap.mmap | None = None
        self._wall_ns = 0
        self._slept: list[tuple[int, int]] = []
        """When, on this process's capture clock, and for how long."""

    def __enter__(self) -> Self:
        added, library = self._folder / "added", self._folder / "clocks.so"
        added.write_bytes(bytes(16))
        try:
            _compile(library)
        except (OSError, subprocess.CalledProcessError) as error:
            self.missing = f"no C compiler ({error})"
            return self
        with added.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 16)
        self.environment = {"LD_PRELOAD": str(library), "MACHINE_CLOCKS": str(added)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._page is not None:
            self._page.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def set_wall(self, offset_s: float) -> None:
        """Sets the wall clock so far from where it was on entry; sleep counts beside that."""
        self._wall_ns = round(offset_s * clock.NS_PER_S)
        self._write()

    def sleep(self, length_s: float) -> None:
        """So long a sleep is over, in no time. Whoever was running then did not sleep: stop all processes before."""
        self._slept.append((clock.now_ns(), round(length_s * clock.NS_PER_S)))
        self._write()

    def capture_ns(self, at_ns: int) -> int:
        """What the processes' capture clock said at a time of this process's one."""
        return at_ns + sum(length_ns for slept_ns, length_ns in self._slept if slept_ns <= at_ns)

    def _write(self) -> None:
        if self._page is None:
            raise RuntimeError(f"the clocks cannot be changed: {self.missing}")
        slept_ns = sum(length_ns for _, length_ns in self._slept)
        self._page[:16] = struct.pack("=qq", self._wall_ns + slept_ns, slept_ns)


def _compile(library: Path) -> None:
    command = [COMPILER, "-shared", "-fPIC", "-O2", "-x", "c", "-", "-o", str(library), "-ldl"]
    subprocess.run(command, input=SOURCE, check=True, capture_output=True, text=True)
