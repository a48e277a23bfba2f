"""The commands: serve, and prepare."""

from __future__ import annotations

import contextlib
import logging
import secrets
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import click

from causal import service
from causal.async_loop import AsyncLoop, run
from causal.control_link import ControlLink
from causal.errors import CausalError, EngineError
from causal.messages.control import Fault
from causal.paths import Paths
from causal.service import Options

from .address import write_address
from .decoder import Decoder, Model
from .moonshine import Moonshine
from .prepare import find_model, whole_model
from .prepare import prepare as prepare_model
from .server import Reception, serving

log = logging.getLogger("causal.engine")


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


def reception_of(engine: Engine) -> Reception:
    """Who lets clients in. Loads no model before the first one comes."""
    return Reception(Decoder(lambda: load(engine.cache_dir), engine.threads), engine.key)


@contextlib.asynccontextmanager
async def running(engine: Engine, reception: Reception | None = None) -> AsyncIterator[str]:
    """The engine's address, for as long as the context lasts."""
    async with serving(reception or reception_of(engine), port=engine.port, grace_s=engine.grace_s) as url:
        if engine.address_file is not None and engine.key is not None:
            write_address(engine.address_file, url, engine.key)
        yield url


def load(cache_dir: Path) -> Model:
    """The model from the cache. Raises `EngineError` if it is not prepared."""
    return Moonshine(find_model(cache_dir))


@click.group("causal-engine", invoke_without_command=True)
@service.options
@click.pass_context
def main(context: click.Context, options: Options) -> None:
    """The local speech engine: serves until stopped."""
    if context.invoked_subcommand is None:
        run(serve(options))


async def serve(options: Options) -> None:
    """Serves until SIGTERM, Ctrl-C or the stack's end."""
    with service.opened("engine", options, AsyncLoop()) as me:
        model = ModelWatch(cache_dir(me.paths))
        key = secrets.token_urlsafe(32)
        engine = Engine(model.cache_dir, me.paths.engine_file, me.settings.engine_port, me.settings.engine_threads, key)
        reception = reception_of(engine)
        ControlLink(me, report=lambda: {"fault": model.fault(), "queues": reception.queues()})
        me.on_stop(me.loop.stop)
        async with running(engine, reception) as url:
            log.info("listens at %s", url)
            await me.loop.run()


class ModelWatch:
    """Says whether the model is there, so that its absence shows before anybody has spoken."""

    def __init__(self, cache_dir: Path) -> None:
        self.cache_dir = cache_dir
        self._found = False

    def fault(self) -> Fault | None:
        """What keeps the engine from working; a model that was found once stays found."""
        if not self._found:
            try:
                find_model(self.cache_dir)
            except EngineError as error:
                return Fault(code=error.code, message=error.message, hint=error.hint, retrying=True)
            self._found = True
        return None


@main.command()
@click.option("--wheel", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Fetched by other means.")
@click.option("--check", "only_check", is_flag=True, help="Only look whether it is there, and whole.")
def prepare(wheel: Path | None, only_check: bool) -> None:
    """Fetches the speech model and makes it ready. Needs the network, once."""
    folder = cache_dir(Paths.from_environment())
    try:
        if only_check:
            click.echo(f"The speech model is whole: {whole_model(folder)}", err=True)
        else:
            prepare_model(folder, lambda line: click.echo(line, err=True), wheel=wheel)
    except CausalError as error:
        click.echo(f"causal-engine: {error}", err=True)
        sys.exit(1)


def cache_dir(paths: Paths) -> Path:
    """The engine's part of the cache."""
    return paths.cache / "engine"
