"""The actions of `gate-station policy`: check a policy, explain one decision, try a policy on a journal."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from station.config import load
from station.core.decide import refuse
from station.core.model import Band, Direction, Rejected
from station.export import events
from station.journal import FILE
from station.policy_tools.case import CLASSES, STATUSES, Assumed, build, read_facts, read_moment
from station.policy_tools.explain import explain, lines
from station.policy_tools.findings import Severity
from station.policy_tools.lint import check_file
from station.policy_tools.papers import held_policy, read_papers
from station.policy_tools.replay import decisions
from station.policy_tools.report import report
from station.policy_tools.simulate import Place, Simulation
from station.policy_tools.sources import SourceError, read_policy_file
from station.policy_tools.space import TooHardError
from station.wording import reason

OK, FAILED = 0, 1
Run = Callable[[argparse.Namespace], int]


def add_actions(parser: argparse.ArgumentParser) -> None:
    """Add the actions below the command `policy`."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    def action(name: str, run: Run, about: str) -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=about, description=about)
        sub.set_defaults(run=_told(run))
        return sub

    lint = action("lint", _lint, "find rules that never fire, gaps, missing words and other mistakes")
    lint.add_argument("files", nargs="+", type=Path, metavar="FILE", help="source (TOML, .json) or signed (.cose)")
    lint.add_argument("--quiet", action="store_true", help="errors and warnings only, no notes")
    _explain_options(
        action("explain", _explain, "say which rule decides about a pass, and why the earlier ones do not")
    )
    simulate = action("simulate", _simulate, "say whose outcome a policy would change, from a journal")
    simulate.add_argument("--journal", type=Path, required=True, metavar="FILE", help="journal.db, or its folder")
    simulate.add_argument("--policy", type=Path, required=True, metavar="FILE", help="the policy to try")
    simulate.add_argument("--since", type=int, default=1, metavar="SEQ", help="first event told about; default: 1")
    simulate.add_argument("--at", default="", metavar="TIME", help="take the rules valid then; default: at each event")


def _explain_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", metavar="PASS", help="the text of a QR code")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="policy; default: the one in force")
    parser.add_argument("--trust", type=Path, metavar="FILE", help="trust bundle; default: the one in force")
    parser.add_argument("--documents", type=Path, metavar="DIR", help="go by the documents of this folder alone")
    parser.add_argument("--at", default="", metavar="TIME", help="YYYY-MM-DDTHH:MM, local by the policy; default: now")
    parser.add_argument("--direction", choices=[*Direction], type=Direction, default=Direction.IN, help="default: in")
    parser.add_argument("--temperature", choices=[*Band], type=Band, default=Band.NOT_MEASURED, help="band measured")
    parser.add_argument("--escort", choices=list(CLASSES), default="", help="class of a second pass")
    parser.add_argument("--status", choices=list(STATUSES), default="", help="assume this status; default: the list's")
    parser.add_argument(
        "--fact", action="append", default=[], metavar="NAME=VALUE", help="assume a fact, such as quota=used"
    )


def _told(run: Run) -> Run:
    """Let an action end with a message where a file cannot be used."""

    def guarded(options: argparse.Namespace) -> int:
        try:
            return run(options)
        except SourceError as error:
            sys.stderr.write(f"{error}\n")
            return FAILED
        except TooHardError:
            sys.stderr.write("the rules are too entangled to reason about; ask about fewer facts in one rule\n")
            return FAILED

    return guarded


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")


# --- lint ------------------------------------------------------------------------------------------------------------


def _lint(options: argparse.Namespace) -> int:
    return max(_lint_one(path, quiet=options.quiet) for path in options.files)


def _lint_one(path: Path, *, quiet: bool) -> int:
    policy, findings = check_file(path, int(time.time()))
    for finding in findings:
        if not (quiet and finding.severity is Severity.NOTE):
            _tell(f"{path}: {finding}")
    counts = {severity: sum(f.severity is severity for f in findings) for severity in Severity}
    rules = f"{len(policy.rules)} rules, " if policy else ""
    _tell(f"{path}: {rules}" + ", ".join(f"{count} {severity}s" for severity, count in counts.items()))
    return FAILED if counts[Severity.ERROR] else OK


# --- explain ---------------------------------------------------------------------------------------------------------


def _explain(options: argparse.Namespace) -> int:
    config = load(options.config)
    facts = read_facts(options.fact)
    papers = read_papers(config, options.documents, options.trust)
    policy = read_policy_file(options.policy) if options.policy else papers.policy
    assumed = Assumed(options.at, options.direction, options.temperature, options.escort, options.status, facts)
    case = build(options.code, papers, policy, assumed, config)
    if isinstance(case, Rejected):
        decision = refuse(case, policy)
        said = reason(case.reason)
        _tell(f"{decision.outcome}, reason {case.reason}, {decision.rule}: the text is no pass that can be judged")
        _tell(f"{said['zh']} / {said['en']} ({case.detail})")
        return FAILED
    for line in lines(explain(case)):
        _tell(line)
    return OK


# --- simulate --------------------------------------------------------------------------------------------------------


def _simulate(options: argparse.Namespace) -> int:
    config = load(options.config)
    folder = options.journal if options.journal.is_dir() else options.journal.parent
    if not options.journal.is_dir() and options.journal.name != FILE:
        raise SourceError(f"{options.journal}: name the folder that holds {FILE}, or a copy of that name")
    new = read_policy_file(options.policy)
    blind = frozenset(lane.id for lane in config.lane if lane.thermometer is None)
    place = Place(config.station.zone, blind, alone=config.station.site is None)
    at_s = read_moment(options.at, new.calendar) if options.at else None
    pasts = [past for past in decisions(events(folder), alone=place.alone) if past.seq >= options.since]
    simulation = Simulation(new, held_policy(folder / FILE), place, at_s)
    for line in report(simulation.run(pasts), new.calendar):
        _tell(line)
    return OK
