"""Which workers there are: they say so themselves, by polling."""

from __future__ import annotations

from dataclasses import dataclass

from causal.errors import CausalError
from causal.messages import ServiceStatus
from causal.messages.control import Assignments, ServiceView

SILENT_AFTER_S = 3.0
"""Three polls missed."""
FORGOTTEN_AFTER_S = 60.0
TOLD_EVERY_S = 0.85
"""A little less than the second between two polls, which may come early."""
PAUSED_AFTER_S = 1.0
"""So long between two looks: it was the controller itself that stood still."""
MAX_WORKERS = 500


@dataclass
class Worker:
    """One worker, by its last poll."""

    poll: Assignments
    seen_s: float
    told_s: float = float("-inf")

    def status(self) -> ServiceStatus:
        poll = self.poll
        return ServiceStatus(
            service=poll.service,
            instance=poll.instance,
            pid=poll.pid,
            cpu_percent=round(poll.cpu_percent, 1),
            rss_bytes=poll.rss_bytes,
            queues=poll.queues,
            latency_ms=poll.latency_ms,
        )


class Registry:
    """The workers by service and instance: at most 500; a new one is refused then. One writer."""

    def __init__(self) -> None:
        self._workers: dict[tuple[str, str], Worker] = {}
        self._listening_s = float("inf")
        self._looked_s = float("-inf")

    def look(self, now_s: float) -> None:
        """Call it often: a pause between two looks is not the workers' silence."""
        if now_s - self._looked_s > PAUSED_AFTER_S:
            self._listening_s = now_s
        self._looked_s = now_s

    def hear(self, poll: Assignments, now_s: float) -> Worker:
        """Takes a poll in. Raises `CausalError` when there are too many workers."""
        key = (poll.service, poll.instance)
        if key not in self._workers and len(self._workers) >= MAX_WORKERS:
            self._forget(now_s)
            if len(self._workers) >= MAX_WORKERS:
                raise CausalError("busy", f"{MAX_WORKERS} workers are known, no more are taken", "End some of them.")
        told_s = self._workers[key].told_s if key in self._workers else float("-inf")
        worker = self._workers[key] = Worker(poll, now_s, told_s)
        return worker

    def news(self, worker: Worker, now_s: float) -> ServiceStatus | None:
        """The worker's status if it is time to publish it again: once a second."""
        if now_s - worker.told_s < TOLD_EVERY_S:
            return None
        worker.told_s = now_s
        return worker.status()

    def alive(self, service: str, now_s: float) -> dict[str, Worker]:
        """The live workers of a service, by instance."""
        return {
            instance: worker
            for (name, instance), worker in self._workers.items()
            if name == service and now_s - worker.seen_s < SILENT_AFTER_S
        }

    def gone(self, service: str, instance: str, now_s: float) -> bool:
        """Whether a worker has been silent for so long that another may take its place."""
        worker = self._workers.get((service, instance))
        heard_s = worker.seen_s if worker else float("-inf")
        return now_s - max(heard_s, self._listening_s) >= SILENT_AFTER_S

    def views(self, now_s: float) -> list[ServiceView]:
        """All workers as `status` shows them; the dead ones for a minute."""
        self._forget(now_s)
        return [
            ServiceView(status=worker.status(), alive=now_s - worker.seen_s < SILENT_AFTER_S, fault=worker.poll.fault)
            for _, worker in sorted(self._workers.items())
        ]

    def _forget(self, now_s: float) -> None:
        self._workers = {k: w for k, w in self._workers.items() if now_s - w.seen_s < FORGOTTEN_AFTER_S}
