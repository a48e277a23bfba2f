"""The services' console scripts. Each is a parent that runs the named module's `main` as its worker."""

from causal import process


def broker() -> None:
    process.main("broker", "causal.broker.app")


def control() -> None:
    process.main("control", "causal.control.app")


def capture() -> None:
    process.main("capture", "causal.capture.app")


def resample() -> None:
    process.main("resample", "causal.resample.app")


def stt() -> None:
    process.main("stt", "causal.stt.app")


def engine() -> None:
    process.main("engine", "causal.engine.app")


def sink() -> None:
    process.main("sink", "causal.sink.app")
