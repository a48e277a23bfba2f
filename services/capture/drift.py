"""How fast a device's clock runs: its samples counted against the capture clock."""

from __future__ import annotations

from itertools import combinations
from math import sqrt
from statistics import fmean, median
from typing import NamedTuple

CAPACITY = 32
FEWEST = 8
"""Bins without which nothing is said."""
LONGEST_BIN = 16
"""Points in the longest bins: with `CAPACITY` of them, what a device did 8 minutes ago is forgotten."""
KNOWN_TO, KNOWN_SHARE = 10e-6, 0.02
"""A rate counts as known once its standard error is below 10 ppm, or below a fiftieth of it."""
RESOLUTION_S = 1e-3
"""Points are not believed to be more exact than this, however well they fit: a server's mistakes last for seconds."""
SCATTER_OF_MAD = 1.4826
"""Standard deviation of what is spread normally, from the median of its absolute deviations."""


class Point(NamedTuple):
    """How late a device was at one moment."""

    counted_s: float
    """What its samples say: frames by the nominal rate."""
    late_s: float
    """What the capture clock says, less that."""


class Drift:
    """The rate of one device's clock, from points a second apart: a minute after the first, two where stamps scatter by
    20 ms, and a few seconds for a clock that is grossly wrong. Then it follows what the device does within minutes:
    temperature.

    The rate is the median of the slopes between any two bins (H. Theil, 1950; P. K. Sen, "Estimates of the regression
    coefficient based on Kendall's tau", Journal of the American Statistical Association 63, 1968): up to 29 % of the
    bins may be wrong by any amount. Its standard error is that of a regression line, with the scatter taken from the
    median of the absolute residuals.

    Keeps `CAPACITY` bins. When full, they are joined two by two as long as they are short; then the oldest goes. One
    writer; `ppm` may be read on any thread.
    """

    def __init__(self) -> None:
        self.slope = 0.0
        """Seconds that the device falls behind in each second that it counts; 0 as long as nothing is known."""
        self.known = False
        self._rate_hz = 0
        self._bins: list[Point] = []
        self._open: list[Point] = []
        self._points_per_bin = 1

    @property
    def ppm(self) -> float | None:
        """By how much the clock is fast: at 100 the device delivers 1,000,100 samples where 1,000,000 are due."""
        return -self.slope / (1 + self.slope) * 1e6 if self.known else None

    def begin(self, rate_hz: int) -> None:
        """A new count, which has nothing to do with the one before. What is known of the clock stays, unless it was
        that of another rate."""
        if rate_hz != self._rate_hz:
            self.slope, self.known = 0.0, False
        self._rate_hz = rate_hz
        self._bins.clear()
        self._open.clear()
        self._points_per_bin = 1

    def add(self, point: Point) -> None:
        """What was measured in the last second."""
        self._open.append(point)
        if len(self._open) < self._points_per_bin:
            return
        self._bins.append(Point(fmean(p.counted_s for p in self._open), median(p.late_s for p in self._open)))
        self._open.clear()
        self._estimate()
        if len(self._bins) == CAPACITY:
            self._make_room()

    def _estimate(self) -> None:
        if len(self._bins) < FEWEST:
            return
        slope = median((b.late_s - a.late_s) / (b.counted_s - a.counted_s) for a, b in combinations(self._bins, 2))
        rest = [late_s - slope * counted_s for counted_s, late_s in self._bins]
        middle = median(rest)
        scatter_s = max(RESOLUTION_S, SCATTER_OF_MAD * median(abs(one - middle) for one in rest))
        centre_s = fmean(point.counted_s for point in self._bins)
        error = scatter_s / sqrt(sum((point.counted_s - centre_s) ** 2 for point in self._bins))
        if error <= max(KNOWN_TO, KNOWN_SHARE * abs(slope)):
            self.slope, self.known = slope, True

    def _make_room(self) -> None:
        if self._points_per_bin < LONGEST_BIN:
            pairs = zip(self._bins[::2], self._bins[1::2], strict=True)
            self._bins = [Point((a.counted_s + b.counted_s) / 2, (a.late_s + b.late_s) / 2) for a, b in pairs]
            self._points_per_bin *= 2
        else:
            del self._bins[0]
