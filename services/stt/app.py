"""`causal-stt`: carries chunks to the speech service and brings turns back."""

from __future__ import annotations

import click

from causal import service
from causal.async_loop import AsyncLoop, run
from causal.service import Options

from .gateway import Gateway
from .timing import Timing


@click.command("causal-stt")
@service.options
def main(options: Options) -> None:
    """Carries audio to the speech service and publishes what it hears."""
    run(_serve(options))


async def _serve(options: Options) -> None:
    with service.opened("stt", options, AsyncLoop()) as me:
        Gateway(me, Timing())
        await me.loop.run()


if __name__ == "__main__":
    main()
