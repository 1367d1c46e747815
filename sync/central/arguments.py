"""What the office's commands share: how their arguments are declared, and how a validity is counted."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from station.core.model import PassClass

DAY_S = 86_400
HOUR_S = 3600
CLASSES = [pass_class.name.lower() for pass_class in PassClass]

Run = Callable[[argparse.Namespace], Iterable[str]]
"""Does what a command says and returns the lines to print, one by one."""
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse names no public type


def action(commands: Commands, name: str, run: Run, about: str) -> argparse.ArgumentParser:
    """Add a command."""
    parser = commands.add_parser(name, help=about, description=about)
    parser.set_defaults(run=run)
    return parser


def group(commands: Commands, name: str, about: str) -> Commands:
    """Add a command that is followed by an action."""
    return commands.add_parser(name, help=about, description=about).add_subparsers(required=True, metavar="ACTION")


def with_office(parser: argparse.ArgumentParser, run: Run) -> None:
    """Let a command work on an office."""
    parser.add_argument("--office", type=Path, required=True, metavar="DIR", help="folder with keys and documents")
    parser.set_defaults(run=run)


def signing(parser: argparse.ArgumentParser, run: Run, days: int) -> None:
    """Let a command sign a document with a key of an office."""
    with_office(parser, run)
    parser.add_argument("--key", required=True, metavar="NAME", help="signing key")
    parser.add_argument("--days", type=int, default=days, help=f"validity, default {days}")


def valid(days: float) -> tuple[int, int]:
    """Return (now, now and `days`), Unix seconds."""
    now = int(time.time())
    return now, now + round(days * DAY_S)
