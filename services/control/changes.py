"""What has changed between two replies, as lines: for a pipe, where nothing can be drawn over. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from causal import wire
from causal.messages.control import Device, ServiceView, SessionView
from causal.screen import clean

from .tables import ALIASES, duration

Facts = dict[str, str]
"""What is worth a line when it changes, by whose it is: states and counts, but neither levels nor times."""


def between(before: Facts, now: Facts) -> list[str]:
    """One line for each fact that is new, different, or gone."""
    told = [f"{whose}: {fact}" for whose, fact in now.items() if before.get(whose) != fact]
    return told + [f"{whose}: gone" for whose in before if whose not in now]


def of_devices(reply: Mapping[str, Any]) -> Facts:
    """What can be heard, and what `mic` and `system` mean."""
    found = [wire.convert(fields, Device) for fields in reply["devices"]]
    return {clean(device.id): _device(device) for device in found}


def of_status(reply: Mapping[str, Any]) -> Facts:
    """Sessions, streams and services."""
    facts = {"new sessions": f"heard by {reply.get('engine', '?')}"}
    for view in (wire.convert(fields, SessionView) for fields in reply["sessions"]):
        status = view.status
        label = f' "{clean(status.label)}"' if status.label else ""
        reason = f" ({status.reason})" if status.reason else ""
        facts[f"session {status.session}"] = f"{status.state}{label}{reason}, heard by {status.engine}"
        for source, fault in view.faults.items():
            facts[f"{status.session} {source} !"] = clean(f"{fault.message.rstrip('.')}. {fault.hint}".strip())
    return facts | of_work(reply)


def of_work(reply: Mapping[str, Any]) -> Facts:
    """Streams and services: what no event of its own tells."""
    facts: Facts = {}
    for view in (wire.convert(fields, SessionView) for fields in reply["sessions"]):
        for stream in view.streams:
            lost = f", {duration(stream.lost_ms)} lost" if stream.lost_ms else ""
            facts[f"{stream.session} {stream.source}"] = f"{stream.state}, speech {stream.speech}{lost}"
            if stream.hint:
                facts[f"{stream.session} {stream.source} ?"] = clean(stream.hint)
    for service in (wire.convert(fields, ServiceView) for fields in reply["services"]):
        facts[f"{service.status.service} {service.status.instance}"] = _service(service)
    return facts


def _device(device: Device) -> str:
    alias = f", which is {ALIASES[device.kind]}" if device.default and device.kind in ALIASES else ""
    return f"{device.kind} {clean(device.name)}{alias}"


def _service(view: ServiceView) -> str:
    state = f"failed: {clean(view.fault.message)}" if view.fault else "running" if view.alive else "not running"
    dropped = sum(queue.dropped for queue in view.status.queues.values())
    return f"{state}, {dropped} dropped" if dropped else state
