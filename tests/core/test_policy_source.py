"""A policy's TOML or JSON source: what people may write, and the one form it becomes."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core import cose
from station.core.policy import Policy
from station.core.policy_reader import PolicyError, read_table
from station.core.policy_source import read_source
from tests.core.issuing import POLICY_SOURCE, rule, table

# 2025-10-01T00:00:00+08:00
NATIONAL_DAY = 1_759_248_000
HEAD = 'id = "a"\nversion = 1\noutcome = "grant"\ndescribe = { zh = "规定", en = "a rule" }\n'


def toml_rule(lines: str) -> dict[str, object]:
    """Return the only rule of a TOML source, as it becomes."""
    when = "" if "when" in lines else "when = {}\n"
    return read_source(f"[[rules]]\n{HEAD}{when}{lines}\n", as_json=False)["rules"][0]


def json_rule(**changes: object) -> dict[str, object]:
    """Return the only rule of a JSON source, as it becomes."""
    return read_source(json.dumps(table(rule(**changes))), as_json=True)["rules"][0]


def policy(text: str, *, as_json: bool) -> Policy:
    """Return what a source means in the end."""
    return read_table(1, read_source(text, as_json=as_json))


def signable(fields: dict[str, object]) -> dict[str, object]:
    """Return fields after they were encoded for signing and decoded by the station."""
    decoded = cose.decode_strict(cose.encode(fields))
    assert isinstance(decoded, dict)
    return decoded


# --- times of day ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "minute"),
    [("00:00", 0), ("0:00", 0), ("8:05", 485), ("08:05", 485), ("19:00", 1140), ("20:10", 1210), ("23:59", 1439)],
)
def test_a_time_of_day_becomes_its_minute(text, minute):
    """Hours and minutes become minutes since midnight, in every operator, alone and in lists."""
    for name, written, expected in (
        ("ge", text, minute),
        ("eq", text, minute),
        ("between", [text, "12:00"], [minute, 720]),
        ("in", [text, 7], [minute, 7]),
        ("lt", minute, minute),
    ):
        assert json_rule(when={"minute_of_day": {name: written}})["when"] == {"minute_of_day": {name: expected}}


@given(st.integers(0, 23), st.integers(0, 59))
def test_every_minute_of_the_day_can_be_written(hour, minute):
    """All 1,440 times of day mean their minute, and the policy that asks for them is read."""
    fields = table(rule(when={"minute_of_day": {"eq": f"{hour:02}:{minute:02}"}}))
    (one,) = policy(json.dumps(fields), as_json=True).rules
    assert one.conditions[0].operand == 60 * hour + minute


@pytest.mark.parametrize("text", ["24:00", "12:60", "1200", "12.00", "12:0", "noon", "-1:00", " 8:00", "08:00:00", ""])
def test_what_is_no_time_of_day_is_refused_by_the_reader(text):
    """Other spellings stay text, which no number is compared with."""
    fields = read_source(json.dumps(table(rule(when={"minute_of_day": {"ge": text}}))), as_json=True)
    assert fields["rules"][0]["when"] == {"minute_of_day": {"ge": text}}
    with pytest.raises(PolicyError, match="not a whole number from 0 to 1439"):
        read_table(1, fields)


def test_only_the_time_of_day_is_written_so():
    """The same text about another fact is left alone, and refused."""
    fields = read_source(json.dumps(table(rule(when={"away_minutes": {"ge": "03:00"}}))), as_json=True)
    assert fields["rules"][0]["when"] == {"away_minutes": {"ge": "03:00"}}
    with pytest.raises(PolicyError, match="not a whole number"):
        read_table(1, fields)


# --- from and to -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "2025-10-01T00:00:00+08:00",
        "2025-10-01 00:00:00+08:00",
        "2025-09-30T16:00:00Z",
        "2025-09-30T16:00:00+00:00",
        "2025-09-30T12:00:00.999-04:00",
    ],
)
def test_a_moment_becomes_unix_seconds(written):
    """TOML's own date-times and the same as text mean one second, whatever zone they are written in."""
    for end in ("from", "to"):
        assert toml_rule(f"{end} = {written}")[end] == NATIONAL_DAY
        assert toml_rule(f'{end} = "{written}"')[end] == NATIONAL_DAY
        assert json_rule(**{end: written})[end] == NATIONAL_DAY


def test_unix_seconds_are_left_alone():
    """Who writes seconds means seconds."""
    assert toml_rule(f"from = {NATIONAL_DAY}")["from"] == NATIONAL_DAY
    assert "from" not in toml_rule("")


