"""Writes docs/reference/commands.md and settings.md from the commands and the settings themselves.

    .venv/bin/python scripts/reference.py

tests/test_reference.py fails when the pages differ from what this makes.
"""

from __future__ import annotations

import inspect
import re
import textwrap
import tomllib
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import click
import msgspec

from causal.control import key
from causal.settings import DIRECTORIES, FOR_SINKS, Settings
from causal.sink.sink import about

ROOT = Path(__file__).parent.parent
WIDTH = 120
FIRST = ("causal-ctl", "causal-sink", "causal-engine")
NOTE = "<!-- made by scripts/reference.py from the code -->"
VARIABLES = {
    "CAUSAL_RUNTIME_DIR": "sockets and locks, for you alone; by default `causal` in the user's runtime directory",
    "CAUSAL_DATA_DIR": "event log, recent sound, transcripts; by default `~/.local/share/causal`",
    "CAUSAL_CACHE_DIR": "the speech model; by default `~/.cache/causal`",
    "CAUSAL_CONFIG_DIR": "`causal.toml`; by default `~/.config/causal`",
    "CAUSAL_WEBHOOK_URL": "where [`causal-sink webhook`](../how-to/webhook.md) posts to",
    "CAUSAL_WEBHOOK_SECRET": "what it signs with",
    "ASSEMBLYAI_API_KEY": "[AssemblyAI's key](../how-to/assemblyai.md)",
}
"""Variables that are no settings."""


def main() -> None:
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")


def pages() -> dict[Path, str]:
    """What each page of the reference should say."""
    folder = ROOT / "docs" / "reference"
    return {folder / "commands.md": _page(_commands()), folder / "settings.md": _page(_settings())}


