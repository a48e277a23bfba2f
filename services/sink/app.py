"""`causal-sink NAME`: gives a sink its events, whatever happens to the sink, its disk or the broker.

broker ──▶ subscription ──▶ sink.write
                 ▲              │ fails: closed, shown in status, every 2 s opened again and told everything since
                 └──────────────┘
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import click

from causal import service
from causal.feed import parse_begin
from causal.loop import Loop
from causal.process import EXIT_CONFIG, PARENT_VARIABLE
from causal.service import Options

from .keeper import Keeper
from .place import Place
from .sink import SinkOptions, about, find, names

NAMED = "causal.sink"
"""Where a command's context remembers which sink it is about."""


def _begin(_context: click.Context, _option: click.Parameter, value: str) -> int | None:
    try:
        return parse_begin(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


class SinkCommand(click.Command):
    """Its help ends with the sink that is named, and with that sink's own options."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        given, _, _ = self.make_parser(context).parse_args(list(arguments))
        context.meta[NAMED] = given.get("name")
        return super().parse_args(context, arguments)

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(context, formatter)
        name = context.meta.get(NAMED)
        if not isinstance(name, str) or (make := find(name)) is None:
            return
        with formatter.section(f"The sink {name}"):
            formatter.write_text(about(make))
            if rows := [row for option in _parameters(make) if (row := option.get_help_record(context))]:
                formatter.write_paragraph()
                formatter.write_dl(rows)


@click.command(
    "causal-sink",
    cls=SinkCommand,
    epilog=f"Installed sinks: {', '.join(names())}. Some have options of their own: causal-sink NAME --help.",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.argument("name")
@click.option("--session", metavar="SESSION", help="Only this session. Default: all.")
@click.option("--source", metavar="SOURCE", help="Only this source: mic, system, file … Default: all.")
@click.option(
    "--from",
    "begin",
    metavar="now|start|SEQ",
    default="now",
    show_default=True,
    callback=_begin,
    help="Which event comes first. A sink that remembers how far it came goes on there.",
)
@click.option("--out", metavar="PATH", help="The file of a sink that writes one; - is standard output.")
@click.pass_context
@service.options
def main(
    context: click.Context,
    options: Options,
    name: str,
    session: str | None,
    source: str | None,
    begin: int | None,
    out: str | None,
) -> None:
    """Gives the transcript to a consumer: the sink NAME. Sinks come and go at any time; none disturbs the others."""
    make = find(name)
    if make is None:
        raise click.BadParameter(f"there is no sink {name!r}; installed are {', '.join(names())}", param_hint="NAME")
    chosen = _own_options(name, make, context)
    has_parent = PARENT_VARIABLE in os.environ  # `opened` takes it away
    own = dataclasses.replace(options, instance=f"{name}-{os.getpid()}")
    with service.opened("sink", own, Loop(), lock=False) as me:
        sink = make(SinkOptions(me.paths.data, out, session, source, chosen, me.paths, me.settings))
        place = Place(me.paths.runtime, name, os.getppid()) if has_parent else None
        keeper = Keeper(me, name, sink, begin, place, session=session, source=source)
        if refusal := keeper.open():
            click.echo(f"causal-sink {name}: {refusal}", err=True)
            raise SystemExit(EXIT_CONFIG)
        me.loop.run()
        keeper.close()


def _own_options(name: str, make: object, context: click.Context) -> dict[str, Any]:
    """What follows the common options, as the sink's own `parameters` say. Ends the command when that is something
    else."""
    command = click.Command(name, params=list(_parameters(make)), add_help_option=False)
    with command.make_context(f"causal-sink {name}", list(context.args)) as own:
        return dict(own.params)


def _parameters(make: object) -> Sequence[click.Option]:
    options: Sequence[click.Option] = getattr(make, "parameters", ())
    return options
