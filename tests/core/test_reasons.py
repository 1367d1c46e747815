"""Every reason has its row, its texts in both languages, and nothing the station may say is missing or left over."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from station.core.model import LANGUAGES, Decision, Outcome, PassClass
from station.core.reasons import REASONS, Matter, Reason
from station.core.signals import PATTERNS, Says
from station.views import ALARMS
from station.wording import holder, next_step, part, reason, text
from tests.core.issuing import credential

STATION = Path(__file__).parents[2] / "station"
LOCALES = {language: STATION / "locale" / f"{language}.ftl" for language in LANGUAGES}
FAMILIES = {
    "reason": set(Reason),
    "class": {kind.name.lower() for kind in PassClass},
    "alarm": set(ALARMS),
    # A signal's own sentence (station/prompts.py).
    "voice": {signal.value for signal, pattern in PATTERNS.items() if pattern.voice.says is Says.OWN},
    # The first words of the parts that report their health by themselves (station/gate.py, GateThread._device).
    # Every part the guard screen names.
    "part": {
        *("camera", "thermometer", "outputs", "inputs", "screen"),
        *("journal", "link", "trust", "policy", "status-list", "clock", "disk", "stream"),
    },
    "health": {"camera", "thermometer", "outputs", "inputs", "screen"},
}
WITHOUT_NEXT = re.compile(r"(answer|class|part|voice|calibration)-.*|health-ok")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# Kept in the catalogues for parts of the station that do not show them yet.
PARTS = ("guards", "journal-quarantined", "range", "loudspeaker")
PUT_TOGETHER = {f"{family}-{part}" for family in ("part", "health") for part in PARTS} | {"part-calibration"}
"""Reported by station/daemon.py under their part's name."""


def catalogue(language: str) -> dict[str, dict[str, str]]:
    """Return {key: {"": message, "next": ...}} as the file says it, without the library that reads it."""
    entries: dict[str, dict[str, str]] = {}
    for line in LOCALES[language].read_text(encoding="utf-8").splitlines():
        if message := re.fullmatch(r"([a-z][a-z0-9-]*) = (.+)", line):
            assert message[1] not in entries, f"{language}: {message[1]} twice"
            entries[message[1]] = {"": message[2]}
        elif attribute := re.fullmatch(r"    \.([a-z]+) = (.+)", line):
            entries[list(entries)[-1]][attribute[1]] = attribute[2]
        else:
            assert not line or line.startswith("#"), f"{language}: {line!r} is no entry"
    return entries


CATALOGUES = {language: catalogue(language) for language in LANGUAGES}
KEYS = set(CATALOGUES["en"])


def used_keys() -> set[str]:
    """Return all keys the sources ask for: words written out, and families of words put together."""
    found = set()
    for path in STATION.rglob("*.py"):
        if {"core", "policy_tools"} & set(path.parts):  # neither speaks to people at the gate; codes of their own
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                family = str(node.values[0].value).removesuffix("-")
                found |= {f"{family}-{member}" for member in FAMILIES.get(family, ())}
    return found


# --- the table -------------------------------------------------------------------------------------------------------


def test_every_reason_has_a_row():
    """The table knows every reason, and nothing else."""
    assert set(REASONS) == set(Reason)


@pytest.mark.parametrize("code", Reason)
def test_codes_and_names_are_well_formed(code):
    """Codes are lower-case words with hyphens, made from their names; BACnet names likewise."""
    assert code.value == code.name.lower().replace("_", "-")
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", REASONS[code].bacnet)


# ANSI/ASHRAE 135, BACnetAccessEvent: those the station uses.
BACNET = {
    "none",
    "granted",
    "denied-deny-all",
    "verification-required",
    "denied-unknown-credential",
    "denied-authentication-unavailable",
    "denied-authentication-factor-error",
    "denied-authentication-factor-damaged",
    "denied-incorrect-authentication-factor",
    "denied-credential-not-yet-active",
    "denied-credential-expired",
    "denied-credential-disabled",
    "denied-point-no-access-rights",
    "denied-no-access-rights",
    "denied-zone-no-access-rights",
    "denied-threat-level",
    "denied-verification-failed",
    "denied-verification-timeout",
    "denied-out-of-time-range",
    "denied-credential-max-uses",
    "denied-passback",
    "denied-no-accompaniment",
    "denied-other",
}


