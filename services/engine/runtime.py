"""Sessions of onnxruntime that leave the machine alone: one thread each, and it sleeps when there is nothing to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(path: Path) -> InferenceSession:
    """The graph in ``path``, ready to run. `run` may be called from several threads at once."""
    import onnxruntime as ort  # only an engine that is used pays for it

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads would burn a core
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
