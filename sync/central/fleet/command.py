"""gate-central simulate-fleet: thousands of stations that speak the real protocol, from one process."""

from __future__ import annotations

import argparse
import json
import logging
import re
import resource
import signal
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

import msgspec
import sqlalchemy as sa

from sync.central.arguments import Commands, action
from sync.central.broker_config import check_station
from sync.central.config import CentralConfig, load
from sync.central.document_commands import with_config
from sync.central.fleet.audit import Findings, audit
from sync.central.fleet.certificates import Certificates
from sync.central.fleet.fleet import Fleet, Moment, Plan
from sync.central.fleet.tally import Outage, Tally
from sync.central.serve import read_keys
from sync.config import BrokerConfig, ConfigError, TimersConfig

SAY_S = 5
SPARE_FILES = 200
_ADDRESS = re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:]+\]):([0-9]{1,5})")


def add(commands: Commands) -> None:
    """Declare the command."""
    about = "let simulated stations send events; for a test installation, since the events are stored like any others"
    fleet = action(commands, "simulate-fleet", _run, about)
    with_config(fleet)
    fleet.add_argument("--stations", type=int, required=True, metavar="N", help="how many")
    fleet.add_argument("--rate", type=float, default=10.0, help="events a second, of all together; default 10")
    fleet.add_argument("--for", dest="seconds", type=float, default=60.0, metavar="S", help="seconds; default 60")
    fleet.add_argument(
        "--settle", type=float, default=120.0, metavar="S", help="wait so long for the last; default 120"
    )
    fleet.add_argument("--broker", metavar="HOST:PORT", help="another one than that of the configuration")
    fleet.add_argument("--certificates", type=Path, metavar="DIR", help="ca.pem, and ID.pem and ID.key of each station")
    fleet.add_argument("--prefix", default="sim", help="ids are PREFIX-00001 and so on; default sim")
    fleet.add_argument("--zone", default="000000000000", help="zone of the stations; default 000000000000")
    fleet.add_argument("--seed", type=int, default=1, help="of the traffic; default 1")
    fleet.add_argument("--log", type=Path, metavar="FILE", help="write each second and the result as lines of JSON")
    fleet.add_argument("--trust-acks", action="store_true", help="do not ask the database what it holds")


def _run(options: argparse.Namespace) -> Iterator[str]:
    config = load(options.config)
    plan = _plan(options, config)
    _raise_file_limit(plan.stations + SPARE_FILES)
    logging.basicConfig(level=logging.CRITICAL)  # what thousands of stations would say is counted instead
    kid, public = bytes.fromhex(config.ack.kid), read_keys(config).ack.private.public_key()
    context = Certificates(options.certificates).context if options.certificates else None
    fleet = Fleet(plan, lambda asked: public if asked == kid else None, context)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: fleet.stop_writing())
    with open(options.log or "/dev/null", "w", encoding="utf-8") as log:  # noqa: PTH123 - a path or nothing
        for second, moment in enumerate(fleet.run(options.seconds, options.settle), 1):
            _note(log, asdict(moment))
            if second % SAY_S == 0:
                yield _line(second, plan, moment)
        findings = None if options.trust_acks else _ask(config.database.url, fleet)
        _note(log, {"result": result(fleet, findings)})
    yield from told(fleet.tally, findings)
    fleet.close()
    if fleet.tally.acknowledged < fleet.tally.written or (findings and not findings.good):
        raise ValueError("events are missing or doubled: see above")


def _plan(options: argparse.Namespace, config: CentralConfig) -> Plan:
    if not 1 <= options.stations <= 99_999:  # noqa: PLR2004 - five digits
        raise ConfigError(f"--stations {options.stations}: name 1 to 99999")
    if options.rate < 0 or options.seconds <= 0:
        raise ConfigError("--rate must not be negative, and --for must be above 0")
    check_station(f"{options.prefix}-00001")
    if not re.fullmatch(r"[0-9]{12}", options.zone):
        raise ConfigError(f"--zone {options.zone}: a zone has 12 digits")
    if config.broker.tls and not options.certificates:
        raise ConfigError(
            f"{options.config}: the broker wants certificates, and each station its own; name their folder with "
            "--certificates, or with --config another file for a broker without TLS"
        )
    broker = replace_tls(config.broker)
    if options.broker:
        if not (found := _ADDRESS.fullmatch(options.broker)) or not 0 < int(found[2]) < 1 << 16:
            raise ConfigError(f"--broker {options.broker}: write HOST:PORT")
        broker = msgspec.structs.replace(broker, host=found[1].strip("[]"), port=int(found[2]))
    return Plan(options.stations, options.rate, options.seed, broker, options.zone, options.prefix, TimersConfig())


