"""The commands: serve, and prepare."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import click

from causal.errors import CausalError
from causal.paths import Paths

from .address import write_address
from .decoder import Decoder, Model
from .moonshine import Moonshine
from .prepare import find_model
from .prepare import prepare as prepare_model
from .server import serving


@dataclass(frozen=True)
class Engine:
    """What an engine needs to know."""

    cache_dir: Path
    """Holds the prepared model."""
    address_file: Path | None = None
    """Where address and key are written; None: nowhere."""
    port: int = 0
    threads: int = 1
    key: str | None = None
    """What clients must show; None: nothing."""
    grace_s: float = 3.0


@contextlib.asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[str]:
    """The engine's address, for as long as the context lasts. Loads no model before the first client comes."""
    decoder = Decoder(lambda: load(engine.cache_dir), engine.threads)
    async with serving(decoder, port=engine.port, key=engine.key, grace_s=engine.grace_s) as url:
        if engine.address_file is not None and engine.key is not None:
            write_address(engine.address_file, url, engine.key)
        yield url


def load(cache_dir: Path) -> Model:
    """The model from the cache. Raises `EngineError` if it is not prepared."""
    return Moonshine(find_model(cache_dir))


@click.group(invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """The local speech engine."""
    if context.invoked_subcommand is None:
        context.invoke(serve)


@main.command()
@click.option("--port", default=0, help="TCP port on 127.0.0.1; 0 takes any free one.")
def serve(port: int) -> None:
    """Serves until stopped."""
    paths = Paths.from_environment()
    paths.make()
    engine = Engine(cache_dir(paths), paths.engine_file, port, key=secrets.token_urlsafe(32))
    asyncio.run(until_stopped(engine))


@main.command()
@click.option("--wheel", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Fetched by other means.")
def prepare(wheel: Path | None) -> None:
    """Fetches the speech model and makes it ready. Needs the network, once."""
    try:
        prepare_model(cache_dir(Paths.from_environment()), lambda line: click.echo(line, err=True), wheel=wheel)
    except CausalError as error:
        click.echo(f"causal-engine: {error}", err=True)
        sys.exit(1)


def cache_dir(paths: Paths) -> Path:
    """The engine's part of the cache."""
    return paths.cache / "engine"


async def until_stopped(engine: Engine) -> None:
    """Serves until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with running(engine) as url:
        click.echo(url)
        await stopped.wait()


if __name__ == "__main__":
    main()
