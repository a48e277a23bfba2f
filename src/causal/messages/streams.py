"""The name of a stream: which session, and which of its sources."""

from __future__ import annotations

from typing import NamedTuple


class StreamName(NamedTuple):
    """`session/source` as two words, on the wire as one."""

    session: str
    source: str

    def __str__(self) -> str:
        return f"{self.session}/{self.source}"

    @classmethod
    def parse(cls, text: str) -> StreamName:
        """The name behind `session/source`. Raises `ValueError` for anything else."""
        session, slash, source = text.partition("/")
        if not (session and slash and source) or "/" in source:
            raise ValueError(f"{text!r} is not a stream's name, which is session/source")
        return cls(session, source)