def replace_tls(broker: BrokerConfig) -> BrokerConfig:
    """Return the broker's address as stations see it: TLS is made by each station's own context."""
    return msgspec.structs.replace(broker, tls=None, keepalive=BrokerConfig(host="localhost").keepalive)


def _raise_file_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise ConfigError(f"{wanted} open files are needed and {hard} are allowed; run: ulimit -n {wanted}")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _ask(url: str, fleet: Fleet) -> Findings:
    try:
        return audit(url, fleet.stations)
    except sa.exc.DBAPIError as error:
        shown = sa.make_url(url).render_as_string(hide_password=True)
        raise ConfigError(f"{shown}: {error.orig}; is the database running? --trust-acks goes without it") from error


def _note(log: TextIO, what: dict[str, object]) -> None:
    log.write(json.dumps(what) + "\n")
    log.flush()


def _line(second: int, plan: Plan, now: Moment) -> str:
    return (
        f"{second:5} s  connected {now.online} and heard {now.heard} of {plan.stations}, events {now.written}, "
        f"acknowledged {now.acknowledged}, oldest waiting {now.oldest_ms:.0f} ms"
    )


def result(fleet: Fleet, findings: Findings | None) -> dict[str, object]:
    """Return the figures as JSON values."""
    tally = fleet.tally
    return {
        "stations": tally.stations,
        "heard": tally.heard,
        "written": tally.written,
        "acknowledged": tally.acknowledged,
        "peak": tally.peak,
        "connects": tally.connects,
        "failures": tally.failures,
        "tele": tally.tele,
        "batches": sum(station.uplink.batches for station in fleet.stations),
        "retransmitted": sum(station.uplink.retransmitted for station in fleet.stations),
        "blocked": sum(bool(station.store.orders) for station in fleet.stations),
        "all_heard_after": tally.all_heard_after,
        "wait_median_ms": tally.wait_ms(0.5),
        "wait_p95_ms": tally.wait_ms(0.95),
        "outages": [_outage(one) for one in tally.outages],
        "database": asdict(findings) if findings else None,
    }


def _outage(one: Outage) -> dict[str, object]:
    return {
        "began": one.began,
        "lost": one.lost,
        "broker_back": one.broker_back,
        "all_back": one.all_back,
        "first_tries": [round(at, 3) for at in sorted(one.first_tries)],
        "busiest_second": max(one.heard.values(), default=0),
    }


def told(tally: Tally, findings: Findings | None) -> Iterator[str]:
    """Yield the result for people."""
    yield f"stations: {tally.heard} of {tally.stations} heard in the end, {tally.connects} connections in all"
    for number, one in enumerate(tally.outages, 1):
        back = "not all came back" if one.all_back is None else f"all heard again {one.all_back:.1f} s after the loss"
        broker = "" if one.broker_back is None else f", the first connected again after {one.broker_back:.1f} s"
        spread = f"; first tries spread over {max(one.first_tries):.1f} s" if one.first_tries else ""
        yield f"outage {number}: {one.lost} connections lost{broker}, {back}{spread}"
    yield f"events: {tally.written} written, {tally.acknowledged} acknowledged, up to {tally.peak} in a second"
    if (median := tally.wait_ms(0.5)) is not None:
        yield f"waits for the acknowledgement: half at most {median} ms, 95 of 100 at most {tally.wait_ms(0.95)} ms"
    if findings is None:
        yield "lost and doubled: unknown, since only the acknowledgements were believed"
    else:
        yield (
            f"the database holds {findings.stored}; lost {findings.lost}, doubled {findings.doubled}, "
            f"with another hash {findings.other}"
        )
