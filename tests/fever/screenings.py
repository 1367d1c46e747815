"""Puts the population through the station's own estimator, and through a single reading, and compares the two."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from station.core.baseline import Baseline, Relative
from station.core.calibration import Calibration, Correction
from station.core.fever import FeverLimits, confirmed, estimate
from station.core.model import Band, TemperatureReading
from tests.fever.population import Person, Site, closer, make_person, make_site, series, waited

LIMITS = FeverLimits(raised_c=30.0, cold_c=32.5)
"""Raised at 30: every reading is confirmed, as the figure is wanted at every threshold. Cold: for bare
skin, to which nothing is added that would make it look like a body temperature."""
TRIES = 4
"""Then the guard measures by hand."""
WAIT_MIN = 5.0
SAMPLES, INTERVAL_S = 6, 0.1
RULE = Relative(offset_c=0.8, floor_c=30.0)
WARM_UP = 60
"""People of each gate who only fill what is usual there; nobody is judged by an empty baseline."""
ILL_SHARE = 0.3
"""Of those who are judged, so that both curves are smooth; of those who fill the baseline 2 of 100 are ill."""
NOBODY = -99.0
"""The figure of somebody who could not be measured in all tries: never an alarm."""


@dataclass(frozen=True, slots=True)
class Case:
    """One person as each way of measuring sees them: figures that a threshold is compared with, degrees Celsius."""

    ill: bool
    single: float
    single_calibrated: float
    single_patient: float
    """The last sample of the first series of the last try: a single reading with the station's patience."""
    fixed: float
    relative: float
    tries: int
    last: Band


WAYS = ("single", "single_calibrated", "single_patient", "fixed", "relative")


def run(seed: int, gates: int, people: int) -> list[Case]:
    """Return the cases of so many gates with so many people each."""
    chance = random.Random(seed)
    return [case for _ in range(gates) for case in _at_gate(make_site(chance), people, chance)]


def _at_gate(site: Site, people: int, chance: random.Random) -> list[Case]:
    calibration = Calibration(date(2026, 1, 1), ((37.0, 37.0 - site.error_k + site.reference_k),), 0.1)
    usual, cases = Baseline(), []
    for number in range(WARM_UP + people):
        judged = number >= WARM_UP
        person = make_person(site, chance, ill=chance.random() < (ILL_SHARE if judged else 0.02))
        first, latest, reading, tries = _screened(site, person, calibration, chance)
        mean = usual.mean()
        if judged and mean is not None:
            calibrated, patient = calibration.apply(first), calibration.apply(latest)
            figure = NOBODY if reading.estimate_c is None else reading.estimate_c
            cases.append(Case(person.ill, first, calibrated, patient, figure, figure - mean, tries, reading.band))
        elif reading.estimate_c is not None:
            usual = usual.heard(reading.estimate_c, RULE, calibration)
    return cases


def _screened(
    site: Site, person: Person, calibration: Calibration, chance: random.Random
) -> tuple[float, float, TemperatureReading, int]:
    """Return a single reading of the first try and of the last, the station's reading, and its number of tries."""
    reading, first = _twice(site, person, calibration, chance)
    tries, latest = 1, first
    while tries < TRIES and reading.band is not Band.RAISED:
        cold = reading.band is Band.COLD
        person = waited(person, WAIT_MIN) if cold else closer(person, site, chance)
        reading, latest = _twice(site, person, calibration, chance)
        tries += 1
    return first, latest, reading, tries


def _twice(
    site: Site, person: Person, calibration: Calibration, chance: random.Random
) -> tuple[TemperatureReading, float]:
    samples = series(site, person, chance, SAMPLES, INTERVAL_S)
    background = site.room_c + chance.gauss(0, 0.5)

    def judge(taken: list) -> TemperatureReading:
        return estimate(taken, LIMITS, site.optics, Correction(), calibration, background)

    reading = judge(samples)
    if reading.band is Band.RAISED:
        reading = confirmed(reading, judge(series(site, waited(person, 0), chance, SAMPLES, INTERVAL_S)))
    return reading, samples[-1].object_c


def sensitivity_at(cases: Sequence[Case], way: str, rates: Sequence[float]) -> list[float]:
    """Return the share of ill people found at each false-alarm rate; between two thresholds on a straight line."""
    well = sorted((getattr(case, way) for case in cases if not case.ill), reverse=True)
    ill = sorted(getattr(case, way) for case in cases if case.ill)

    def found(alarms: int) -> float:
        """Return the share found where the `alarms` highest of the well are the only false alarms."""
        if alarms >= len(well):
            return 1.0
        return (len(ill) - bisect_left(ill, well[alarms] + 1e-9)) / len(ill)

    result = []
    for rate in rates:
        exact = rate * len(well)
        low = int(exact)
        result.append(found(low) + (exact - low) * (found(min(low + 1, len(well))) - found(low)))
    return result


def area(cases: Sequence[Case], way: str) -> float:
    """Return the area under the curve: how often an ill person's figure is above a well person's."""
    rates = [number / 1000 for number in range(1001)]
    found = sensitivity_at(cases, way, rates)
    return sum((a + b) / 2000 for a, b in pairwise(found))


def endings(cases: Sequence[Case]) -> Counter[str]:
    """Return how many people ended with each band."""
    return Counter(case.last.value for case in cases)
