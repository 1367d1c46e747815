"""What the station says, in Chinese and English: the Fluent catalogues in station/locale/."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

from fluent.runtime import FluentBundle, FluentResource

from station.core.model import LANGUAGES, Credential, Decision, Text
from station.core.reasons import Reason


@cache
def _bundle(language: str) -> FluentBundle:
    source = resources.files("station").joinpath("locale", f"{language}.ftl").read_text(encoding="utf-8")
    bundle = FluentBundle([language], use_isolating=False)
    bundle.add_resource(FluentResource(source))
    return bundle


@cache
def text(key: str, attribute: str = "") -> Text:
    """Return a message of the catalogue (or an attribute of it) in every language. Raises KeyError if there is none."""
    return _formatted(key, attribute, {})


def told(key: str, **values: str | int) -> Text:
    """Return a message with its variables filled in. Raises KeyError as `text` does."""
    return _formatted(key, "", values)


def _formatted(key: str, attribute: str, values: Mapping[str, str | int]) -> Text:
    result: dict[str, str] = {}
    for language in LANGUAGES:
        bundle = _bundle(language)
        message = bundle.get_message(key)
        pattern = message.attributes[attribute] if attribute else message.value
        if pattern is None:
            raise KeyError(key)
        value, errors = bundle.format_pattern(pattern, dict(values))
        if errors:
            raise errors[0]
        result[language] = str(value)
    return result


def reason(code: Reason) -> Text:
    """Return what happened, for a reason."""
    return text(f"reason-{code}")


def next_step(decision: Decision) -> Text:
    """Return what the person should do now: the rule's own words where it has some."""
    return decision.say or text(f"reason-{decision.reason}", "next")


def holder(credential: Credential) -> str:
    """Return a holder for the guard's eyes: masked name, plate to compare with the car, class in both languages."""
    words = text(f"class-{credential.pass_class.name.lower()}")
    parts = (credential.name, credential.plate, f"{words['zh']} {words['en']}")
    return " · ".join(part for part in parts if part)


def part(name: str) -> str:
    """Return a part of the station for the guard's eyes: "camera in" becomes "摄像头 camera · in"."""
    kind, _, lane = name.partition(" ")
    words = text(f"part-{kind}")
    return f"{words['zh']} {words['en']}" + (f" · {lane}" if lane else "")
