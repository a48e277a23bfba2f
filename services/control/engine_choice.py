"""Who hears the room."""

from __future__ import annotations

from dataclasses import dataclass

from causal.errors import CausalError

NEED_KEY = ("auto", "assemblyai")
"""Wishes that cannot be judged before it is known whether there is a key."""


@dataclass(frozen=True)
class Key:
    """What is known of the AssemblyAI key."""

    value: str | None = None
    coming: bool = False
    """It will be known in a moment: whoever needs it waits."""
    problem: CausalError | None = None
    """Why nobody knows whether there is one."""


def choose_engine(wanted: str, key: Key) -> str:
    """`assemblyai`, `local`, or the address of a compatible server. Raises `CausalError` for what cannot be."""
    match wanted:
        case "auto":
            return "assemblyai" if key.value else "local"
        case "assemblyai" if key.problem:
            text = f"there is no AssemblyAI key: {key.problem.message}"
            raise CausalError("auth-failed", text, f"{key.problem.hint}; or use --engine local")
        case "assemblyai" if not key.value:
            hint = (
                "Give one (causal-ctl key set, or ASSEMBLYAI_API_KEY) and start the stack anew; or use --engine local"
            )
            raise CausalError("auth-failed", "there is no AssemblyAI key", hint)
        case "assemblyai" | "local":
            return wanted
        case _ if wanted.startswith(("ws://", "wss://")):
            return wanted
    hint = "Known are auto, assemblyai, local, and the address of a server: ws://localhost:8080"
    raise CausalError("bad-config", f"unknown engine {wanted!r}", hint)
