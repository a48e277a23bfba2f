"""`causal-sink jsonl`: durable events, one JSON object a line, in the order of their numbers.

The file itself says how far it goes: the `seq` of its last line. What was torn by a kill is cut off when it is opened
again, so no event is missing and none is there twice.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Mapping
from io import FileIO
from pathlib import Path

import msgspec

from causal import event_json
from causal.errors import ConfigError
from causal.messages import Event, QueueDepth

from .lock import lock
from .output import Output
from .sink import SinkOptions

FIRST_BYTES = b'{"type":"'
TAIL_BYTES = 1 << 16
SYNC_EVERY_S = 1.0


class JsonlSink:
    """Appends to a file, `DATA_DIR/transcripts/transcript.jsonl` unless told otherwise; `-` is standard output."""

    ephemeral = ()

    def __init__(self, options: SinkOptions) -> None:
        self._output = Output(sys.stdout.fileno()) if options.out == "-" else None
        self._path = Path(options.out).absolute() if options.out else default_path(options)
        self._makes_folder = options.out is None
        self._file: FileIO | None = None
        self._synced_s = 0.0

    def open(self) -> int | None:
        if self._output is not None:
            self._output.check()
            return None
        if self._makes_folder:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = FileIO(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        lock(self._file, self._path)
        return recover(self._file, self._path)

    def write(self, event: Event) -> None:
        if event.seq is None:
            return
        line = event_json.line(event)
        if self._output is not None:
            self._output.write(line)
        else:
            self._append(line)

    def close(self) -> None:
        if self._output is not None:
            self._output.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def queues(self) -> Mapping[str, QueueDepth]:
        return {"output": self._output.queue()} if self._output is not None else {}

    def _append(self, line: bytes) -> None:
        assert self._file is not None
        if not os.path.samestat(self._path.stat(), os.fstat(self._file.fileno())):
            raise FileNotFoundError(errno.ENOENT, "the file was moved away; a new one is begun", str(self._path))
        end = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        except OSError:
            self._file.truncate(end)
            raise
        now_s = time.monotonic()
        if now_s - self._synced_s >= SYNC_EVERY_S:
            self._synced_s = now_s
            os.fsync(self._file.fileno())


def default_path(options: SinkOptions) -> Path:
    """One file for each choice of events, so that two sinks with different choices do not meet."""
    parts = ("transcript", options.session, options.source)
    return options.data / "transcripts" / ("-".join(filter(None, parts)) + ".jsonl")


def recover(file: FileIO, path: Path) -> int | None:
    """Cuts off a torn last line. Returns the `seq` of the last whole one, None for an empty file.

    Raises `ConfigError` for a file that is not ours; nothing of it is changed then.
    """
    last, torn = _end_of(file)
    seq = _seq_of(last) if last is not None else None
    if seq is None and not (last is None and torn[: len(FIRST_BYTES)] == FIRST_BYTES[: len(torn)]):
        raise ConfigError(
            f"{path} is not a transcript: it ends with {(last or torn)[:40]!r}, expected {FIRST_BYTES.decode()}…",
            "Give the sink another file by --out, or move that one away.",
        )
    if torn:
        file.truncate(file.seek(0, os.SEEK_END) - len(torn))
    return seq


def _end_of(file: FileIO) -> tuple[bytes | None, bytes]:
    """The last whole line without its newline (None if there is none), and what follows it."""
    size = file.seek(0, os.SEEK_END)
    length = TAIL_BYTES
    while True:
        file.seek(max(0, size - length))
        lines = file.readall().split(b"\n")
        if len(lines) >= 3 or length >= size:
            return (lines[-2] if len(lines) >= 2 else None), lines[-1]
        length *= 2


def _seq_of(line: bytes) -> int | None:
    try:
        fields = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    seq = fields.get("seq") if isinstance(fields, dict) and "type" in fields else None
    return seq if type(seq) is int else None
