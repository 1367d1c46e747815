"""gate-central database: the version of the tables, and what is to be done after a restore."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import sqlalchemy as sa

from sync.central import schema
from sync.central.arguments import Commands, action, group
from sync.central.config import load
from sync.central.document_commands import with_config
from sync.central.store import Store
from sync.config import ConfigError

RESTORED = "restored"
"""The note of when the database was last restored, Unix seconds."""

Work = Callable[[str], Iterator[str]]
"""Does something with the database at a URL and yields the lines to print."""


def add(commands: Commands) -> None:
    """Declare the commands."""
    database = group(commands, "database", "the central database")
    for name, work, about in (
        ("current", _current, "say of which version its tables are"),
        ("upgrade", _upgrade, "bring its tables to this program's version; back it up and stop all collectors before"),
        ("restored", _restored, "after a restore from a backup: let every station send again what is missing"),
    ):
        with_config(action(database, name, partial(with_database, work), about))


@contextmanager
def opened(url: str) -> Iterator[Store]:
    """Give the open store at a URL."""
    store = Store(url)
    try:
        store.open()
        yield store
    finally:
        store.close()


def with_database(work: Work, options: argparse.Namespace) -> Iterator[str]:
    """Do something with the configured database. Raises ConfigError where it cannot be reached."""
    url = load(options.config).database.url
    try:
        yield from work(url)
    except sa.exc.DBAPIError as error:
        shown = sa.make_url(url).render_as_string(hide_password=True)
        raise ConfigError(f"{shown}: {error.orig} - at `$.database.url`; is the database running?") from error


def _current(url: str) -> Iterator[str]:
    found = schema.current(url)
    if found == schema.HEAD:
        yield f"version {found}, which is this program's"
    elif found:
        yield f"version {found}; this program needs {schema.HEAD}: gate-central database upgrade"
    else:
        yield "empty; gate-central serve creates the tables"


def _upgrade(url: str) -> Iterator[str]:
    before, after = schema.upgrade(url)
    yield f"version {after}, as before" if before == after else f"version {before or '(empty)'} to {after}"


def _restored(url: str) -> Iterator[str]:
    with opened(url) as store:
        store.set_note(RESTORED, str(int(time.time())))
        yield f"generation {store.generation} to {store.new_generation()}"
        yield "Stations say hello again with their next batch, and send what this database has forgotten."
