"""The recordings that are played, and how their texts are compared."""

from __future__ import annotations

from pathlib import Path

import click
import jiwer
import page
from platformdirs import user_cache_path
from whisper_normalizer.english import EnglishTextNormalizer

from causal.testing.clips import Clip, Folders, all_clips

folder_option = click.option(
    "--clips",
    default=user_cache_path("causal") / "clips",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder that keeps the recordings; what is missing is fetched.",
)


def recordings(clips: Path) -> list[Clip]:
    """All recordings; some are fetched by pip, some are in the Debian package pocketsphinx-testdata."""
    return all_clips(Folders(page.ROOT / "samples", clips))


def error_rates(heard: dict[Clip, str]) -> tuple[float, dict[Clip, float]]:
    """The word error rate over all words, and of each recording, in percent; normalised as Whisper's authors do."""
    normal = EnglishTextNormalizer()
    said = {clip: normal(clip.transcript) for clip in heard}
    got = {clip: normal(text) for clip, text in heard.items()}
    each = {clip: 100 * jiwer.wer(said[clip], got[clip]) for clip in heard}
    return 100 * jiwer.wer(list(said.values()), list(got.values())), each
