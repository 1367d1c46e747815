"""How far each lane's thermometer can still be trusted: the age of its calibration, and its drift since."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from station.config import Config
from station.core.baseline import Baseline, decode, doubt
from station.core.calibration import FACTORY, Calibration
from station.core.model import ClockState, Instant, Text
from station.device_config import ThermometerConfig
from station.guard_screen import Condition
from station.health import Ailment
from station.journal import Journal
from station.lane_record import baseline_key
from station.wording import told

_KEY = {"old": "health-calibration-old", "drift": "health-calibration-drift"}


def calibration_of(config: ThermometerConfig) -> Calibration:
    """Return the calibration of a lane's thermometer; the factory's where none was made."""
    return config.calibration.record() if config.calibration else FACTORY


def figures(calibration: Calibration, usual: Baseline, today: dt.date) -> Text:
    """Say how old the calibration is, and how far the mean of normal readings is from where it was after it."""
    age = calibration.age_days(today)
    since = usual.under(calibration).drift_c()
    drift = "?" if since is None else f"{since:+.1f}"
    return told("calibration-never", drift=drift) if age is None else told("calibration-age", days=age, drift=drift)


def ailment_of(calibration: Calibration, usual: Baseline, today: dt.date) -> Ailment | None:
    """Return what speaks against a thermometer's figures; None where nothing does."""
    why = doubt(calibration, usual, today)
    detail = figures(calibration, usual, today)["en"]
    return Ailment(_KEY[why], Condition.DEGRADED, detail) if why else None


class DriftWatch:
    """The thermometers of a station, as the gate thread hears of them. Used by it alone."""

    def __init__(self, config: Config, journal: Journal) -> None:
        """What was usual when the station last ran is in the journal."""
        self._known = {
            lane.id: (calibration_of(lane.thermometer), decode(journal.state(baseline_key(lane.id))))
            for lane in config.lane
            if lane.thermometer
        }

    def heard(self, lane: str, usual: Baseline | None) -> None:
        """Take in what is usual at a lane after a screening; None: the screening changed nothing."""
        if usual is not None and lane in self._known:
            self._known[lane] = (self._known[lane][0], usual)

    def ailments(self, now: Instant) -> Mapping[str, Ailment | None]:
        """Return how each calibration does, by part; nothing while the station does not know what day it is."""
        if (today := _day(now)) is None:
            return {}
        return {f"calibration {lane}": ailment_of(*known, today) for lane, known in self._known.items()}

    def figures(self, now: Instant) -> Mapping[str, Text]:
        """Return age and drift for the screen, by part."""
        if (today := _day(now)) is None:
            return {}
        return {f"calibration {lane}": figures(*known, today) for lane, known in self._known.items()}


def _day(now: Instant) -> dt.date | None:
    if now.state is ClockState.LOST:
        return None
    return dt.datetime.fromtimestamp(now.seconds, dt.UTC).date()
