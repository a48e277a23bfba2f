"""A transcript as a file for people and programs: txt, md, srt, vtt, json, csv. No I/O.

text = FORMATS["srt"](collect(events))
"""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable

import msgspec

from causal import wire
from causal.cues import cues_of
from causal.messages import Gap
from causal.transcript import Transcript, clock_text, not_heard, one_line, voice

MARKS = re.compile(r"([&\\`*_{}\[\]<>#|~])")
"""What Markdown would take for a mark."""

CSV_HEADER = ("type", "source", "speaker", "start_ms", "end_ms", "started_at", "text", "language", "turn", "engine")


def txt(transcript: Transcript) -> str:
    """A head, then a line for each final and each gap: `[00:00:01] mic: Hello.`"""
    lines = [f"Session {transcript.session}", *(f"{name}: {value}" for name, value in _head(transcript)), ""]
    for entry in transcript.entries:
        text = f"~ {not_heard(entry)}" if isinstance(entry, Gap) else one_line(entry.text)
        lines.append(f"[{clock_text(entry.start_ms)}] {voice(entry)}: {text}")
    return "\n".join(lines) + "\n"


def md(transcript: Transcript) -> str:
    """Markdown: a title, a list of facts, then a paragraph for each final and each gap."""
    title = _label(transcript) or f"Session {transcript.session}"
    facts = [("Session", transcript.session), *_head(transcript)]
    blocks = [f"# {_plain(title)}", "\n".join(f"- {name}: {_plain(value)}" for name, value in facts)]
    for entry in transcript.entries:
        text = f"*{_plain(not_heard(entry))}*" if isinstance(entry, Gap) else _plain(one_line(entry.text))
        blocks.append(f"**{_plain(voice(entry))}** `{clock_text(entry.start_ms)}` {text}")
    return "\n\n".join(blocks) + "\n"


def srt(transcript: Transcript) -> str:
    """SubRip subtitles. Where several people speak, the voice stands before the words."""
    blocks = [
        f"{number}\n{clock_text(cue.start_ms, ',')} --> {clock_text(cue.end_ms, ',')}\n" + "\n".join(cue.lines) + "\n"
        for number, cue in enumerate(cues_of(transcript, labels=True), 1)
    ]
    return "\n".join(blocks)


def vtt(transcript: Transcript) -> str:
    """WebVTT subtitles, with the voice of each cue in its `<v>`."""
    facts = [("Session", transcript.session), *_head(transcript)]
    note = "NOTE\n" + "\n".join(f"{name}: {value}" for name, value in facts).replace("-->", "→")
    blocks = [
        f"{number}\n{clock_text(cue.start_ms, '.')} --> {clock_text(cue.end_ms, '.')}\n"
        f"<v {html.escape(cue.voice, quote=False)}>{html.escape(chr(10).join(cue.lines), quote=False)}\n"
        for number, cue in enumerate(cues_of(transcript, labels=False), 1)
    ]
    return "\n".join([f"WEBVTT\n\n{note}\n", *blocks])


def json(transcript: Transcript) -> str:
    """All that is known, with each word and its times: `{session, started_at, …, finals: […], gaps: […]}`."""
    status = transcript.status
    fields = {
        "session": transcript.session,
        "label": status.label if status else "",
        "state": status.state if status else None,
        "reason": status.reason if status else "",
        "started_at": transcript.started_at,
        "engine": status.engine if status else "",
        "sources": transcript.sources,
        "finals": [wire.to_map(final) for final in transcript.finals],
        "gaps": [wire.to_map(gap) for gap in transcript.gaps],
    }
    return msgspec.json.format(msgspec.json.encode(fields), indent=2).decode() + "\n"


def csv_(transcript: Transcript) -> str:
    """A table after RFC 4180: a row for each final and each gap."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(CSV_HEADER)
    for entry in transcript.entries:
        if isinstance(entry, Gap):
            end_ms = entry.start_ms + entry.length_ms
            writer.writerow(("gap", entry.source, "", entry.start_ms, end_ms, "", entry.reason, "", "", ""))
        else:
            writer.writerow(
                (
                    "final",
                    entry.source,
                    entry.speaker or "",
                    entry.start_ms,
                    entry.end_ms,
                    entry.started_at,
                    one_line(entry.text),
                    entry.language or "",
                    entry.turn,
                    entry.engine,
                )
            )
    return text.getvalue()


FORMATS: dict[str, Callable[[Transcript], str]] = {
    "txt": txt,
    "md": md,
    "srt": srt,
    "vtt": vtt,
    "json": json,
    "csv": csv_,
}


def _head(transcript: Transcript) -> list[tuple[str, str]]:
    """What is known of the session; nothing that changes while nothing is said."""
    engine = transcript.status.engine if transcript.status else ""
    facts = [
        ("Label", _label(transcript)),
        ("Started", transcript.started_at),
        ("Sources", ", ".join(transcript.sources)),
        ("Heard by", one_line(engine)),
    ]
    return [(name, value) for name, value in facts if value]


def _label(transcript: Transcript) -> str:
    return one_line(transcript.status.label) if transcript.status else ""


def _plain(text: str) -> str:
    """`text` that Markdown leaves as it is."""
    return MARKS.sub(r"\\\1", text)
