"""What is usual here: the running mean of a lane's normal readings, the threshold above it, and its drift.

A site's sensor, mounting and season shift all readings alike; who stands out from the people before is told all the
same. The state is small, and pure: it is changed together with the decision it belongs to and survives a restart.
"""

from __future__ import annotations

import json
import math
from datetime import date
from statistics import fmean

from station.core.calibration import Calibration
from station.core.record import dataclass, replace

TRIMMED = 0.1
"""Share of the values dropped at each end: somebody ill, somebody from the cold."""
MOST_DRIFT_C = 0.5
"""Farther from where it was after the calibration, the sensor or the place has changed."""


@dataclass(frozen=True, slots=True)
class Relative:
    """Rule for a threshold relative to what is usual: mean of the `last` values + `offset_c`, never below `floor_c`.

    With fewer than `enough` values the fixed threshold applies.
    """

    offset_c: float = 1.4
    floor_c: float = 35.0
    last: int = 100
    enough: int = 30

    def ready(self, baseline: Baseline) -> bool:
        """Say whether there are enough values."""
        return len(baseline.values) >= self.enough


@dataclass(frozen=True, slots=True)
class Baseline:
    """The last normal estimates, oldest first, degrees Celsius, and the mean at the first moment there were enough.

    Both belong to the calibration with the mark `calibrated`; another calibration begins anew.
    """

    values: tuple[float, ...] = ()
    anchor_c: float | None = None
    calibrated: str = ""

    def mean(self) -> float | None:
        """Return the mean without the extremes, degrees Celsius; None without values."""
        if not self.values:
            return None
        cut = int(len(self.values) * TRIMMED)
        return fmean(sorted(self.values)[cut : len(self.values) - cut])

    def under(self, calibration: Calibration) -> Baseline:
        """Return what of it counts under a calibration: an empty one where it belongs to another."""
        return self if calibration.mark == self.calibrated else Baseline(calibrated=calibration.mark)

    def heard(self, estimate_c: float, rule: Relative, calibration: Calibration) -> Baseline:
        """Return the state after one more normal estimate; a new calibration begins anew."""
        before = self.under(calibration)
        after = replace(before, values=(*before.values, round(estimate_c, 2))[-rule.last :])
        return replace(after, anchor_c=after.mean()) if after.anchor_c is None and rule.ready(after) else after

    def drift_c(self) -> float | None:
        """Return how far the mean is from where it was after the calibration, kelvin; None where nothing is known."""
        now = self.mean()
        return None if now is None or self.anchor_c is None else now - self.anchor_c

    def drifted(self) -> bool:
        """Say whether the sensor, or the place, has changed since the calibration."""
        drift = self.drift_c()
        return drift is not None and abs(drift) > MOST_DRIFT_C

    def encode(self) -> bytes:
        """Return the state as it is stored."""
        return json.dumps({"values": self.values, "anchor": self.anchor_c, "calibrated": self.calibrated}).encode()


def decode(raw: bytes | None) -> Baseline:
    """Return a stored state; an empty one where there is none, or it cannot be read: it fills again within a day."""
    try:
        stored = json.loads(raw or b"{}")
        values = tuple(float(value) for value in stored.get("values", ()))
        anchor, calibrated = stored.get("anchor"), stored.get("calibrated", stored.get("day") or "")
        found = Baseline(values, None if anchor is None else float(anchor), str(calibrated))
    except (ValueError, TypeError, AttributeError):
        return Baseline()
    sound = all(math.isfinite(value) for value in (*found.values, found.anchor_c or 0.0))
    return found if sound else Baseline()


def doubt(calibration: Calibration, baseline: Baseline, today: date) -> str:
    """Return why the calibration is no longer to be trusted ("old", "drift"); empty where nothing speaks against it."""
    if calibration.due(today):
        return "old"
    return "drift" if baseline.under(calibration).drifted() else ""


def threshold(baseline: Baseline, rule: Relative | None, fixed_c: float, calibration: Calibration) -> float:
    """Return from which temperature a reading is raised, degrees Celsius: relative where rule and values allow.

    What was usual under another calibration than the one in force does not count.
    """
    counting = baseline.under(calibration)
    mean = counting.mean()
    if rule is None or mean is None or not rule.ready(counting):
        return fixed_c
    return max(rule.floor_c, mean + rule.offset_c)
