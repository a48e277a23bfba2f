"""What the folders promise: services meet in messages, cores have no I/O, nothing is missing in the wheel."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

with (ROOT / "pyproject.toml").open("rb") as file:
    SETUPTOOLS = tomllib.load(file)["tool"]["setuptools"]

FOLDERS = {"causal": ROOT / "src/causal", "causal.broker": ROOT / "broker", "causal.config": ROOT / "config"} | {
    f"causal.{folder.name}": folder for folder in (ROOT / "services").iterdir() if (folder / "__init__.py").exists()
}
SERVICES = set(FOLDERS) - {"causal", "causal.config"}

TALKERS = {
    "src/causal": {
        "async_loop",
        "broker_link",
        "control_link",
        "export",
        "loop",
        "service",
        "subscription",
        "transport",
    },
    "src/causal/testing": {"event_record", "fake_controller", "lone_gateway", "one_loop", "stack"},
    "broker": {"app"},
    "services/capture": {"app", "outlet"},
    "services/control": {"app", "client", "exporter", "follow", "live", "probes", "reading"},
    "services/resample": {"app"},
    "services/sink": {"web_control"},
    "services/stt": {"gateway"},
}
"""The modules that open or read ZeroMQ sockets; all others are handed messages."""

CORES = {
    "services/capture": {"ring", "driver_frames", "portaudio_ids", "sample_clock", "sender", "silence"},
    "services/resample": {"framer", "inlet", "resampler", "stream", "timeline"},
    "services/stt": {"backoff", "codec", "failures", "lane", "pacing", "session", "turns"},
    "services/control": {"assigner", "crew", "desk", "engine_choice", "registry", "replies", "session", "sources"},
    "broker": {"event_log", "presence"},
    "src/causal": {"feed", "journal_record", "latency", "outbox", "rendering", "topics", "wire"},
}
"""Logic: what happened and the time come in, what to do goes out."""

OUTSIDE = {
    *("asyncio", "ctypes", "psutil", "pulsectl", "queue", "select", "signal", "socket", "subprocess", "threading"),
    *("time", "websockets", "zmq"),
}
"""What a core has no use for: waiting, drivers, and the time of day."""


def modules(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """The full names of what a module imports; relative ones begin with a dot."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def foreign(path: Path, own: str) -> set[str]:
    """The services, other than its own, that a module imports from."""
    found = {".".join(name.split(".")[:2]) for name in imports(path)}
    return (found & SERVICES) - {own}


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_no_service_imports_a_neighbour(service):
    offenders = {name_of(path): foreign(path, service) for path in modules(FOLDERS[service])}
    assert not {name: found for name, found in offenders.items() if found}


def test_what_is_shared_imports_no_service():
    shared = [path for path in modules(FOLDERS["causal"]) if "testing" not in path.parts]
    assert not {name_of(path): foreign(path, "causal") for path in shared if foreign(path, "causal")}


def test_nothing_that_runs_needs_what_is_for_tests():
    offenders = [
        name_of(path)
        for folder in FOLDERS.values()
        for path in modules(folder)
        if "testing" not in path.parts and any(name.startswith("causal.testing") for name in imports(path))
    ]
    assert offenders == []


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_at_home_imports_are_short(service):
    offenders = [
        name_of(path)
        for path in modules(FOLDERS[service])
        if any(name == service or name.startswith(f"{service}.") for name in imports(path))
    ]
    assert offenders == []


# --- what is in the wheel ---


def test_every_folder_with_code_is_a_package_of_the_wheel():
    found = {
        ".".join([package, *path.parent.relative_to(folder).parts])
        for package, folder in FOLDERS.items()
        for path in modules(folder)
    }
    assert found == set(SETUPTOOLS["packages"])
    for package, folder in FOLDERS.items():
        assert (folder / "__init__.py").exists(), package


def test_the_folders_have_the_names_that_they_are_imported_by():
    declared = {package: ROOT / folder for package, folder in SETUPTOOLS["package-dir"].items()}
    assert declared == FOLDERS
    assert not (ROOT / "services/__init__.py").exists()


def test_every_file_that_is_not_code_is_in_the_wheel():
    for package, folder in FOLDERS.items():
        named = {path for pattern in SETUPTOOLS["package-data"].get(package, []) for path in folder.glob(pattern)}
        others = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
        assert others <= named, package


# --- who talks to the world ---


@pytest.mark.parametrize("folder", sorted(name_of(folder) for folder in FOLDERS.values()))
def test_sockets_are_opened_and_read_in_few_modules_alone(folder):
    talkers = {path for path in modules(ROOT / folder) if any(name.split(".")[0] == "zmq" for name in imports(path))}
    listed = {ROOT / place / f"{name}.py" for place, names in TALKERS.items() for name in names}
    assert not {name_of(path) for path in talkers - listed}


def test_messagepack_is_made_in_one_module():
    users = {
        name_of(path)
        for folder in FOLDERS.values()
        for path in modules(folder)
        if any(name.split(".")[0] == "msgpack" for name in imports(path))
    }
    assert users == {"src/causal/wire.py"}


@pytest.mark.parametrize("core", sorted(f"{folder}/{name}.py" for folder, names in CORES.items() for name in names))
def test_a_core_neither_waits_nor_asks_the_time(core):
    names = set(imports(ROOT / core))
    assert not {name.split(".")[0] for name in names} & OUTSIDE
    tree = ast.parse((ROOT / core).read_text("utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in ("now_ns", "now_s")]


@pytest.mark.parametrize("folder", sorted(CORES))
def test_each_core_has_a_test_file_of_its_own(folder):
    tests = ROOT / "tests" / ("" if folder == "src/causal" else Path(folder).name)
    parts = {"assigner", "crew", "engine_choice", "journal_record"}  # tested by the stories of desk and journal
    missing = {name for name in CORES[folder] - parts if not (tests / f"test_{name}.py").exists()}
    assert not missing
