"""`make torture`: kills everything at random, over and over, and then counts. Exit status 1 where a bar is missed.

--ack-at puback puts a station half in the place of gate-sync that takes the broker's PUBACK for the acknowledgement:
then at least a tenth must be lost, or this harness could not find what it looks for.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.demo.processes import Broker
from tests.torture.audit import Account, audit, held_up_to
from tests.torture.director import Director, Report
from tests.torture.gates import Gate
from tests.torture.servers import Collector, Postgres

GATES = 4
PER_SECOND = 25.0
QUIET_S = 120.0
"""So long everything may take to come to rest at the end."""
CONTROL_LOSES = 0.10


@dataclass(frozen=True)
class Outcome:
    """One run."""

    report: Report
    account: Account
    at_rest: bool
    seconds: float


def torture(
    folder: Path, kills: int, seconds: float, seed: int, *, believer: bool = False, gates: int = GATES
) -> Outcome:
    """Run everything in a folder for about so many seconds and return what was done and found."""
    began = time.monotonic()
    server_folder = Path(tempfile.mkdtemp(prefix="gate-torture-pg-", dir="/tmp"))  # the path of a socket is short
    database = Postgres(server_folder)
    broker = Broker(folder)
    collectors = [Collector(folder, name, broker.port, database.url) for name in ("east", "west")]
    stations = []
    for number in range(1, gates + 1):
        home = folder / f"gate-{number}"
        home.mkdir()
        stations.append(Gate(home, f"gate-{number}", broker.port, PER_SECOND, believer=believer))
    director = Director(broker, database, collectors, stations, cards=not believer)
    try:
        broker.start()
        database.start()
        database.must_answer()
        for collector in collectors:
            collector.start()
        for collector in collectors:
            collector.must_collect()
        for gate in stations:
            gate.start_writer()
            gate.start_sync()
        director.run(kills, seconds, seed)
        at_rest = _come_to_rest(director, database, stations, 5.0 if believer else QUIET_S)
        with database.connect() as db:
            account = audit(db, {gate.name: gate.said() for gate in stations})
        return Outcome(director.report, account, at_rest, time.monotonic() - began)
    finally:
        for gate in stations:
            gate.kill_writer()
            gate.kill_sync()
        for collector in collectors:
            collector.kill()
        broker.kill()
        database.remove()
        shutil.rmtree(server_folder, ignore_errors=True)


def _come_to_rest(director: Director, database: Postgres, gates: list[Gate], most_s: float) -> bool:
    """Wait until forks are found, then stop writing and wait until central holds every journal."""
    deadline = time.monotonic() + most_s
    director.all_up()
    while time.monotonic() < deadline and any(gate.restored_from is not None for gate in gates):
        director.look()
    for gate in gates:
        gate.kill_writer()
    while time.monotonic() < deadline:
        director.look()
        with database.connect() as db:
            if all(held_up_to(db, gate.name, epoch) == last for gate in gates for epoch, last in [gate.journal()]):
                return True
    return False


def bars(outcome: Outcome, kills: int, *, believer: bool) -> list[tuple[str, str, str, bool]]:
    """Return (bar, figure, asked, met)."""
    report, account = outcome.report, outcome.account
    share = len(account.lost) / max(1, account.reported)
    if believer:
        return [
            ("control: lost with PUBACK as acknowledgement", f"{share:.1%}", "at least 10 %", share >= CONTROL_LOSES)
        ]
    return [
        ("random kills", str(report.total), f"at least {kills}", report.total >= kills),
        ("events lost", f"{len(account.lost)} of {account.reported}", "0", not account.lost),
        ("events doubled", str(len(account.doubled)), "0", not account.doubled),
        ("chains broken", str(len(account.broken)), "0", not account.broken),
        (
            "forks found",
            str(report.forks_found),
            f"{report.forks_made}, as made",
            report.forks_found == report.forks_made,
        ),
        ("at rest in the end", str(outcome.at_rest), "True", outcome.at_rest),
    ]


def told(outcome: Outcome, rows: list[tuple[str, str, str, bool]]) -> str:
    """Return the report as Markdown."""
    report = outcome.report
    lines = ["| bar | figure | asked | verdict |", "| --- | --- | --- | --- |"]
    lines += [f"| {bar} | {figure} | {asked} | {'met' if met else 'MISSED'} |" for bar, figure, asked, met in rows]
    lines += ["", "| killed | times |", "| --- | --- |"]
    lines += [f"| {name} | {count} |" for name, count in sorted(report.kills.items())]
    lines += ["", "| beside that | times |", "| --- | --- |"]
    lines += [f"| {name} | {count} |" for name, count in sorted(report.incidents.items())]
    lines += [
        "",
        f"At most {report.most_down} things were down or full at one moment. {outcome.seconds:.0f} s.",
        f"Central held {outcome.account.stored} rows, {outcome.account.carried} of them carried over into new streams.",
        f"Messages it could not use: {outcome.account.refused or 'none'}.",
    ]
    return "\n".join(lines)


def main() -> int:
    """Parse the arguments, run, report."""
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, help="for the kills; default: 1.1 for each")
    parser.add_argument("--ack-at", choices=["commit", "puback"], default="commit")
    parser.add_argument("--keep", type=Path, help="folder that is kept, for finding out what happened")
    parser.add_argument("--write", type=Path, help="page to write the report to")
    options = parser.parse_args()
    believer = options.ack_at == "puback"
    folder = options.keep or Path(tempfile.mkdtemp(prefix="gate-torture-"))
    folder.mkdir(parents=True, exist_ok=True)
    outcome = torture(folder, options.kills, options.seconds or options.kills * 1.1, options.seed, believer=believer)
    rows = bars(outcome, options.kills, believer=believer)
    text = told(outcome, rows)
    print(text)
    if options.write:
        head = f"# Torture\n\nSeed {options.seed}. Written by `make torture`; change nothing here by hand.\n\n"
        options.write.write_text(head + text + "\n", encoding="utf-8")
    for line in (*outcome.account.lost[:5], *outcome.account.doubled[:5], *outcome.account.broken[:5]):
        print("look at:", line)
    good = all(met for *_, met in rows)
    if good and not options.keep:
        shutil.rmtree(folder)
    else:
        print(f"Logs, cards and journals: {folder}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
