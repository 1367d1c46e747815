"""What the technician brings to the machine in the lab: configuration, documents, a guard, and passes to try."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from station import guards
from station.core.model import PassClass
from sync.central.issuer import read_policy_source
from tests.demo.crowd import _impostor
from tests.demo.office import DAY_S, GATE, POLICY, ZONE, Office
from tests.system import fault_matrix

STATION, GUARD, PIN = "gate-lab", "guard-li", "482915"
RELAY, CONTACT, REX, FIRE = 17, 22, 27, 13
"""Pins, as in systemd/station.toml."""
FOR_THE_LAB = {
    'source = "v4l2:/dev/video0"      #': 'source = "v4l2:/dev/video0"\nwidth = 640\nheight = 480\nfps = 5\n'
    "max_age_ms = 5000\n#",  # an emulated processor reads slowly; whether a sighting is fresh is tested elsewhere
    "[[lane]]": "[time]\nrequire_sync = false\n\n[[lane]]",  # nobody serves the time there
    "unlock_s = 5.0": "unlock_s = 15.0",
    # Between two readings of a code that is still there lie seconds here; it must not count as shown anew.
    'direction = "in"': 'direction = "in"\nrefusal_s = 1.0\nguard_s = 300.0\nrearm_s = 30.0',
}
"""What differs from systemd/station.toml, besides who the station is. Pins, levels and modes do not."""


class Papers:
    """The office of the lab, and the folder that becomes /etc/gate-station."""

    def __init__(self, folder: Path) -> None:
        self.office = Office(folder / "office")
        self.office.shelf.sign_policy(_rules(), self.office.central, self._valid())
        self.residents = [self.office.issue(PassClass.RESIDENT) for _ in range(8)]
        """One for each trial: who has gone in is not let in again."""
        self.workers = [self.office.issue(PassClass.WORKER) for _ in range(8)]
        self.forged = self.office.issue(PassClass.RESIDENT, key=_impostor(self.office))
        self.office.sign_status()
        self.etc = folder / "config" / "etc"
        self._write()

    @staticmethod
    def _valid() -> tuple[int, int]:
        now = int(time.time())
        return (now - DAY_S, now + 30 * DAY_S)

    def _write(self) -> None:
        systemd = Path(__file__).parents[2] / "systemd"
        (self.etc / "documents").mkdir(parents=True)
        _copy(self.office.shelf.folder, self.etc / "documents")
        text = _replaced((systemd / "station.toml").read_text(encoding="utf-8"), FOR_THE_LAB)
        before, roots, after = text.partition("roots = [")
        listed = ", ".join(f'"{root}"' for root in self.office.roots)
        text = f"{before}{roots}{listed}]{after.partition(']')[2]}"
        text = _replaced(text, {'"gate-001"': f'"{STATION}"', '"east"': f'"{GATE}"', '"320611001001"': f'"{ZONE}"'})
        (self.etc / "station.toml").write_text(text, encoding="utf-8")
        sync = (systemd / "sync.toml").read_text(encoding="utf-8").partition("[broker.tls]")[0]
        sync = _replaced(sync, {'"gate-001"': f'"{STATION}"', '"broker.example"': '"127.0.0.83"'})
        (self.etc / "sync.toml").write_text(sync, encoding="utf-8")
        guards.add(self.etc / "guards.toml", GUARD, PIN)


def _rules() -> dict[str, Any]:
    """Return the rules of the fault matrix, with the one for a raised temperature from the shipped policy."""
    source: dict[str, Any] = dict(read_policy_source(fault_matrix.RULES))
    shipped: Any = read_policy_source(POLICY)["rules"]
    (fever,) = [rule for rule in shipped if rule["id"] == "fever"]
    return {**source, "rules": [fever, *source["rules"]]}


def _replaced(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        if old not in text:
            raise ValueError(f"the shipped configuration has no {old!r} any more; adapt tests/lab/papers.py")
        text = text.replace(old, new, 1)
    return text


def _copy(source: Path, to: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file():
            target = to / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
