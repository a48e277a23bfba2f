"""What a lane needs of the stream that it belongs to."""

from __future__ import annotations

from typing import Protocol

from causal.journal_record import Recorded
from causal.messages import TranscriptFinal
from causal.messages.control import Assignment

from .finals import FinalQueue
from .lane import Tile
from .supply import Supply


class Home(Protocol):
    """The stream whose lane it is."""

    assignment: Assignment
    supply: Supply

    @property
    def must_end(self) -> bool:
        """Whether connections shall end before their lanes do."""

    @property
    def has_live_speech(self) -> bool:
        """Whether what comes now is worth more than what came before."""

    async def divide(self, queue: FinalQueue, *, patient: bool) -> FinalQueue:
        """The lane for a session that has just begun: this one, or a new one where much has piled up."""

    def may_cut(self, queue: FinalQueue) -> bool:
        """Whether `cut` would find a place, and what comes now is worth it: the stream has not ended."""

    async def cut(self, queue: FinalQueue) -> bool:
        """Ends the open lane amid speech; a new one goes on from there. False where that cannot be."""

    def take_open(self) -> FinalQueue:
        """The lane that has all that is to come. Whoever had another one leaves that to the others."""

    def next_turn_prefix(self, lane: str) -> str:
        """Makes the turns of a connection unique in the stream."""

    def sent(self, recorded: Recorded) -> None:
        """A chunk goes out."""

    def say(self, queue: FinalQueue, event: TranscriptFinal | None, tile: Tile) -> None:
        """A final, or a mark, for the broker."""
