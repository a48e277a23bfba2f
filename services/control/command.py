"""`causal-ctl`: a person's or a script's hand on the stack. Results on stdout, the rest on stderr.

Here is what its commands share; they themselves stand in `cli`.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from causal import console
from causal.errors import CausalError

if TYPE_CHECKING:
    from causal.messages import Message
    from causal.paths import Paths

    from .client import Client

EXIT_REFUSED = 1
EXIT_NO_STACK = 3

Run = Callable[..., int | None]


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no stack is running.",
)
@click.version_option(package_name="causal-audio", prog_name="causal-ctl")
def main() -> None:
    """Starts and stops transcripts, and tells how the work goes.

    The stack itself is started by: honcho start
    """
    console.prepare()


def command(function: Run) -> click.Command:
    """A command of `causal-ctl`, with `--json`; errors become messages and exit codes."""

    @main.command(function.__name__.rstrip("_"))
    @click.option("--json", "as_json", is_flag=True, help="For programs: print JSON.")
    @functools.wraps(function)
    def run(as_json: bool, **given: Any) -> None:
        try:
            code = function(as_json=as_json, **given)
        except CausalError as error:
            if as_json:
                fields = {"code": error.code, "message": error.message, "hint": error.hint}
                print_json({"ok": False, "error": fields})
            click.echo(f"causal-ctl: {error}", err=True)
            code = EXIT_NO_STACK if error.code == "no-stack" else EXIT_REFUSED
        sys.exit(code or 0)

    return run


def paths() -> Paths:
    """The stack's directories."""
    from causal.paths import Paths

    return Paths.from_environment()


def client() -> Client:
    """Asks the stack."""
    from .client import Client

    return Client(paths())


def ask(request: Message, within_s: float = 10.0) -> dict[str, Any]:
    """The controller's reply. Raises `CausalError`."""
    return client().ask(request, within_s)


def show(reply: dict[str, Any], as_json: bool, lines_of: Callable[[dict[str, Any]], list[str]]) -> list[str]:
    """Prints the reply as JSON, or as the lines that `lines_of` makes of it."""
    if as_json:
        print_json(reply)
        return []
    lines = lines_of(reply)
    for line in lines:
        click.echo(line)
    return lines


def print_json(fields: dict[str, Any]) -> None:
    click.echo(json.dumps(fields, ensure_ascii=False))