def test_bacnet_names_are_the_standards():
    """Only names of the standard's enumeration are used."""
    assert {info.bacnet for info in REASONS.values()} == BACNET


def test_the_stations_troubles_are_not_the_holders():
    """What the station lacks or cannot do is never entered as the person's matter."""
    stations = {
        Reason.THERMOMETER_FAULT,
        Reason.STATUS_UNKNOWN,
        Reason.NO_TRUST,
        Reason.NO_POLICY,
        Reason.NO_RULE,
        Reason.CLOCK_LOST,
        Reason.CLOCK_UNSURE,
        Reason.TIME_CODE_REFUSED,
        Reason.JOURNAL_FAILED,
        Reason.RELAY_FAILED,
        Reason.GUARD_CHECK,
        *(code for code in Reason if code.startswith(("document-", "policy-", "status-chunk"))),
    }
    for code in stations:
        assert REASONS[code].matter not in {Matter.HOLDER, Matter.NONE}, code
    assert {code for code in Reason if REASONS[code].matter is Matter.NONE} == {
        Reason.GRANTED,
        Reason.OVERRIDE,
        Reason.MEASURE_FIRST,
    }


# --- the texts -------------------------------------------------------------------------------------------------------


def test_both_languages_have_the_same_entries():
    """The two files hold the same keys with the same attributes in the same order."""
    shapes = [[(key, list(entry)) for key, entry in CATALOGUES[language].items()] for language in LANGUAGES]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("code", Reason)
def test_every_reason_says_what_happened_and_what_to_do(code):
    """Each reason has its message and its next step in both languages, and the station's reader finds them."""
    for language in LANGUAGES:
        entry = CATALOGUES[language][f"reason-{code}"]
        assert entry[""] == reason(code)[language]
        assert entry["next"] == text(f"reason-{code}", "next")[language]


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_entry_is_in_its_language_and_complete(key):
    """Chinese has Chinese characters, English has none; whatever tells of trouble also tells what to do."""
    for language in LANGUAGES:
        entry = CATALOGUES[language][key]
        for words in entry.values():
            assert bool(CHINESE.search(words)) == (language == "zh"), words
            assert words == words.strip()
        if not WITHOUT_NEXT.fullmatch(key):
            assert entry["next"], f"{language}: {key} says not what to do next"


def test_no_entry_is_missing():
    """Every family is complete: reasons, classes, alarms and the parts that report their health."""
    for family, members in FAMILIES.items():
        assert {f"{family}-{member}" for member in members} <= KEYS


def test_every_key_that_is_asked_for_exists():
    """Whatever literal of the sources looks like a key of the catalogues is one."""
    pattern = re.compile(r"(reason|alarm|health|answer|class|part)-[a-z-]+")
    assert {word for word in used_keys() if pattern.fullmatch(word)} <= KEYS


def test_no_entry_is_left_over():
    """Every entry is asked for somewhere in the sources."""
    assert KEYS - used_keys() - PUT_TOGETHER == set()


def test_an_unknown_key_is_an_error():
    """A text that is in no catalogue is noticed by whoever asks for it."""
    with pytest.raises(KeyError):
        text("reason-of-state")
    with pytest.raises(KeyError):
        text("health-ok", "next")


def test_a_rules_own_words_come_first():
    """The next step is the rule's instruction where it has one, else the catalogue's."""
    own = {"zh": "请回家。", "en": "Please go home."}
    assert next_step(Decision(Outcome.DENY, Reason.POLICY, "r", own)) == own
    assert next_step(Decision(Outcome.DENY, Reason.POLICY, "r")) == text("reason-policy", "next")


def test_a_holder_is_named_in_both_languages():
    """The guard reads masked name, plate and class; what a pass does not say leaves no gap."""
    assert holder(credential(pass_class=PassClass.MEDIC)) == "王* · 医护人员 medic"
    assert holder(credential(pass_class=PassClass.VEHICLE, plate="苏F12345")) == "王* · 苏F12345 · 车辆 vehicle"
    assert holder(credential(name="")) == "居民 resident"


def test_a_part_is_named_in_both_languages():
    """The guard reads which part, and of which lane."""
    assert part("camera in") == "摄像头 camera · in"
    assert part("journal") == "记录 journal"
