"""Rows from the tables that the code itself consists of: reasons, facts, operators, topics, messages, pass claims."""

from __future__ import annotations

import ast

from station.core import credential, facts, policy_reader
from station.core.model import Outcome
from station.core.reasons import REASONS
from station.wording import reason, text
from sync import wire
from sync.central.collector import FILTERS
from sync.downlink import LIMITS
from tests.docs.blocks import ROOT, Row, code
from tests.docs.config_rows import field_rows
from tests.docs.pages import tree


def reason_rows() -> list[Row]:
    """Return (code, whose matter, BACnet name, Chinese, English)."""
    rows = []
    for one, info in REASONS.items():
        said, then = reason(one), text(f"reason-{one}", "next")
        rows.append(
            (
                code(one),
                info.matter.value,
                code(info.bacnet),
                f"{said['zh']}。{then['zh']}",
                f"{said['en']}. {then['en']}",
            )
        )
    return rows


def fact_rows() -> list[Row]:
    """Return (fact, values)."""
    return [(code(name), _fact_values(info)) for name, info in facts.FACTS.items()]


def _fact_values(info: facts.FactInfo) -> str:
    if info.values is None:
        return f"whole number, {info.bounds[0]} to {info.bounds[1]}"
    return ", ".join(code(value) for value in sorted(map(str, info.values)))


def operator_rows() -> list[Row]:
    """Return (operator, for which facts)."""
    return [
        (code(name), "numbers" if name in facts.NUMERIC else "words and numbers") for name in sorted(facts.OPERATORS)
    ]


def outcome_rows() -> list[Row]:
    """Return (outcome,)."""
    return [(code(outcome),) for outcome in Outcome]


def level_rows() -> list[Row]:
    """Return (zone level,)."""
    return [(code(level),) for level in facts.LEVELS]


def rule_key_rows() -> list[Row]:
    """Return (key of a rule,)."""
    return [(code(key),) for key in sorted(policy_reader.RULE_KEYS)]


MESSAGES = {
    "log": wire.Batch,
    "hello": wire.Hello,
    "state": wire.State,
    "tele": wire.Tele,
    "rsp": wire.Response,
    "ack": wire.Ack,
}


def topic_rows() -> list[Row]:
    """Return (topic,) of every topic that the sources of sync send to or take from."""
    up, down = _leaves()
    shown = {leaf.split("/")[0]: leaf for leaf in up}
    rows = [(code(wire.up("{station}", shown[leaf])),) for leaf in sorted(shown)]
    rows += [(code(wire.down("{station}", leaf)),) for leaf in sorted(down)]
    rows += [(code(f"gs/1/doc/{{scope}}/{kind}/{{chunk}}"),) for kind in LIMITS]
    return rows


def _leaves() -> tuple[set[str], set[str]]:
    """Return the leaves of the topics up and down: constants handed to up, down, _publish and answer."""
    up, down = set[str](), set[str]()
    for path in (ROOT / "sync").rglob("*.py"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and (name := _called(node)) in ("up", "down", "_publish", "answer"):
                leaf = _leaf(node.args[0 if name in ("_publish", "answer") else 1]) if len(node.args) > 1 else None
                if leaf and leaf != "#":
                    (down if name == "down" else up).add(leaf)
    return up | {one.split("/up/")[1] for one in FILTERS}, down


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _leaf(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{id}" for part in node.values)
    return None


def message_rows() -> list[Row]:
    """Return (message.field, values, default) of each message and its parts."""
    kinds = [*MESSAGES.values(), wire.DocumentMark, wire.Prefix, wire.Held]
    return [
        (code(f"{kind.__name__}.{field.strip('`')}"), values, default)
        for kind in kinds
        for field, values, default in field_rows(kind)
    ]


def wire_limit_rows() -> list[Row]:
    """Return (constant, value) of the limits both ends keep."""
    names = ("VERSION", "MAX_EVENTS", "MAX_PAYLOAD", "MAX_PLAIN", "MAX_RAW", "MAX_HELD")
    return [(code(name), str(getattr(wire, name))) for name in names]


def layout_rows() -> list[Row]:
    """Return (module, first sentence of its docstring) of every module of the three packages."""
    rows = []
    for package in ("station", "drivers", "sync"):
        for path in sorted((ROOT / package).rglob("*.py")):
            about = ast.get_docstring(tree(path)) or ""
            rows.append((code(path.relative_to(ROOT)), " ".join(about.split("\n\n")[0].split())))
    return rows


def claim_rows() -> list[Row]:
    """Return (number, name in the code) of the claims of a pass and of the entries of its pass map."""
    claims = ("EXP", "NBF", "CTI", "CNF", "PASS")
    entries = (
        "CLASS",
        "ZONE",
        "DIRECTIONS",
        "GATES",
        "HEALTH",
        "NAME",
        "HOUSEHOLD",
        "PLATE",
        "STATUS_INDEX",
        "EXTRA_ZONES",
    )
    rows = [(code(getattr(credential, name)), name.lower().replace("_", " ")) for name in claims]
    inside = [
        (code(f"{credential.PASS}/{getattr(credential, name)}"), name.lower().replace("_", " ")) for name in entries
    ]
    return rows + inside
