"""Who hears the room."""

from __future__ import annotations

from causal.errors import CausalError


def choose_engine(wanted: str, key: str | None) -> str:
    """`assemblyai`, `local`, or the address of a compatible server. Raises `CausalError` for what cannot be."""
    match wanted:
        case "auto":
            return "assemblyai" if key else "local"
        case "assemblyai" if not key:
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
