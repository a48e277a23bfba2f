"""Tokens to text, and tokens to words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

START = 1
END = 2
SPACE = "\u2581".encode()
"""The mark (lower one eighth block) with which a token says that a word begins here."""


class Vocabulary:
    """The pieces that the model writes with: token number to bytes."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = [literal(piece) for piece in pieces]

    def text(self, tokens: Sequence[int]) -> str:
        """What the tokens say. A character that is cut in the middle becomes U+FFFD."""
        return self._decoded(b"".join(self._pieces[token] for token in tokens)).strip()

    def words(self, tokens: Sequence[int]) -> list[tuple[str, int, int]]:
        """(word, first token, token after its last), in order; joined by spaces they are `text`."""
        later = [index for index, token in enumerate(tokens) if index and self._pieces[token].startswith(SPACE)]
        found = [(self.text(tokens[first:last]), first, last) for first, last in pairwise([0, *later, len(tokens)])]
        return [word for word in found if word[0]]

    @staticmethod
    def _decoded(piece: bytes) -> str:
        return piece.replace(SPACE, b" ").decode("utf-8", "replace")


def literal(piece: bytes) -> bytes:
    """The bytes that a token stands for: `<0xE2>` is one byte, `<s>` and its like are none."""
    if piece.startswith(b"<0x") and piece.endswith(b">"):
        return bytes([int(piece[3:5], 16)])
    if len(piece) > 2 and piece.startswith(b"<") and piece.endswith(b">"):
        return b""
    return piece


def read_vocabulary(path: Path) -> Vocabulary:
    """Reads `tokenizer.bin`: for each token its length (one byte, or two from 128 up) and its bytes."""
    data = path.read_bytes()
    pieces = []
    at = 0
    while at < len(data):
        length = data[at]
        at += 1
        if length >= 128:
            length = data[at] * 128 + length - 128
            at += 1
        pieces.append(data[at : at + length])
        at += length
    return Vocabulary(pieces)
