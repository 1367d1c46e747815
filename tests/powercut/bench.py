"""`make powercut CUTS=500`: the journal under live traffic, cut at so many moments, loses nothing that was committed.

A machine of the hardware lab writes what a busy gate writes (guest/traffic.py) to a disk that records every write and
flush. Then the power is cut at CUTS moments of that recording: the disk is built as the cut leaves it, mended as a boot
mends it, and the station's files are opened and held against what the writer had told by then. A second recording with
PRAGMA synchronous = NORMAL is the control: there rows must be missing, or this test could not find any.
"""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.lab.gate import until
from tests.lab.installed import installed
from tests.lab.machine import Machine, why_not
from tests.powercut import recording, verdict

SAVED = "powercut"
NOT_NEEDED = ("gate-station", "gate-sync", "lab-rig", "lab-wires", "lab-scene", "lab-relay-watch")
DISK_MB = 64
EVENTS = 700
"""So many are recorded in each mode: some outages of the journal, many evictions and documents among them."""
CONTROL_SHARE = 0.5
"""In so many of the control's cuts rows must be missing."""
START = """set -e
mkdir -p /data; mount /dev/vdb /data; mkdir /data/station
sysctl -qw vm.dirty_writeback_centisecs=10 vm.dirty_expire_centisecs=20
systemd-run -q --unit=noise --collect sh -c 'i=0; while :; do i=$((i+1))
dd if=/dev/urandom of=/data/noise$((i%8)) bs=64k count=4 2>/dev/null; sleep 0.2; done'
systemd-run -q --unit=traffic --collect /opt/lab-station/traffic.py /data/station """


@dataclass
class Outcome:
    """What became of the cuts of one recording."""

    cuts: int
    wrong: Counter[str]
    lost: int
    told: int

    @property
    def bad(self) -> int:
        """In how many something was wrong."""
        return self.wrong.total()


def record(mode: str, seed: int) -> Path:
    """Let a machine write in a mode until enough is recorded, cut its power; return the folder of the recording."""
    machine = Machine("powercut", {"LAB_RECORD": "data", "LAB_DISK_OPTS": "--flush-ms 4"})
    machine.stop()
    machine.data_disk(DISK_MB)
    machine.boot("--from", SAVED, "--disk", "honest", "--disk-mb", str(DISK_MB))
    try:
        machine.run(f"{START} {mode} {seed}")
        until(lambda: _events(machine) >= EVENTS, 900, f"{EVENTS} events in mode {mode}")
    finally:
        print(machine.run("systemctl status --no-pager traffic | tail -5", 60), file=sys.stderr)
        machine.lab("cut", "--keep", "none", check=False)
    return machine.folder


def _events(machine: Machine) -> int:
    return max((int(str(row.get("seq", 0))) for row in machine.told()), default=0)


def prepare() -> None:
    """Save a running machine with this checkout installed, from which recordings begin in seconds."""
    machine, image = Machine("powercut"), installed()
    mark, state = machine.work / "powercut.saved", image.with_suffix(".sha256").read_text()
    if mark.exists() and mark.read_text() == state:
        return
    print("booting a machine to begin from (minutes)", flush=True)
    machine.stop()
    machine.root_from(image, honest=False)
    machine.boot("--append", " ".join(f"systemd.mask={unit}.service" for unit in NOT_NEEDED))
    machine.lab("save", SAVED)
    mark.write_text(state)


def replay(recorded: Path, cuts: int, seed: int) -> Outcome:
    """Cut the recording at so many moments and judge each."""
    operations = recording.read(recorded / "data.wlog")
    rng, wrong, lost, told = random.Random(seed), Counter[str](), 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        durable, image = Path(scratch) / "durable.img", Path(scratch) / "crash.img"
        shutil.copyfile(recorded / "data.raw.base", durable)
        for crash in recording.crashes(operations, recording.points(operations, cuts, seed)):
            _write(durable, crash.changes)
            shutil.copyfile(durable, image)
            _write(image, recording.survivors(crash.unflushed, rng))
            problem = _judged(image, Path(scratch) / "out", crash)
            told = max(told, len(crash.told))
            if problem:
                wrong[problem.split(" ")[0]] += 1
                lost += problem.startswith("LOST")
                print(f"  cut before operation {crash.at}: {problem}", file=sys.stderr)
    return Outcome(cuts, wrong, lost, told)


def _judged(image: Path, out: Path, crash: recording.Crash) -> str:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    return verdict.taken_out(image, out) or verdict.judge(out / "station", crash.told)


def _write(image: Path, writes: list[tuple[int, bytes]]) -> None:
    with image.open("r+b") as file:
        for offset, data in writes:
            file.seek(offset)
            file.write(data)


def _row(what: str, figure: str, bar: str, *, good: bool) -> bool:
    print(f"{what:<64} {figure:>14} {bar:>14}   {'held' if good else 'MISSED'}")
    return good


def main() -> int:
    """Print figure, bar and verdict; the exit status is 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if reason := why_not():
        print(reason)
        return 1
    logging.disable(logging.CRITICAL)
    prepare()
    begun = time.monotonic()
    real = replay(record("full", options.seed), options.cuts, options.seed)
    control = replay(record("normal", options.seed), max(20, options.cuts // 5), options.seed)
    print(f"\n{'what':<64} {'figure':>14} {'bar':>14}   verdict")
    held = [
        _row("cuts of the journal under traffic", f"{real.cuts}", ">= 500", good=real.cuts >= 500),
        _row("cuts after which a committed row was missing", f"{real.lost}", "0", good=real.lost == 0),
        _row("cuts after which anything was wrong", f"{real.bad}", "0", good=real.bad == 0),
        _row(
            "control, synchronous=NORMAL: cuts with rows missing",
            f"{control.lost}/{control.cuts}",
            f">= {CONTROL_SHARE:.0%}",
            good=control.lost >= CONTROL_SHARE * control.cuts,
        ),
    ]
    print(f"{real.told} acknowledged steps recorded; {time.monotonic() - begun:.0f} s, seed {options.seed}")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
