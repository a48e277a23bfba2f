"""What the private sound servers have in common: they start and end with a test, and `pactl` reaches them."""

from __future__ import annotations

import shutil
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self


class SoundServer(ABC):
    """Starts on entry; stops on exit, and takes its folder away."""

    folder: Path
    environment: dict[str, str]
    """By which clients find it."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @abstractmethod
    def start(self) -> None:
        """Returns when it answers."""

    @abstractmethod
    def stop(self) -> None:
        """Ends it in order."""

    def pactl(self, *arguments: str) -> str:
        """What `pactl` answers. Raises `CalledProcessError`."""
        return subprocess.run(
            ["pactl", *arguments], env=self.environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    def unload(self, module: str) -> None:
        """Takes a device away, as unplugging it does."""
        self.pactl("unload-module", module)

    def play(self, path: Path, sink: str = "speakers", buffer_s: float = 0.3) -> subprocess.Popen[bytes]:
        """Starts to play a file. Wait for the process it returns. So much waits in the server: where all of the file
        does, the player may be as late as it likes."""
        latency = f"--latency-msec={round(1000 * buffer_s)}"
        return subprocess.Popen(["paplay", f"--device={sink}", latency, str(path)], env=self.environment)
