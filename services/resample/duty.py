"""One stream that this worker has: its core, its journal, and what the controller hears of it."""

from __future__ import annotations

from collections.abc import Callable

from causal.journal import JournalReader
from causal.journal_record import folder_of
from causal.messages import Block, Next
from causal.messages.control import Assignment, StreamReport
from causal.paths import Paths

from .holes import holes_before
from .recording import Recording
from .resampler import Floats
from .reserve import Reserve, room_of
from .shelf import Shelf
from .stream import Action, KeepChunk, Stream
from .trim import lost_before

END_MARK_WITHIN_S = 3.0
"""A stopped stream from which nothing comes for so long is finished without its end mark: its capture is gone."""


class Duty:
    """Keeps what its stream says before it is passed on: the chunks that come out are in the journal."""

    def __init__(
        self, assignment: Assignment, paths: Paths, sync: Callable[[int], None], reserve: Reserve, now_s: float
    ) -> None:
        """`reserve` is that of the journals' disk. Raises `OSError` when the journal cannot be opened, `ValueError` for
        a name that is no stream's."""
        self.assignment = assignment
        self.folder = folder_of(paths.journal, assignment.stream)
        """Of its journal."""
        flac = folder_of(paths.recordings, assignment.stream).with_suffix(".flac")
        room = Reserve(lambda: room_of(paths.recordings))  # its own: a recording is written by another thread
        self.recording = Recording(self.folder, assignment.stream, flac, room) if assignment.record else None
        self.shelf = Shelf(self.folder, assignment.stream, sync, reserve)
        last = self.shelf.last
        self.stream = Stream(assignment.stream, assignment.started_ns, last, outran=self.shelf.outran)
        self.stream.lost_ms = lost_before(self.folder)
        self.stt = assignment.peers.get("stt")
        self._heard_s = now_s
        self._stop = False
        self._restored: list[Action] = []
        if last is not None:
            with JournalReader(self.folder, assignment.stream) as reader:
                self._restored = [self.stream.remembered(hole) for hole in holes_before(last, reader)]

    def assign(self, assignment: Assignment, now_s: float) -> None:
        """The controller's word on this stream."""
        if assignment.stop and not self._stop:
            self._stop = True
            self._heard_s = now_s
        self.assignment = assignment
        self.stt = assignment.peers.get("stt")

    def hear(self, block: Block, samples: Floats, now_s: float) -> list[Action]:
        """Takes a block; gives what is to be told."""
        self._heard_s = now_s
        return self._kept(self.stream.hear(block, samples))

    def tick(self, now_s: float) -> list[Action]:
        """What is due: the journal, gaps of a former life, the end of a stream whose capture is gone."""
        self.shelf.tick(now_s)
        actions, self._restored = self._restored, []
        if self._stop and now_s - self._heard_s >= END_MARK_WITHIN_S:
            is_file = self.assignment.device.startswith("file:")
            actions += self._kept(self.stream.finish(None if is_file else self.assignment.stopped_ns))
        return actions

    @property
    def needed_from(self) -> int:
        """The first chunk that somebody may read: a recording is made again from the beginning."""
        return self.assignment.covered_to if self.recording is None else 0

    @property
    def is_disk_full(self) -> bool:
        """Whether chunks wait in memory for room."""
        return self.shelf.fault is not None and self.shelf.fault.code == "disk-full"

    def tell(self, now_s: float) -> Next | None:
        """What the sender should know now."""
        return self.stream.tell(now_s)

    def flush(self) -> list[Action]:
        """This worker ends; whatever was heard goes into the journal."""
        return self._kept(self.stream.flush())

    def close(self) -> None:
        self.shelf.close()

    def report(self) -> StreamReport:
        recording = self.recording
        recorded = recording is None or recording.finished or recording.fault is not None
        return StreamReport(
            stream=self.assignment.stream,
            epoch=self.assignment.epoch,
            lost_ms=self.stream.lost_ms,
            done=self.stream.ended and not self.shelf.depth and recorded,
            fault=self.shelf.fault or (recording.fault if recording else None),
        )

    def _kept(self, actions: list[Action]) -> list[Action]:
        for action in actions:
            if isinstance(action, KeepChunk):
                self.shelf.keep(action.chunk, action.samples)
        return actions
