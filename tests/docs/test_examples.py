"""Examples on the pages are read by what they are meant for: configurations, policies, command lines."""

from __future__ import annotations

import argparse
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import station.config
import sync.central.config
import sync.config
from station.core import policy_source
from station.core.documents import FIELDS
from station.core.policy import Policy
from station.core.policy_reader import read_table
from tests.docs.blocks import DOCS, ROOT
from tests.docs.command_rows import PARSERS, subcommands
from tests.docs.pages import Example, examples, pages, prose

SHIPPED = sorted((ROOT / "systemd").glob("*.toml"))
POLICIES = sorted((DOCS / "how-to" / "policies").glob("*.toml"))
CATALOGUES = sorted((ROOT / "station" / "locale").glob("*.ftl"))
_INLINE = re.compile(r"`(gate-(?:station|sync|central) [^`]+)`")
_SAID = re.compile(r"gate-(?:station|sync|central)(?: (?:--?)?[a-z][a-z-]*)+")


def read_policy(text: str) -> Policy:
    """Read a policy's source as a station reads the signed document."""
    return read_table(1, {**dict.fromkeys(FIELDS), **policy_source.read_source(text, as_json=False)})


def _read_toml(example: Example) -> object:
    """Read an example with the loader its tables call for; a piece of a file must at least be TOML."""
    table = tomllib.loads(example.body)
    where = str(example)
    if {"station", "trust", "lane"} <= table.keys():
        return station.config.parse(example.body, where)
    if {"broker", "database"} <= table.keys():
        return sync.central.config.parse(example.body, where)
    if {"broker", "station"} <= table.keys():
        return sync.config.parse(example.body, where)
    if {"rules", "utc_offset_minutes"} <= table.keys():
        return read_policy(example.body)
    return table


@pytest.mark.parametrize("example", examples("toml"), ids=str)
def test_toml_examples_are_read(example: Example) -> None:
    """Every TOML example passes the real loader."""
    assert _read_toml(example)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_configurations_are_read(path: Path) -> None:
    """Every configuration that is installed passes its loader once its blanks are filled in."""
    text = path.read_text(encoding="utf-8")
    assert "[station]" in text
    assert _read_toml(Example(path, "toml", text))


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_shipped_policies_are_read(path: Path) -> None:
    """Every policy that comes with the project passes the real reader."""
    assert read_policy(path.read_text(encoding="utf-8")).rules


def test_configurations_are_shown() -> None:
    """Each of the four kinds of file is shown whole at least once, so the loaders above are really used."""
    kinds = {type(_read_toml(example)).__name__ for example in examples("toml")}
    assert {"Config", "SyncConfig", "CentralConfig", "Policy"} <= kinds


def command_lines(example: Example) -> Iterator[list[str]]:
    """Yield the words of each of our commands in a console block, from the program's name on."""
    for line in re.sub(r"\\\n\s*", " ", example.body).splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True) if line.startswith("$ ") else []
        for number, word in enumerate(words):
            name = Path(word).name
            # What follows "-u" is the name of a service's user; what lies elsewhere is a folder.
            if name in PARSERS and words[number - 1] != "-u" and (word == name or "/bin/" in word):
                yield [name, *_until_shell(words[number + 1 :])]
                break


def _until_shell(words: list[str]) -> list[str]:
    ends = [number for number, word in enumerate(words) if word in ("|", ">", "<", "&&", ";")]
    return words[: ends[0]] if ends else words


@pytest.mark.parametrize("example", examples("console", "sh", "bash"), ids=str)
def test_commands_shown_are_accepted(example: Example) -> None:
    """Every command line of ours in a console block is accepted by the program's own parser."""
    for name, *arguments in command_lines(example):
        try:
            PARSERS[name]().parse_args(arguments)
        except SystemExit as error:
            pytest.fail(f"{name} {shlex.join(arguments)} is refused (status {error.code})", pytrace=False)


def test_console_blocks_show_commands() -> None:
    """The reader of console blocks finds our commands in them."""
    assert sum(1 for example in examples("console") for _ in command_lines(example)) > 10


def _unknown(text: str) -> str:
    """Return what of a mention such as "gate-station guard add NAME" does not exist; empty where all does."""
    name, *words = text.split()
    parser, options = PARSERS[name](), set[str]()
    for word in words:
        options |= {option for action in parser._actions for option in action.option_strings}
        if word.startswith("-"):
            if word.split("=")[0] not in options | _below(parser):
                return word
        elif below := subcommands(parser):
            if word not in below and word != "...":
                return word
            parser = below.get(word, parser)
    return ""


def _below(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_mentioned_exist(page: Path) -> None:
    """Every `gate-... command` in running text names a command and options that exist."""
    wrong = {text: unknown for text in _INLINE.findall(prose(page)) if (unknown := _unknown(text))}
    assert not wrong


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.name)
def test_commands_said_to_guards_exist(path: Path) -> None:
    """The commands that the station's own texts tell people to run exist."""
    said = _SAID.findall(path.read_text(encoding="utf-8"))
    assert said
    assert not [text for text in said if _unknown(text)]


def test_unknown_commands_are_seen() -> None:
    """The check itself refuses a command and an option that do not exist."""
    assert _unknown("gate-station guard forget") == "forget"
    assert _unknown("gate-station export --until") == "--until"
    assert not _unknown("gate-station guard add NAME")
