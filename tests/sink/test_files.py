"""The file sinks: a reader sees a whole file, whatever happened to its writer."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import srt

from causal.errors import ConfigError
from causal.messages import CaptureStatus, Event, Gap, SessionStatus, TranscriptFinal
from causal.sink.files import FileSink, Record, SrtSink, TxtSink
from causal.sink.progress import Progress
from causal.sink.sink import SinkOptions, find
from causal.whole_file import replace


def final(seq: int, text: str, session: str = "s", start_ms: int | None = None) -> TranscriptFinal:
    return TranscriptFinal(
        session=session,
        source="mic",
        seq=seq,
        turn=str(seq),
        revision=0,
        text=text,
        start_ms=seq * 1000 if start_ms is None else start_ms,
        end_ms=seq * 1000 + 900,
        started_at="2026-01-31T12:00:00.000Z",
    )


def status(seq: int, state: str, session: str = "s") -> SessionStatus:
    return SessionStatus(session=session, seq=seq, label="", state=state, sources=("mic",))  # type: ignore[arg-type]


def told(sink: FileSink, *events: Event) -> None:
    for event in events:
        sink.write(event)
    sink.flush()


def opened(options: SinkOptions) -> tuple[TxtSink, int | None]:
    sink = TxtSink(options)
    return sink, sink.open()


def said(path: Path) -> list[str]:
    """What stands behind the labels."""
    return [line.split(": ", 1)[1] for line in path.read_text("utf-8").splitlines() if line.startswith("[")]


@pytest.fixture
def options(tmp_path: Path) -> SinkOptions:
    return SinkOptions(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a session goes by itself."""
    return tmp_path / "transcripts" / "s.txt"


@pytest.mark.parametrize("kind", ["txt", "md", "srt", "vtt"])
def test_each_session_has_a_file_by_its_name(tmp_path: Path, kind: str) -> None:
    make = find(kind)
    assert make is not None
    sink = make(SinkOptions(tmp_path))
    assert sink.open() is None
    assert isinstance(sink, FileSink)
    told(sink, status(1, "running"), final(2, "Hello."), final(3, "Other.", session="t"))
    sink.close()
    assert "Hello." in (tmp_path / "transcripts" / f"s.{kind}").read_text("utf-8")
    assert "Other." in (tmp_path / "transcripts" / f"t.{kind}").read_text("utf-8")


def test_finals_stand_in_the_order_of_time_and_gaps_are_told(options: SinkOptions, file: Path) -> None:
    sink, _ = opened(options)
    gap = Gap(session="s", source="mic", seq=3, start_ms=500, length_ms=1200, reason="moved")
    told(sink, final(1, "Second.", start_ms=9000), final(2, "First.", start_ms=100), gap)
    assert said(file) == ["First.", "~ 1.2 s not heard: moved", "Second."]