def _page(lines: Iterable[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


# --- commands ---


def _commands() -> Iterator[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    commands = {name: _command(name, target) for name, target in project["scripts"].items()}
    yield from ("# Commands", "", NOTE, "")
    yield from _paragraph("`--help` of each says the same. Settings, and variables: [Settings](settings.md).")
    yield from _ctl(commands["causal-ctl"])
    yield from _sink(commands["causal-sink"], project["entry-points"]["causal.sinks"])
    yield from _engine(commands["causal-engine"])
    yield from _services({name: command for name, command in commands.items() if name not in FIRST})


def _command(name: str, target: str) -> Any:
    """The click command behind a console script; a service's script runs a parent, which runs this."""
    module, _, function = target.partition(":")
    if module != "causal.commands":
        return getattr(import_module(module), function)
    return import_module(f"{name.replace('-', '.')}.app").main


def _ctl(group: Any) -> Iterator[str]:
    common = set.intersection(*(set(_names(command)) for command in group.commands.values()))
    yield from ("## causal-ctl", "", *_texts(group), *_paragraph(group.epilog), *_options(group.params))
    yield "Every command has:"
    yield ""
    yield from _options(option for option in next(iter(group.commands.values())).params if option.name in common)
    for name, command in group.commands.items():
        yield from (f"### causal-ctl {_usage(name, command)}", "", *_texts(command))
        yield from _options(option for option in command.params if option.name not in common)


def _sink(command: Any, sinks: dict[str, str]) -> Iterator[str]:
    own = [option for option in command.params if option.name not in _of_all_services()]
    yield from (f"## causal-sink {_usage('', command).strip()}", "", *_texts(command))
    yield from _options(own)
    yield from _paragraph(
        "Besides, it has the options of [all services](#all-services), and these sinks come with Causal:"
    )
    for name, target in sinks.items():
        module_name, _, attribute = target.partition(":")
        made = getattr(import_module(module_name), attribute)
        yield from (f"### causal-sink {name}", "")
        yield from _paragraph(about(made))
        yield from _options(getattr(made, "parameters", ()))


def _engine(group: Any) -> Iterator[str]:
    yield from ("## causal-engine", "", *_texts(group))
    yield from _paragraph("It has the options of [all services](#all-services).")
    for name, command in group.commands.items():
        yield from (f"### causal-engine {_usage(name, command)}", "", *_texts(command), *_options(command.params))


def _services(commands: dict[str, Any]) -> Iterator[str]:
    yield from ("## All services", "")
    for name, command in commands.items():
        yield from _item(f"`{name}`", command.help)
    yield from ("", "They, `causal-sink` and `causal-engine` have:", "")
    yield from _options(next(iter(commands.values())).params)


def _of_all_services() -> list[str]:
    return _names(import_module("causal.broker.app").main)


def _names(command: Any) -> list[str]:
    return [parameter.name for parameter in command.params]


def _usage(name: str, command: Any) -> str:
    arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
    return " ".join([name, *map(_argument, arguments)])


def _argument(argument: click.Argument) -> str:
    """`[SESSION]` where it may be left out, `WORDS...` where there may be several."""
    if argument.metavar:
        return argument.metavar
    text = str(argument.name).upper() + ("..." if argument.nargs == -1 else "")
    return text if argument.required else f"[{text}]"


def _texts(command: Any) -> list[str]:
    """A command's help, paragraph by paragraph."""
    return [line for text in inspect.cleandoc(command.help).split("\n\n") for line in _paragraph(text)]


def _options(parameters: Iterable[click.Parameter]) -> list[str]:
    lines = [
        line
        for option in parameters
        if isinstance(option, click.Option)
        for line in _item(f"`{_spelled(option)}`", _explained(option))
    ]
    return [*lines, ""] if lines else []


def _spelled(option: click.Option) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    return names if option.is_flag else f"{names} {_value(option)}"


def _value(option: click.Option) -> str:
    match option.type:
        case _ if option.metavar:
            return option.metavar
        case click.Choice(choices=choices):
            return "|".join(map(str, choices))
        case click.Path():
            return "PATH"
        case _:
            return "N" if isinstance(option.type, click.types.IntParamType | click.types.FloatParamType) else "TEXT"


def _explained(option: click.Option) -> str:
    """The help; in brackets what the value may be, and what it is otherwise."""
    facts = []
    if isinstance(option.type, click.IntRange | click.FloatRange):
        facts.append(_limits(option.type.min, option.type.max))
    if option.required:
        facts.append("required")
    if option.multiple and "may be repeated" not in str(option.help):
        facts.append("may be repeated")
    if isinstance(option.envvar, str):
        facts.append(f"or `{option.envvar}`")
    if isinstance(option.default, int | float | str) and not option.is_flag and option.default != "":
        facts.append(
            f"default {option.default:g}" if isinstance(option.default, float) else f"default {option.default}"
        )
    return f"{option.help} ({', '.join(facts)})" if facts else str(option.help)


# --- settings ---


def _settings() -> Iterator[str]:
    lines = (ROOT / "config" / "default.toml").read_text("utf-8").splitlines()
    kinds = get_type_hints(Settings, include_extras=True)
    yield from ("# Settings", "", NOTE, "")
    yield from _paragraph(
        "Each is a key of `causal.toml` (`causal-ctl status` names its folder), a variable (`engine_port` is "
        "`CAUSAL_ENGINE_PORT`), and `--set KEY=VALUE` of a service; what comes later in this row wins. What is not "
        "given is as [default.toml](../../config/default.toml) says, which is shown here. An unknown key is an error. "
        "A list in a variable is written as in the file."
    )
    comment: list[str] = []
    for line in lines:
        if heading := re.fullmatch(r"# --- (.*) ---", line):
            yield from ("", f"## {heading[1][0].upper()}{heading[1][1:]}", "")
            comment = []
        elif line.startswith("# "):
            comment.append(line[2:])
        elif not line:
            comment = []
        else:
            yield from _item(f"`{line}`", f"{' '.join(comment)} ({_kind(kinds[line.partition(' = ')[0]])})")
    yield from ("", "## Variables besides", "")
    for name in (*DIRECTORIES, *FOR_SINKS, key.VARIABLE):
        yield from _item(f"`{name}`", VARIABLES[name])


def _kind(hint: Any) -> str:
    """What a setting may be, in words."""
    if get_origin(hint) is Annotated:
        (meta,) = (one for one in get_args(hint)[1:] if isinstance(one, msgspec.Meta))
        return f"{_kind(get_args(hint)[0])}, {_limits(meta.ge, meta.le)}"
    if get_origin(hint) is Literal:
        return "text"
    if get_origin(hint) is tuple:
        return "list of texts"
    return {str: "text", int: "whole number", float: "number"}[hint]


# --- lines ---


def _limits(low: float | None, high: float | None) -> str:
    return f"{low:g} or more" if high is None else f"{low:g} to {high:g}"


def _paragraph(text: str) -> list[str]:
    return [*textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False), ""]


def _item(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        f"* {name} - {text}", WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


if __name__ == "__main__":
    main()