@pytest.mark.parametrize("lines", ["from = 2025-10-01T00:00:00", 'to = "2025-10-01T00:00"', 'from = "2025-10-01"'])
def test_a_moment_without_its_zone_is_refused(lines):
    """Nobody guesses a time zone; the message names the rule, the end and what to add."""
    with pytest.raises(ValueError, match=r"rule a\.(from|to): 2025-10-01T00:00:00 does not say .* append \+08:00"):
        toml_rule(lines)


def test_a_bare_date_is_no_moment():
    """A day has no second: TOML's date is refused by the reader, with the rule and the end."""
    fields = read_source(f"utc_offset_minutes = 480\n[[rules]]\n{HEAD}when = {{}}\nto = 2025-10-01\n", as_json=False)
    with pytest.raises(PolicyError, match=r"rule a\.to is not a whole number"):
        read_table(1, fields)


@pytest.mark.parametrize("text", ["monday", "2025-02-29T00:00:00+08:00", "", "2025-10-01T25:00:00+08:00"])
def test_a_moment_that_does_not_exist_is_refused(text):
    """Text that is no date is a mistake of the source."""
    with pytest.raises(ValueError, match=r"\w"):
        json_rule(**{"from": text})


# --- days ------------------------------------------------------------------------------------------------------------


def test_days_may_be_dates_or_text():
    """Holidays and workdays are TOML's own dates or text, and become text."""
    lines = 'holidays = [2025-10-01, "2025-10-02"]\nworkdays = [2025-09-28]\n'
    fields = read_source(lines, as_json=False)
    assert fields == {"holidays": ["2025-10-01", "2025-10-02"], "workdays": ["2025-09-28"]}
    assert read_source(json.dumps(fields), as_json=True) == fields


@pytest.mark.parametrize("days", ["2025-10-01T08:00:00", "2025-10-01T08:00:00Z", "08:00:00", "5"])
def test_a_day_that_is_no_date_is_refused(days):
    """A moment, a time or a number in a list of days refuses the policy."""
    source = f"utc_offset_minutes = 480\nrules = []\nholidays = [{days}]\n"
    with pytest.raises(PolicyError, match="holidays is not printable text of at most 10"):
        policy(source, as_json=False)


# --- the whole -------------------------------------------------------------------------------------------------------


def test_both_languages_of_sources_say_the_same():
    """The compound's policy, written as TOML and as JSON, becomes the same fields and the same policy."""
    text = POLICY_SOURCE.read_text(encoding="utf-8")
    as_json = json.dumps(tomllib.loads(text), ensure_ascii=False)
    assert read_source(text, as_json=False) == read_source(as_json, as_json=True)
    assert policy(text, as_json=False) == policy(as_json, as_json=True)


def test_what_people_write_can_be_signed():
    """With times, dates and days in it, what comes out survives the strict encoding unchanged."""
    source = (
        "utc_offset_minutes = 480\nholidays = [2025-10-01]\n[[rules]]\n" + HEAD + "from = 2025-10-01T00:00:00+08:00\n"
        'when = { minute_of_day = { between = ["22:00", "06:00"] }, class = { in = ["worker"] } }\n'
    )
    fields = read_source(source, as_json=False)
    assert signable(fields) == fields
    (one,) = read_table(1, signable(fields)).rules
    assert one.valid_from == NATIONAL_DAY
    assert {condition.operand for condition in one.conditions} == {(1320, 360), frozenset({"worker"})}


def test_what_is_not_sugar_is_left_to_the_reader():
    """Rows and conditions of other shapes pass unchanged, so that the reader can say what is wrong with them."""
    for rules in ("none", [1, "two", {"id": 3}], [rule(when=[])], [rule(when={"minute_of_day": 480})]):
        fields = {"rules": rules, "holidays": "2025-10-01", "more": {"x": [1, None]}}
        assert read_source(json.dumps(fields), as_json=True) == fields


def test_the_source_is_not_changed_in_place():
    """Every other key of a rule arrives as it was written."""
    row = rule(id="night", say={"zh": "请回", "en": "Go home"}, when={"class": {"eq": "worker"}}, reason="policy")
    assert json_rule(**{k: v for k, v in row.items() if k != "id"}, id="night") == row


@pytest.mark.parametrize(
    ("text", "as_json"),
    [
        ("[1, 2]", True),
        ('"grant"', True),
        ("null", True),
        ("{", True),
        ("", True),
        ("a = ", False),
        ("a = 1\na = 2", False),
    ],
)
def test_a_source_that_cannot_be_understood_is_a_value_error(text, as_json):
    """What is no table, or no TOML or JSON at all, is refused as such."""
    with pytest.raises(ValueError, match=r"\w"):
        read_source(text, as_json=as_json)
