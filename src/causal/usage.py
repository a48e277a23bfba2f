"""What this process takes of the machine."""

from __future__ import annotations

import time

import psutil

MEASURE_EVERY_S = 0.8
RSS_EVERY_S = 5.0


class Usage:
    """Measures at most once a second, whoever asks how often: asking the system costs more than the answer is worth."""

    def __init__(self) -> None:
        self.cpu_percent = 0.0
        """Of one core, over the last second; 0 before the first has passed."""
        self.rss_bytes = 0
        self._process = psutil.Process()
        self._cpu_s = time.process_time()
        self._measured_s = time.monotonic()
        self._rss_s = float("-inf")

    def look(self) -> None:
        """Brings the figures up to date."""
        now_s = time.monotonic()
        if now_s - self._rss_s >= RSS_EVERY_S:
            self._rss_s = now_s
            self.rss_bytes = self._process.memory_info().rss
        passed_s = now_s - self._measured_s
        if passed_s >= MEASURE_EVERY_S:
            cpu_s = time.process_time()
            self.cpu_percent = 100 * (cpu_s - self._cpu_s) / passed_s
            self._cpu_s, self._measured_s = cpu_s, now_s
