"""Every table of the documentation that is held against the code. `python -m tests.docs.tables --write` renews them.

What people wrote in the last columns is kept; "?" marks what somebody still has to write.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial

from station.config import Config
from sync.central.config import CentralConfig
from sync.config import SyncConfig
from tests.docs import code_rows, database_rows, event_rows
from tests.docs.blocks import UNWRITTEN, Table, read_rows
from tests.docs.command_rows import PARSERS, command_rows
from tests.docs.config_rows import config_rows
from tests.docs.example_pass import example_rows

KEY = ("Key", "Values", "Default")
MEANING = ("Meaning",)
COLUMN = ("Column", "Type", "Key or null")

TABLES = (
    *(
        Table(f"{name}.toml", "reference/config.md", KEY, partial(config_rows, kind), MEANING)
        for name, kind in (("station", Config), ("sync", SyncConfig), ("central", CentralConfig))
    ),
    Table(
        "reasons",
        "reference/reasons.md",
        ("Code", "Whose matter", "BACnet", "中文", "English"),
        code_rows.reason_rows,
    ),
    Table("kinds", "reference/events.md", ("Kind",), event_rows.kind_rows, ("When",)),
    Table("payloads", "reference/events.md", ("Kind and field",), event_rows.event_rows, MEANING),
    *(
        Table(
            program,
            "reference/commands.md",
            ("Command, option, argument", "Values", "Default", "In its own words"),
            partial(command_rows, program),
            ("More",),
        )
        for program in PARSERS
    ),
    Table("topics", "reference/topics.md", ("Topic",), code_rows.topic_rows, ("QoS, retained", "From and to", "What")),
    Table("messages", "reference/topics.md", ("Field", "Values", "Default"), code_rows.message_rows, MEANING),
    Table("limits", "reference/topics.md", ("Limit", "Value"), code_rows.wire_limit_rows, MEANING),
    Table("facts", "reference/policy.md", ("Fact", "Values"), code_rows.fact_rows, MEANING),
    Table("operators", "reference/policy.md", ("Operator", "For"), code_rows.operator_rows, MEANING),
    Table("outcomes", "reference/policy.md", ("Outcome",), code_rows.outcome_rows, MEANING),
    Table("levels", "reference/policy.md", ("Level",), code_rows.level_rows, MEANING),
    Table("rule", "reference/policy.md", ("Key",), code_rows.rule_key_rows, ("Required", "Meaning")),
    Table("journal.db", "reference/databases.md", COLUMN, database_rows.journal_rows, MEANING),
    Table("state", "reference/databases.md", ("Key",), database_rows.state_rows, MEANING),
    Table("sync.db", "reference/databases.md", COLUMN, database_rows.sync_rows, MEANING),
    Table("central", "reference/databases.md", COLUMN, database_rows.central_rows, MEANING),
    Table("claims", "reference/pass-format.md", ("Number", "Name"), code_rows.claim_rows, ("Required", "Value")),
    Table("layout", "explanation/architecture.md", ("Module", "What it is"), code_rows.layout_rows),
    Table("example", "reference/pass-format.md", ("Part", "Value"), example_rows),
)


def unwritten(table: Table) -> list[str]:
    """Return the keys of rows whose written cells are still missing."""
    rows = read_rows(table.found())
    return [cells[0] for cells in rows if UNWRITTEN in cells[len(table.head) :]]


def main() -> int:
    """Renew the tables, or say which are out of date; the exit status is 1 where something is left to do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew the blocks in the pages")
    options = parser.parse_args()
    left = 0
    for table in TABLES:
        stale = table.update() if options.write else table.found() != table.wanted(table.found())
        if stale:
            print(f"{table.page}: {table.name} {'renewed' if options.write else 'is out of date'}")
            left += not options.write
        for key in unwritten(table):
            print(f"{table.page}: {table.name}: {key} has no meaning yet")
            left += 1
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
