"""How well the station tells fever, against a single reading with a fixed threshold: `python -m tests.fever.bench`.

The same made-up people go through both. Prints sensitivity and specificity, draws the curves, and writes docs/fever;
exit status 1 where a single reading is as good or better at any false-alarm rate. Nothing was tuned on the seed given
here by default: the station's figures were chosen on seeds 101 and 102.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

from station.device_config import BaselineConfig, ThermometerConfig
from tests.fever.population import FEVER_C
from tests.fever.screenings import TRIES, WAYS, Case, area, endings, run, sensitivity_at

DOCS = Path(__file__).parents[2] / "docs" / "fever"
GATES, PEOPLE = 60, 150
RATES = [number / 1000 for number in range(5, 996)]
"""Half a per cent to 99.5: beyond, too few people decide to tell a difference from chance."""
SHOWN = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
NAMES = {
    "single": "single reading",
    "single_calibrated": "single reading, calibrated sensor",
    "single_patient": "the same, after the station's waiting and stepping closer",
    "fixed": "station, fixed threshold",
    "relative": "station, relative to the site",
}


def worse_at(cases: Sequence[Case], way: str) -> list[float]:
    """Return the false-alarm rates at which a way is not better than both single readings, or equal at all found."""
    found = {each: sensitivity_at(cases, each, RATES) for each in ("single", "single_calibrated", way)}
    rows = zip(RATES, found["single"], found["single_calibrated"], found[way], strict=True)
    return [
        rate for rate, raw, calibrated, ours in rows if ours <= max(raw, calibrated) < 1 or ours < max(raw, calibrated)
    ]


def table(cases: Sequence[Case]) -> str:
    """Return sensitivity at the shown false-alarm rates, and the area under each curve, as Markdown."""
    head = ["sensitivity at a false-alarm rate of", *(f"{rate:.1%}" for rate in SHOWN), "area"]
    rows = [head, ["---"] * len(head), ["(specificity)", *(f"{1 - rate:.1%}" for rate in SHOWN), ""]]
    for way in WAYS:
        found = sensitivity_at(cases, way, SHOWN)
        rows.append([NAMES[way], *(f"{share:.1%}" for share in found), f"{area(cases, way):.3f}"])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def points(cases: Sequence[Case]) -> str:
    """Return what the thresholds as shipped give: the fixed one, and the offset over what is usual."""
    shipped = (("fixed", ThermometerConfig(bus="i2c:1").raised_c), ("relative", BaselineConfig().offset_c))
    lines = []
    for way, limit in shipped:
        ill, well = ([getattr(case, way) >= limit for case in cases if case.ill is which] for which in (True, False))
        found, alarms = sum(ill) / len(ill), sum(well) / len(well)
        lines.append(f"- {NAMES[way]}, {limit} as shipped: {found:.1%} found, {alarms:.1%} false alarms")
    return "\n".join(lines)


def report(cases: Sequence[Case], seed: int) -> tuple[str, bool]:
    """Return the page, and whether the bar is met."""
    ill = sum(case.ill for case in cases)
    ended = ", ".join(f"{band} {count}" for band, count in endings(cases).most_common())
    made_up = (
        f"Seed {seed}: {len(cases)} people ({ill} with a core of {FEVER_C} °C and more). Written by "
        "`make bench-fever`; change nothing here by hand. The people are made up (`tests/fever/population.py`, each "
        "figure with its source or marked as an assumption): this compares ways of measuring, and does not say how "
        "many fevers a gate finds."
    )
    tries = sum(case.tries for case in cases) / len(cases)
    course = (
        f"Tries per person: {tries:.2f} on average (cold faces wait 5 minutes, others step closer; at most {TRIES}). "
        "A raised reading is confirmed here at every threshold. Bands after the last try, with the raised limit at "
        f"30 °C so that every figure is seen: {ended}. Who could not be measured at all counts as not found, or as no "
        "false alarm."
    )
    curves = "![Sensitivity against false-alarm rate](roc.png)"
    parts = ["# Fever, measured on made-up people", made_up, table(cases), points(cases), curves, course]
    met = True
    bars = ["| bar | figure | at most | verdict |", "| --- | --- | --- | --- |"]
    for way in ("fixed", "relative"):
        missed = worse_at(cases, way)
        met = met and not missed
        verdict = "MISSED" if missed else "met"
        what = f"{NAMES[way]}: false-alarm rates (of {len(RATES)}) where a single reading is as good"
        bars.append(f"| {what} | {len(missed)} | 0 | {verdict} |")
    return "\n\n".join([*parts, "\n".join(bars)]) + "\n", met


def draw(path: Path, cases: Sequence[Case]) -> None:
    """Draw the curves."""
    _, axes = plt.subplots(figsize=(6.4, 5.2))
    rates = [0.0, *RATES, 1.0]
    for way, style in zip(WAYS, ("--", ":", "-.", "-", "-"), strict=True):
        colour = {"fixed": "#0b6e4f", "relative": "#1d4e89"}.get(way, "#9aa5b1")
        axes.plot(rates, sensitivity_at(cases, way, rates), style, color=colour, label=NAMES[way])
    axes.plot([0, 1], [0, 1], color="#dddddd", linewidth=0.8)
    axes.set_xlabel("false-alarm rate (1 - specificity)")
    axes.set_ylabel("sensitivity")
    axes.set_title("Made-up people with and without fever")
    axes.legend(loc="lower right")
    plt.tight_layout()
    plt.savefig(path, dpi=80, metadata={"Software": None})
    plt.close("all")


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="python -m tests.fever.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gates", type=int, default=GATES)
    parser.add_argument("--people", type=int, default=PEOPLE, help="for each gate")
    parser.add_argument("--folder", type=Path, default=DOCS, help="where results.md and roc.png are written")
    options = parser.parse_args()
    cases = run(options.seed, options.gates, options.people)
    page, met = report(cases, options.seed)
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "results.md").write_text(page, "utf-8")
    draw(options.folder / "roc.png", cases)
    print(page)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
