"""The services' console scripts. Each is a parent that runs the named module's `main` as its worker.

`python -m causal.commands broker …` is `causal-broker …`, without a launcher.
"""

import sys

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


if __name__ == "__main__":
    name = sys.argv.pop(1)
    sys.argv[0] = f"causal-{name}"
    {one.__name__: one for one in (broker, control, capture, resample, stt, engine, sink)}[name]()
