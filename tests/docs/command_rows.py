"""Every command, option and argument, from the argparse parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import cache

import station.cli
import sync.central.cli
import sync.cli
from tests.docs.blocks import Row, code

PARSERS = {
    "gate-station": cache(station.cli._parser),
    "gate-sync": cache(sync.cli._parser),
    "gate-central": cache(sync.central.cli._parser),
}


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the commands below a parser, by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def command_rows(program: str) -> list[Row]:
    """Return (command with option or argument, values, default, the parser's own words)."""
    return list(_rows(PARSERS[program](), program, ""))


def _rows(parser: argparse.ArgumentParser, path: str, about: str) -> Iterator[Row]:
    yield code(path), "", "", about or (parser.description or "")
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        yield code(f"{path} {_name(action)}"), _values(action), _default(action), (action.help or "") % vars(action)
    helps = _helps(parser)
    for name, below in subcommands(parser).items():
        yield from _rows(below, f"{path} {name}", helps.get(name, ""))


def _helps(parser: argparse.ArgumentParser) -> dict[str, str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return {choice.dest: choice.help or "" for choice in action._choices_actions}
    return {}


def _name(action: argparse.Action) -> str:
    return action.option_strings[-1] if action.option_strings else (action.metavar or action.dest).upper()  # type: ignore[union-attr]


def _values(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    kind = getattr(action.type, "__name__", "") or "text"
    named = {"Path": "path", "int": "whole number", "float": "number"}.get(kind, kind)
    if action.choices:
        named = " or ".join(code(choice) for choice in action.choices)
    many = ", one or more" if action.nargs == "+" else ""
    again = ", may be repeated" if isinstance(action, argparse._AppendAction) else ""
    return named + many + again


def _default(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.required:
        return "required"
    return code(action.default) if action.default not in (None, [], "") else ""
