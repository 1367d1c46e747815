"""Made-up people before made-up gates, from figures that were measured on real ones; the truth behind the bench.

Every number is measured (source named), from a data sheet, or marked as an assumption. The model of skin differs from
the station's correction on purpose: it is a heat balance with each person's own share, not the station's table.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

from station.core.fever import Sample
from station.core.optics import Optics, single

KELVIN = 273.15

CORE_WELL = (36.57, 0.42)
"""Oral, mean and SD of healthy adults: 35.73 to 37.41 C is mean +- 2 SD in Geneva and others, OFID 6:ofz032, 2019."""
FEVER_C = 37.8
CORE_FEVER = (38.4, 0.6)
"""Assumption: most fevers are moderate; lower ones than FEVER_C are drawn again."""
SKIN_SHARE = (0.16, 0.03)
"""Share of the difference of core and room that skin has lost. Assumption: 34.4 C at 23 C, and 0.16 K per K of room."""
SKIN_OWN_K = 0.3
"""SD of each forehead's own difference (blood flow, sweat). Assumption."""
COLD_K = ((0.0, 3.43, 1.45), (1.0, 1.70, 1.49), (3.0, 0.83, 1.10), (5.0, 0.52, 0.79), (10.0, 0.2, 0.4))
"""Minutes indoors, mean and SD of what is missing: Dzien and others 2020, 101 people from -5.5 to 0 C outside (the
36.6 C of 60 min less what they read); 10 min: Erenberk and others 2013, as warm as the chest by then."""
EMISSIVITY = (0.972, 0.007)
"""Assumption within the published range of 0.96 to 0.99 for dry skin."""
COOLER_AROUND_K = (3.0, 1.0)
"""Hair, brows, temples below the forehead: mean, SD. Assumption."""
SHARES = {"sun": 0.08, "draught": 0.12, "rising": 0.12, "cold": 0.35, "far": 0.25, "walking": 0.3, "fringe": 0.12}
"""How many are warmed by the sun, in a draught, in a fever that still rises (pale skin), from the cold where it is cold
outside, too far away, still walking up, with hair or cap over part of the forehead. Assumptions."""
GLASSES, BEARD = 0.3, 0.12
"""How many wear glasses or a beard: 6 and 8 % of what the lens sees, 5 and 3 K colder. Assumptions."""
FORGETFUL = 0.03
"""Share of samples in which somebody looks aside."""


@dataclass(frozen=True, slots=True)
class Site:
    """One gate: its lens, its sensor's error and its calibration's (K), and whether it knows the distance."""

    optics: Optics
    error_k: float
    reference_k: float
    noise_k: float
    ranging: bool
    room_c: float
    outside_c: float


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody before a gate. `chilled`: what the cold took, in standard deviations of COLD_K, `minutes` indoors."""

    core_c: float
    skin_c: float
    chilled: float | None
    minutes: float
    emissivity: float
    cooler_k: float
    covered: tuple[float, float]
    distance_mm: float
    forehead_mm: float
    walking: bool
    restless_k: float

    @property
    def ill(self) -> bool:
        """Whether the core has a fever."""
        return self.core_c >= FEVER_C

    def forehead_c(self) -> float:
        """Return the forehead's temperature now."""
        return self.skin_c - _missing(self.minutes, self.chilled)


def _missing(minutes: float, chilled: float | None) -> float:
    if chilled is None:
        return 0.0
    _, mean, spread = next((row for row in reversed(COLD_K) if minutes >= row[0]), COLD_K[0])
    return max(0.0, mean + chilled * spread)


def make_site(chance: random.Random) -> Site:
    """Return a gate. Lenses of 5, 10 and 12 degrees; errors and noise of the MLX90614's data sheet."""
    room = chance.uniform(8, 32)
    return Site(
        optics=single(chance.choice([5, 10, 12])),
        error_k=max(-0.5, min(0.5, chance.gauss(0, 0.25))),
        reference_k=chance.gauss(0, 0.1),
        noise_k=chance.uniform(0.05, 0.12),
        ranging=chance.random() < 0.7,
        room_c=room,
        outside_c=room - chance.uniform(0, 15),
    )


