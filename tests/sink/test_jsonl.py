"""The jsonl sink: what is in the file is there once, whole and in order, whatever happened to its writer."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from causal.errors import ConfigError
from causal.messages import Gap, TranscriptFinal, TranscriptPartial, Word
from causal.sink.jsonl import JsonlSink
from causal.sink.sink import SinkOptions


def gap(seq: int | None) -> Gap:
    return Gap(session="s", source="mic", seq=seq, start_ms=0, length_ms=10, reason="moved")


def opened(path: Path) -> tuple[JsonlSink, int | None]:
    sink = JsonlSink(SinkOptions(path.parent, str(path)))
    return sink, sink.open()


def seqs(path: Path) -> list[int]:
    return [json.loads(line)["seq"] for line in path.read_text("utf-8").splitlines()]


def test_a_line_has_the_type_and_the_fields_of_the_wire(tmp_path: Path) -> None:
    sink, position = opened(tmp_path / "t.jsonl")
    assert position is None
    word = Word(text="Grüß", start_ms=100, end_ms=200, confidence=0.5)
    sink.write(
        TranscriptFinal(
            session="s",
            source="mic",
            seq=1,
            turn="7",
            revision=3,
            text="Grüß 字\n",
            start_ms=100,
            end_ms=200,
            started_at="2026-01-31T12:00:00.100Z",
            words=(word,),
            engine="local",
        )
    )
    sink.close()
    (line,) = (tmp_path / "t.jsonl").read_text("utf-8").splitlines()
    assert line.startswith('{"type":"transcript-final",')
    assert "Grüß 字" in line
    assert json.loads(line) == {
        "type": "transcript-final",
        "session": "s",
        "source": "mic",
        "seq": 1,
        "turn": "7",
        "revision": 3,
        "text": "Grüß 字\n",
        "start_ms": 100,
        "end_ms": 200,
        "started_at": "2026-01-31T12:00:00.100Z",
        "words": [{"text": "Grüß", "start_ms": 100, "end_ms": 200, "confidence": 0.5}],
        "speaker": None,
        "language": None,
        "engine": "local",
    }


def test_only_durable_events_are_written(tmp_path: Path) -> None:
    sink, _ = opened(tmp_path / "t.jsonl")
    sink.write(
        TranscriptPartial(
            session="s", source="mic", turn="1", revision=0, text="so", start_ms=0, end_ms=1, started_at=""
        )
    )
    sink.write(gap(None))
    sink.write(gap(4))
    sink.close()
    assert seqs(tmp_path / "t.jsonl") == [4]


def test_a_file_that_was_torn_at_any_byte_goes_on_behind_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    sink, _ = opened(path)
    for seq in (1, 2, 3):
        sink.write(gap(seq))
    sink.close()
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        sink, position = opened(path)
        for seq in range((position or 0) + 1, 4):
            sink.write(gap(seq))
        sink.close()
        assert path.read_bytes() == whole, f"torn at byte {size}"


def test_a_last_line_longer_than_what_is_read_at_once_is_found(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    long = json.dumps({"type": "x", "text": "a" * 300_000, "seq": 17}) + "\n"
    path.write_text('{"type":"x","seq":16}\n' + long + '{"type":"x","te')
    sink, position = opened(path)
    sink.close()
    assert position == 17
    assert path.read_text().endswith(long)


def test_what_a_power_cut_left_at_the_end_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"type":"x","seq":5}\n' + b"\0" * 4000)
    sink, position = opened(path)
    sink.close()
    assert (position, path.read_bytes()) == (5, b'{"type":"x","seq":5}\n')


@pytest.mark.parametrize(
    "content", [b"Dear diary", b"one\ntwo\n", b'{"name":"x"}\n', b'{"type":"x"}\n', b"[1]\n", b"\n"]
)
def test_a_file_of_somebody_else_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    sink = JsonlSink(SinkOptions(tmp_path, str(path)))
    with pytest.raises(ConfigError, match=r"notes\.txt is not a transcript"):
        sink.open()
    sink.close()
    assert path.read_bytes() == content


def test_a_second_sink_on_the_same_file_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    first, _ = opened(tmp_path / "t.jsonl")
    second = JsonlSink(SinkOptions(tmp_path, str(tmp_path / "t.jsonl")))
    with pytest.raises(ConfigError, match=r"another sink writes .*t\.jsonl") as refusal:
        second.open()
    second.close()
    assert "--out" in refusal.value.hint
    first.close()
    assert second.open() is None
    second.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_fills_up_leaves_whole_lines_only(tmp_path: Path) -> None:
    """A process of its own, for the limit on a file's size (the same errors as a full disk) stays with a process."""
    path = tmp_path / "t.jsonl"
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from causal.messages import Gap\n"
        "from causal.sink.jsonl import JsonlSink\n"
        "from causal.sink.sink import SinkOptions\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "sink = JsonlSink(SinkOptions(Path('.'), sys.argv[1]))\n"
        "sink.open()\n"
        "try:\n"
        "    for seq in range(1, 100):\n"
        "        sink.write(Gap(session='s', source='mic', seq=seq, start_ms=0, length_ms=1, reason='moved'))\n"
        "except OSError as error:\n"
        "    print(seq, error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    failed_seq, number = map(int, done.stdout.split())
    assert number in (errno.ENOSPC, errno.EFBIG)
    assert seqs(path) == list(range(1, failed_seq))


def test_a_file_that_was_moved_away_is_not_written_any_more(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    sink, _ = opened(path)
    sink.write(gap(1))
    path.rename(tmp_path / "old.jsonl")
    with pytest.raises(FileNotFoundError):
        sink.write(gap(2))
    path.write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="moved away"):
        sink.write(gap(2))
    sink.close()
    assert seqs(tmp_path / "old.jsonl") == [1]


def test_the_file_is_for_the_user_alone(tmp_path: Path) -> None:
    sink = JsonlSink(SinkOptions(tmp_path / "data"))
    sink.open()
    sink.close()
    path = tmp_path / "data" / "transcripts" / "transcript.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_each_choice_of_events_has_its_own_file(tmp_path: Path) -> None:
    sink = JsonlSink(SinkOptions(tmp_path, None, session="s-1", source="mic"))
    sink.open()
    sink.close()
    assert (tmp_path / "transcripts" / "transcript-s-1-mic.jsonl").exists()


def test_a_killed_writer_leaves_a_file_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from causal.messages import Gap\n"
        "from causal.sink.jsonl import JsonlSink\n"
        "from causal.sink.sink import SinkOptions\n"
        "sink = JsonlSink(SinkOptions(Path('.'), sys.argv[1]))\n"
        "seq = (sink.open() or 0)\n"
        "print('open', flush=True)\n"
        "while True:\n"
        "    seq += 1\n"
        "    sink.write(Gap(session='s', source='mic', seq=seq, start_ms=0, length_ms=1, reason='moved'))\n"
    )
    for size in (2_000, 100_000, 200_000):
        with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            while path.stat().st_size < size:
                os.sched_yield()
            writer.send_signal(signal.SIGKILL)
    shutil.copy(path, tmp_path / "copy.jsonl")
    sink, position = opened(path)
    sink.close()
    assert seqs(path) == list(range(1, (position or 0) + 1))
