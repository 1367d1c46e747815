"""A policy of fifteen rules that asks about nearly every fact: what the bench decides with, and the vectors show."""

from __future__ import annotations

from typing import Any

from tests.passes.office import NOW, ZONE

CLOSED = ["locked-down", "control"]


def _words(zh: str, en: str) -> dict[str, str]:
    return {"zh": zh, "en": en}


def _rule(name: str, outcome: str, when: dict[str, Any], zh: str, en: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "version": 1, "outcome": outcome, "when": when, "describe": _words(zh, en), **more}


RULES = [
    _rule(
        "quarantine-leaving",
        "deny",
        {"direction": {"eq": "out"}, "status": {"eq": "home-quarantine"}},
        "居家隔离人员不得外出",
        "People in home quarantine do not leave",
        reason="home-quarantine",
        say=_words("请回家，网格员会联系您。", "Please go back home; your grid worker will call you."),
    ),
    _rule(
        "watched",
        "refer",
        {"status": {"in": ["home-quarantine", "refer"]}},
        "由值守人员核实",
        "The guard looks at them",
        reason="guard-check",
    ),
    _rule(
        "closed-to-leaving",
        "deny",
        {"direction": {"eq": "out"}, "zone_level": {"in": CLOSED}, "class": {"ne": "medic"}},
        "只进不出",
        "In only, except for medical staff",
        reason="zone-closed",
    ),
    _rule(
        "register-first",
        "refer",
        {"class": {"eq": "returnee"}, "home_risk": {"in": ["high", "medium"]}},
        "返乡人员先登记",
        "Returnees register first",
        reason="register-first",
        **{"from": NOW - 86_400, "to": NOW + 86_400},
    ),
    _rule(
        "code-not-green",
        "refer",
        {"health": {"in": ["yellow", "red"]}},
        "黄码、红码由值守人员处理",
        "Yellow and red go to the guard",
        reason="health-code",
    ),
    _rule(
        "test-due",
        "deny",
        {"zone_level": {"ne": "open"}, "health_age_days": {"gt": 3}},
        "须有三日内检测",
        "A test of the last three days is due",
        reason="test-due",
    ),
    _rule(
        "visitors-live",
        "deny",
        {"class": {"eq": "visitor"}, "medium": {"not_in": ["phone-live", "phone-nonce"]}},
        "访客须出示动态码",
        "Visitors show a live code",
        reason="not-live",
    ),
    _rule(
        "visitors-by-day",
        "deny",
        {"class": {"eq": "visitor"}, "minute_of_day": {"between": [21 * 60, 8 * 60]}},
        "访客时间为八点到二十一点",
        "Visitors come from eight to nine in the evening",
        reason="outside-hours",
    ),
    _rule(
        "visitors-escorted",
        "escort",
        {"class": {"eq": "visitor"}, "escort": {"eq": "none"}},
        "访客须有人陪同",
        "Visitors come with somebody",
    ),
    _rule(
        "quota",
        "deny",
        {"quota": {"eq": "used"}},
        "本户次数已用完",
        "The household's quota is used up",
        reason="quota-used",
    ),
    _rule(
        "passback",
        "deny",
        {"passback": {"eq": "violation"}, "last_passage_minutes": {"lt": 600}, "day": {"ne": "holiday"}},
        "同向重复通行",
        "The same way twice",
        reason="passback",
    ),
    _rule("fever", "refer", {"temperature": {"eq": "raised"}}, "体温偏高", "Raised", reason="fever-raised"),
    _rule("green-channel", "grant", {"class": {"eq": "vehicle"}}, "车辆绿色通道", "Green channel for vehicles"),
    _rule(
        "measure",
        "measure",
        {"direction": {"eq": "in"}, "zone_level": {"ne": "open"}, "temperature": {"eq": "not-measured"}},
        "进入须测温",
        "Everyone who comes in is measured",
    ),
    _rule(
        "welcome",
        "grant",
        {"clock": {"ne": "lost"}, "weekday": {"ge": 1}, "status_age_hours": {"le": 168}},
        "有效通行证放行",
        "Valid passes pass",
    ),
]

SOURCE: dict[str, Any] = {
    "rules": RULES,
    "zones": {ZONE: "precaution", "3206": "open", "32061100": "control"},
    "risks": {"11": "high", "1101": "medium"},
    "utc_offset_minutes": 480,
    "holidays": ["2026-02-17"],
    "workdays": ["2026-02-14"],
    "quotas": [
        {
            "id": "every-second-day",
            "per": "household",
            "direction": "out",
            "passages": 1,
            "days": 2,
            "classes": ["resident"],
            "describe": _words("每户两日一人次", "One person of a household every two days"),
        }
    ],
    "degraded": {"undecided": "refer", "station": "refer", "clock": "nonce"},
}
"""What is signed, in the form of JSON: text, whole numbers, lists and maps."""

BASE: dict[str, Any] = {
    "zone_level": "precaution",
    "home_risk": "unknown",
    "direction": "in",
    "class": "resident",
    "status": "ok",
    "health": "green",
    "health_age_days": 1,
    "temperature": "normal",
    "minute_of_day": 600,
    "weekday": 6,
    "day": "weekend",
    "quota": "none",
    "passback": "clear",
    "away_minutes": None,
    "last_passage_minutes": 120,
    "escort": "none",
    "medium": "phone-live",
    "clock": "trusted",
    "peers": "alone",
    "status_age_hours": 1,
    "policy_age_hours": 1,
    "inside": 12,
}
"""The facts of an ordinary resident who comes home."""