def make_person(site: Site, chance: random.Random, *, ill: bool) -> Person:
    """Return somebody who comes to a gate."""

    def has(what: str) -> bool:
        return chance.random() < SHARES[what]

    core = chance.gauss(*(CORE_FEVER if ill else CORE_WELL))
    while (core >= FEVER_C) != ill:
        core = chance.gauss(*(CORE_FEVER if ill else CORE_WELL))
    room = site.room_c + chance.gauss(0, 0.5)
    skin = core - max(0.05, chance.gauss(*SKIN_SHARE)) * (core - room) + chance.gauss(0, SKIN_OWN_K)
    skin += abs(chance.gauss(1.0, 0.5)) if has("sun") and site.outside_c > 10 else 0.0
    draught = has("draught")
    skin -= abs(chance.gauss(0.6, 0.3)) if draught else 0.0
    skin -= abs(chance.gauss(0.8, 0.4)) if ill and has("rising") else 0.0
    covered = [(0.06, 5.0)] * (chance.random() < GLASSES) + [(0.08, 3.0)] * (chance.random() < BEARD)
    covered += [(chance.uniform(0.1, 0.4), 4.0)] * has("fringe")
    part = sum(share for share, _ in covered)
    usual = site.optics.greatest_mm * chance.uniform(0.35, 0.85)
    return Person(
        core,
        skin,
        chance.gauss(0, 1) if site.outside_c < 8 and has("cold") else None,
        0.0,
        min(0.99, max(0.95, chance.gauss(*EMISSIVITY))),
        max(0.5, chance.gauss(*COOLER_AROUND_K)),
        (part, sum(share * kelvin for share, kelvin in covered) / part if part else 0.0),
        usual * (chance.uniform(1.3, 3.0) if has("far") else 1.0),
        chance.uniform(52, 68),
        has("walking"),
        0.25 if draught else 0.05,
    )


def waited(person: Person, minutes: float) -> Person:
    """Return somebody who waited indoors."""
    return replace(person, minutes=person.minutes + minutes, walking=False)


def closer(person: Person, site: Site, chance: random.Random) -> Person:
    """Return somebody who stepped closer, as asked, a minute later."""
    near = site.optics.greatest_mm * chance.uniform(0.35, 0.9)
    return replace(person, minutes=person.minutes + 1, distance_mm=near, walking=False)


def series(site: Site, person: Person, chance: random.Random, count: int, interval_s: float) -> list[Sample]:
    """Return what the sensor at the gate reads of somebody."""
    ambient = site.room_c + chance.gauss(0, 0.2)
    arrives = chance.randrange(1, count - 2) if person.walking else 0
    aside = chance.gauss(0, 0.3)
    taken = []
    for number in range(count):
        distance = person.distance_mm * (1 + 0.5 * max(0, arrives - number))
        away = chance.random() < FORGETFUL
        seen = site.room_c + aside if away else _seen(site, person, distance, chance)
        shown = _shown(seen, ambient, person.emissivity) + site.error_k + chance.gauss(0, site.noise_k)
        told = distance * chance.gauss(1, 0.03) if site.ranging else None
        taken.append(Sample(number * interval_s, round(shown / 0.02) * 0.02, ambient, told))
    return taken


def _seen(site: Site, person: Person, distance_mm: float, chance: random.Random) -> float:
    """Return the mean temperature of what the lens sees: forehead, what covers it, what is around it, the wall."""
    forehead = person.forehead_c() + chance.gauss(0, person.restless_k)
    spot = max(site.optics.spot_mm(distance_mm), 1e-6)
    share = 1 - math.pow(0.5, min((person.forehead_mm / spot) ** 2, 64))
    head = 1 - math.pow(0.5, min((160 / spot) ** 2, 64))
    part, colder = person.covered
    bare = forehead - part * colder
    around = forehead - person.cooler_k
    return share * bare + (head - share) * around + (1 - head) * site.room_c


def _shown(seen_c: float, sensor_c: float, emissivity: float) -> float:
    """Return what a sensor set to 0.98 makes of it; skin reflects the rest of the room."""
    sensor, seen = (sensor_c + KELVIN) ** 4, (seen_c + KELVIN) ** 4
    return math.sqrt(math.sqrt(sensor + (seen - sensor) * emissivity / 0.98)) - KELVIN
