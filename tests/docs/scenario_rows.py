"""The keys of a scenario file, from the structs, with what they mean."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec
from msgspec import inspect as mi

from station.ports import InputKind
from station.simulation.scenario import Expectation, LaneSource, PassSource, Scenario, Step
from tests.docs.blocks import code
from tests.docs.config_rows import values

LONG = {"lanes": "one lane `in` that leads in, with a relay", "door": "a relay at pin 17"}
"""Defaults that are whole tables, in words."""

MEANING: dict[type[msgspec.Struct], dict[str, str]] = {
    Scenario: {
        "about": "one sentence that says what is shown; the title of the drawing",
        "seconds": "how long it is played",
        "policy": "the rules in force, a policy's source (TOML or JSON), relative to this file",
        "starts": "date and time at the gate when it begins, with the offset from UTC",
        "zone": "area code of the gate; passes are issued for it",
        "gate": "name of the gate",
        "lanes": "the lanes, `[[lanes]]` each",
        "interlock": "groups of lanes of which only one may have its door open",
        "passes": "passes by name, `[passes.NAME]` each; an empty table is a resident's",
        "voice": "whether the gate has a loudspeaker; what it says is the row `voice`",
        "steps": "what happens, `[[steps]]` each, in any order",
        "expect": "what must be so, `[[expect]]` each, in any order",
    },
    LaneSource: {
        "id": "name of the lane",
        "direction": "the way it leads",
        "thermometer": "whether it measures",
        "door": "its door, with the keys of `lane[].door` in [the configuration](config.md#stationtoml)",
        "door_of": "the lane whose door it shares; it then has none of its own",
    },
    PassSource: {
        "holder": "class of the pass",
        "status": "its entry in the first status list",
        "direction": "the ways it is good for",
        "days": "valid for so many days from the start; negative: expired so long ago",
        "health": "health code in the pass",
        "home": "area code the holder calls home; absent: the gate's",
        "household": "whose passages count for one quota together",
        "live": "bound to a phone that signs it anew every ten seconds",
    },
    Step: {
        "at": "when, seconds from the start",
        "lane": "where",
        "scan": "names of passes held up, or texts as they are",
        "hold": "how long they are held up, with `scan`; the camera sees them ten times a second",
        "temperature": "what the next screenings say: `normal`, `raised`, `cold`, `no-reading`, `fault`, `silent`",
        "input": "a contact or button changes: " + ", ".join(code(kind.value) for kind in InputKind),
        "fault": "a part begins to fail",
        "ends": "with `fault`: it works again",
        "clock_step": "the wall clock jumps by so many seconds",
        "clock": "how far the clock can be trusted from now on",
        "guard": "what the guard at the screen asks",
        "celsius": "a guard enters what a hand thermometer shows of the person at the lane, degrees Celsius",
        "duress": "with `guard` or `celsius`: that guard has signed in with the duress PIN",
        "status": "`NAME=STATUS`: the office changes a pass's entry, and the new list arrives",
        "power": "the station loses power, or gets it back; what is not in the journal is forgotten",
        "policy": "other rules arrive, relative to this file",
        "announcements": "a list of announcements arrives; its [source](../how-to/voice.md), relative to this file",
    },
    Expectation: {
        "at": "when it is looked at, before what happens at the same moment takes effect",
        "lane": "where",
        "signal": "what the lamp shows",
        "lane_state": "state of [the lane](lane.md)",
        "door": "state of [the door](door.md)",
        "unlocked": "whether the door can be opened",
        "reason": "[reason](reasons.md) of the decision that is shown",
        "alarm": "this alarm rings",
        "silent": "`true`: no alarm rings",
        "recorded": "what the journal holds by then, in the words of the row `journal`: all that a silent alarm leaves",
        "says": "what the loudspeaker says: a key of the catalogue, `announcement ID`, or nothing (empty)",
        "inside": "how many people are inside, as far as the station knows",
    },
}


def _default(field: mi.Field) -> str:
    if field.encode_name in LONG:
        return LONG[field.encode_name]
    if field.required:
        return "required"
    if field.default_factory is not msgspec.NODEFAULT or field.default in ((), None):
        return "none"
    return code(str(field.default).lower() if isinstance(field.default, bool) else field.default)


def rows(kind: type[msgspec.Struct]) -> str:
    """Return the table of one struct's keys as Markdown. Raises KeyError where a key has no meaning yet."""
    info = mi.type_info(kind)
    assert isinstance(info, mi.StructType)
    lines = ["| Key | Values | Default | Meaning |", "| --- | --- | --- | --- |"]
    for field in info.fields:
        name = field.encode_name
        lines.append(f"| `{name}` | {values(field.type)} | {_default(field)} | {MEANING[kind][name]} |")
    return "\n".join(lines) + "\n"


SCENARIO_BLOCKS: dict[str, Callable[[], str]] = {
    "scenario": partial(rows, Scenario),
    "lanes": partial(rows, LaneSource),
    "passes": partial(rows, PassSource),
    "steps": partial(rows, Step),
    "expect": partial(rows, Expectation),
}
