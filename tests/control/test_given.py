"""What people type for a source."""

from __future__ import annotations

from pathlib import Path

import pytest

from causal.control.given import device_id


@pytest.mark.parametrize(
    "given",
    ["mic", "system", "pulse:alsa_input.pci-0000_00_1f.3", "portaudio:Core Audio/Built-in", "tap:system", "mcic"],
)
def test_ids_and_aliases_stay_as_they_are(given: str) -> None:
    assert device_id(given) == given


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("clip.wav", "clip.wav"),
        ("CLIP.MP3", "CLIP.MP3"),
        ("file:clip.wav", "clip.wav"),
        ("clip.wav?speed=2", "clip.wav?speed=2"),
        ("file:a b/clip?speed=max", "a b/clip?speed=max"),
        ("./talk", "talk"),
        ("talks/today", "talks/today"),
    ],
)
def test_a_file_gets_its_whole_path(given: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert device_id(given) == f"file:{tmp_path}/{path}"


def test_a_whole_path_stays_whole() -> None:
    assert device_id("/home/me/clip.wav") == device_id("file:/home/me/clip.wav") == "file:/home/me/clip.wav"


def test_the_home_folder_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert device_id("file:~/clip.wav") == "file:/home/me/clip.wav"


def test_a_file_that_is_there_needs_no_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talk").touch()
    assert device_id("talk") == f"file:{tmp_path}/talk"