def test_a_file_grows_with_each_final(options: SinkOptions, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("causal.sink.files.REST_FACTOR", 0)
    sink, _ = opened(options)
    told(sink, final(1, "One."))
    told(sink, final(2, "Two."))
    assert said(file) == ["One.", "Two."]


def test_a_killed_sink_begins_with_the_first_event_of_what_goes_on(options: SinkOptions, file: Path) -> None:
    killed, _ = opened(options)
    told(killed, status(1, "running", "old"), status(2, "ended", "old"), status(3, "running"), final(4, "One."))
    killed._progress.close()
    sink, position = opened(options)
    assert position == 2
    before = file.stat().st_ino
    told(sink, status(3, "running"), final(4, "One."))
    assert file.stat().st_ino == before  # nothing new yet: the file is not shortened meanwhile
    told(sink, final(5, "Two."))
    assert said(file) == ["One.", "Two."]


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_kill_between_any_two_steps_loses_nothing(
    options: SinkOptions, file: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """The steps of a flush: progress, file, file, progress."""
    steps = iter([True] * after + [False] * 9)

    class Killed(BaseException):
        pass

    def or_die(step: object) -> object:
        def run(*arguments: object) -> None:
            if not next(steps):
                raise Killed
            step(*arguments)  # type: ignore[operator]

        return run

    events = [status(1, "running"), final(2, "One."), final(3, "Other.", session="t")]
    killed, _ = opened(options)
    with monkeypatch.context() as patched:
        patched.setattr("causal.sink.files.replace", or_die(replace))
        patched.setattr(killed._progress, "keep", or_die(killed._progress.keep))
        with pytest.raises(Killed):
            told(killed, *events)
    killed._progress.close()
    sink, position = opened(options)
    told(sink, *(event for event in events if (event.seq or 0) > (position or 0)))
    assert said(file) == ["One."]
    assert said(file.with_name("t.txt")) == ["Other."]


def test_what_was_over_is_not_begun_anew(options: SinkOptions, file: Path) -> None:
    first, _ = opened(options)
    told(first, status(1, "running"), final(2, "One."), status(3, "ended"))
    first.close()
    sink, position = opened(options)
    assert position == 3
    told(sink, CaptureStatus(session="s", source="mic", seq=4, device="d", state="stopped", speech="idle"))
    told(sink, final(5, "Late."))
    assert said(file) == ["One."]


def test_a_late_word_of_a_session_that_has_just_ended_is_there(options: SinkOptions, file: Path) -> None:
    sink, _ = opened(options)
    told(sink, final(2, "One."), status(3, "ended"))
    sink.write(final(4, "Late."))
    sink.close()
    assert said(file) == ["One.", "Late."]


def test_the_last_words_are_written_at_the_end_even_while_it_rests(options: SinkOptions, file: Path) -> None:
    sink, _ = opened(options)
    told(sink, final(1, "One."))
    sink._rest_until_s = float("inf")
    told(sink, final(2, "Two."))
    assert said(file) == ["One."]
    sink.close()
    assert said(file) == ["One.", "Two."]


def test_the_end_of_a_session_is_written_even_while_it_rests(options: SinkOptions, file: Path) -> None:
    sink, _ = opened(options)
    sink._rest_until_s = float("inf")
    told(sink, final(1, "One."), status(2, "ended"))
    assert said(file) == ["One."]


def test_another_event_log_is_told_from_its_start(options: SinkOptions, file: Path) -> None:
    first, _ = opened(options)
    told(first, final(50, "Old."))
    told(first, final(1, "New.", session="n"), final(2, "Newer.", session="n"))
    first.close()
    assert said(file) == ["Old."]
    assert said(file.with_name("n.txt")) == ["New.", "Newer."]


def test_a_full_disk_leaves_the_file_as_it_was(
    options: SinkOptions, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, _ = opened(options)
    told(sink, final(1, "One."))
    sink._rest_until_s = 0.0

    def full(_self: Path, _target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space"):
            told(sink, final(2, "Two."))
    assert said(file) == ["One."]
    assert [path.name for path in file.parent.iterdir() if path.name.endswith(".new")] == []


def test_out_may_be_a_folder(tmp_path: Path) -> None:
    sink, _ = opened(SinkOptions(tmp_path / "data", f"{tmp_path}/"))
    told(sink, final(1, "One."))
    assert said(tmp_path / "s.txt") == ["One."]


def test_out_may_be_a_file_and_further_sessions_go_beside_it(tmp_path: Path) -> None:
    out = tmp_path / "talk.txt"
    options = SinkOptions(tmp_path / "data", str(out))
    first, _ = opened(options)
    told(first, final(1, "One."), final(2, "Other.", session="t"))
    first.close()
    second, _ = opened(options)
    told(second, final(1, "One."), final(2, "Other.", session="t"), final(3, "Two."))
    assert said(out) == ["One.", "Two."]
    assert said(tmp_path / "talk-t.txt") == ["Other."]


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "diary.txt"
    out.write_text("Dear diary\n")
    with pytest.raises(ConfigError, match="not from this sink"):
        opened(SinkOptions(tmp_path / "data", str(out)))
    assert out.read_text() == "Dear diary\n"
    assert list(tmp_path.iterdir()) == [out]


def test_in_a_folder_too(options: SinkOptions, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.parent.mkdir()
    file.write_text("[00:00:00] me: Mine.\n")
    sink, _ = opened(options)
    told(sink, final(1, "One."), final(2, "Two."))
    assert said(file) == ["Mine."]
    assert caplog.text.count("was there before") == 1


def test_an_empty_file_may_be_given(tmp_path: Path) -> None:
    out = tmp_path / "talk.txt"
    out.touch()
    sink, _ = opened(SinkOptions(tmp_path / "data", str(out)))
    told(sink, final(1, "One."))
    assert said(out) == ["One."]


def test_a_second_sink_on_a_file_is_refused(options: SinkOptions) -> None:
    first, _ = opened(options)
    with pytest.raises(ConfigError, match="another sink writes"):
        opened(options)
    opened(SinkOptions(options.data, source="mic"))  # these are other files
    first.close()


def test_a_source_of_its_own_has_a_file_of_its_own(tmp_path: Path) -> None:
    sink, _ = opened(SinkOptions(tmp_path, source="mic"))
    told(sink, final(1, "One."))
    assert said(tmp_path / "transcripts" / "s-mic.txt") == ["One."]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        opened(SinkOptions(tmp_path, str(tmp_path / "none" / "talk.txt")))
    assert caught.value.filename == str(tmp_path / "none")


def test_standard_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="standard output"):
        opened(SinkOptions(tmp_path, "-"))


def test_a_name_with_a_slash_stays_in_its_folder(options: SinkOptions, tmp_path: Path) -> None:
    sink, _ = opened(options)
    told(sink, final(1, "One.", session="../../x"))
    assert said(tmp_path / "transcripts" / ".._.._x.txt") == ["One."]


def test_subtitles_are_valid_at_every_moment(tmp_path: Path) -> None:
    sink = SrtSink(SinkOptions(tmp_path))
    sink.open()
    told(sink, status(1, "running"))
    path = tmp_path / "transcripts" / "s.srt"
    assert path.read_text() == ""
    for seq in range(2, 6):
        sink._rest_until_s = 0.0
        told(sink, final(seq, f"Sentence {seq}."))
        assert len(list(srt.parse(path.read_text("utf-8"), ignore_errors=False))) == seq - 1


def test_progress_is_whole_and_small_records_follow_long_ones(tmp_path: Path) -> None:
    path = tmp_path / "p"
    progress = Progress(path, Record)
    assert progress.open(path) is None
    long = Record(seq=1, open={f"session-{n}": n for n in range(100)})
    for record in (Record(seq=5), long, Record(seq=2, own="s")):
        progress.keep(record)
        progress.close()
        assert progress.open(path) == record
