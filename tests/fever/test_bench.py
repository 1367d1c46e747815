"""The bench tells the truth: its curves, its people, and that it can say no."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from station.core.model import Band
from tests.fever.bench import report, worse_at
from tests.fever.population import FEVER_C, closer, make_person, make_site, series, waited
from tests.fever.screenings import Case, area, run, sensitivity_at


def case(figure: float, *, ill: bool, single: float | None = None) -> Case:
    """Return a case that the station and (unless told) a single reading see alike."""
    other = figure if single is None else single
    return Case(ill, other, other, other, figure, figure, 1, Band.RAISED)


def test_the_curve_is_right_on_a_case_counted_by_hand():
    """Four well at 1, 2, 3, 4 and four ill at 2.5, 3.5, 4.5, 5.5: two found without an alarm, then three."""
    cases = [case(v, ill=False) for v in (1, 2, 3, 4)] + [case(v, ill=True) for v in (2.5, 3.5, 4.5, 5.5)]
    assert sensitivity_at(cases, "fixed", [0, 0.25, 0.5, 1]) == [0.5, 0.75, 1.0, 1.0]
    assert area(cases, "fixed") == pytest.approx(0.875, abs=0.07)


def test_equal_figures_are_not_better():
    """A station no better than a single reading misses the bar, and so does the page's verdict."""
    chance = random.Random(5)
    cases = [case(chance.gauss(35 + ill, 1), ill=bool(ill)) for ill in [0, 1] * 200]
    assert worse_at(cases, "fixed")
    assert not report(cases, 5)[1]
    better = [replace(one, fixed=float(one.ill)) for one in cases]
    assert not worse_at(better, "fixed")


def test_people_are_as_the_sources_say():
    """Well people have the mean of the review, and none of them a fever; everybody ill has one."""
    chance = random.Random(3)
    site = make_site(chance)
    well = [make_person(site, chance, ill=False) for _ in range(2000)]
    assert sum(person.core_c for person in well) / len(well) == pytest.approx(36.57, abs=0.05)
    assert all(person.core_c < FEVER_C for person in well)
    assert all(make_person(site, chance, ill=True).ill for _ in range(50))


def test_cold_passes_and_closer_is_nearer():
    """Waiting warms a chilled forehead; stepping closer brings somebody far away within reach."""
    chance = random.Random(3)
    site = make_site(chance)
    person = replace(make_person(site, chance, ill=False), chilled=0.0, distance_mm=9000.0)
    cold, warmer = person.forehead_c(), waited(person, 5).forehead_c()
    assert warmer - cold == pytest.approx(3.43 - 0.52)
    assert closer(person, site, chance).distance_mm < site.optics.greatest_mm
    far, near = (series(site, one, chance, 6, 0.1)[-1].object_c for one in (person, closer(person, site, chance)))
    assert near > far or site.room_c > far


def test_a_seed_gives_the_same_people():
    """Two runs of one seed are one run; another seed has other people."""
    assert run(4, 1, 20) == run(4, 1, 20)
    assert run(4, 1, 20) != run(5, 1, 20)


def test_the_station_is_better_on_a_small_crowd():
    """On few people of another seed the station's area is already clearly above a single reading's."""
    cases = run(11, 8, 60)
    assert area(cases, "fixed") > area(cases, "single_calibrated") + 0.05
    assert area(cases, "relative") > area(cases, "single_calibrated") + 0.05
