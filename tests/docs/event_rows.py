"""Every payload field the code writes for every kind of event, read from the source's syntax trees.

A recording call names its kind (`Kind.X`) and hands over a payload: a dict written in place, or a name that was
assigned one before. Fields assigned under a condition that excludes the call do not count. A payload that cannot be
read this way is an error, so nothing is overlooked.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from station.core.events import Kind
from tests.docs.blocks import ROOT, Row, code

RECORDERS = {"append", "commit", "commit_or_reserve", "commit_unless_broken"}
Branches = tuple[tuple[int, str], ...]
"""The conditions a statement stands under: (line of the `if`, which side)."""


NEVER = {Kind.OVERRIDE: {"band", "skin_c", "scan_us", "captured_us"}}
"""Fields the code's form allows and its values exclude: an override measures nothing (tests/docs/test_events.py)."""


class UnreadablePayloadError(Exception):
    """A recording call whose fields this reader cannot tell; teach it or write the payload more plainly."""


def event_rows() -> list[Row]:
    """Return (kind.field,) for every field written, kinds in their own order."""
    fields = written_fields()
    return [(code(f"{kind}.{field}"),) for kind in Kind for field in sorted(fields.get(kind, ()))]


def kind_rows() -> list[Row]:
    """Return (kind, whether this version writes it)."""
    fields = written_fields()
    return [(code(kind), "yes" if kind in fields else "not by this version") for kind in Kind]


@cache
def written_fields() -> dict[Kind, set[str]]:
    """Return the payload fields of every kind that is written."""
    found = defaultdict[Kind, set[str]](set)
    for path in sorted((ROOT / "station").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        for function in functions.values():
            for kind, fields in _recorded(function, functions, path):
                found[kind] |= fields
    found[Kind.LATE] |= _reserve_fields()
    return {kind: fields - NEVER.get(kind, set()) for kind, fields in found.items()}


def _recorded(
    function: ast.FunctionDef, functions: dict[str, ast.FunctionDef], path: Path
) -> Iterator[tuple[Kind, set[str]]]:
    places = _places(function)
    for node, branches in places:
        if isinstance(node, ast.Call) and (kind := _kind(node)):
            payload = node.args[node.args.index(next(a for a in node.args if _is_kind(a))) + 1]
            fields = _fields(payload, branches, places, functions)
            if fields is None:
                raise UnreadablePayloadError(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(payload)}")
            yield kind, fields


def _is_kind(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Kind"


def _kind(call: ast.Call) -> Kind | None:
    named = [arg for arg in call.args if _is_kind(arg)]
    if not named or not isinstance(call.func, ast.Attribute) or call.func.attr not in RECORDERS:
        return None
    attribute = named[0]
    assert isinstance(attribute, ast.Attribute)
    return Kind[attribute.attr]


def _places(function: ast.FunctionDef) -> list[tuple[ast.AST, Branches]]:
    """Return every node of a function with the conditions it stands under, in source order."""
    found: list[tuple[ast.AST, Branches]] = []

    def visit(node: ast.AST, branches: Branches) -> None:
        found.append((node, branches))
        for name, value in ast.iter_fields(node):
            inside = branches
            if isinstance(node, ast.If) and name in ("body", "orelse"):
                inside = (*branches, (node.lineno, name))
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    visit(child, inside)

    visit(function, ())
    return found


def _fields(
    payload: ast.expr,
    branches: Branches,
    places: list[tuple[ast.AST, Branches]],
    functions: dict[str, ast.FunctionDef],
) -> set[str] | None:
    if isinstance(payload, ast.Dict):
        return _keys(payload)
    if isinstance(payload, ast.Call) and isinstance(payload.func, ast.Name) and payload.func.id in functions:
        made = functions[payload.func.id]
        return _assigned("payload", (), _places(made), functions)
    if isinstance(payload, ast.Name):
        return _assigned(payload.id, branches, places, functions)
    return None


def _assigned(
    name: str,
    branches: Branches,
    places: list[tuple[ast.AST, Branches]],
    functions: dict[str, ast.FunctionDef],
) -> set[str] | None:
    """Return the keys a name may hold where `branches` apply."""
    found: set[str] = set()
    seen = False
    for node, under in places:
        if _exclude_each_other(under, branches):
            continue
        target, value = _assignment(node)
        if isinstance(target, ast.Name) and target.id == name and value is not None:
            fields = _fields(value, under, places, functions)
            if fields is None:
                return None
            found, seen = found | fields, True
        elif (
            isinstance(target, ast.Subscript)
            and isinstance(target.value, ast.Name)
            and target.value.id == name
            and isinstance(target.slice, ast.Constant)
        ):
            found.add(str(target.slice.value))
    return found if seen else None


def _assignment(node: ast.AST) -> tuple[ast.expr | None, ast.expr | None]:
    if isinstance(node, ast.Assign):
        return node.targets[0], node.value
    if isinstance(node, ast.AnnAssign | ast.AugAssign):
        return node.target, node.value
    return None, None


def _exclude_each_other(one: Branches, other: Branches) -> bool:
    sides = dict(one)
    return any(sides.get(line, side) != side for line, side in other)


def _keys(display: ast.Dict) -> set[str] | None:
    if not all(isinstance(key, ast.Constant) for key in display.keys):
        return None
    return {str(key.value) for key in display.keys if isinstance(key, ast.Constant)}


def _reserve_fields() -> set[str]:
    """Return what a record of the reserve holds: it becomes the payload of a `late` event as it is."""
    tree = ast.parse((ROOT / "station" / "reserve.py").read_text(encoding="utf-8"))
    append = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "append")
    fields = _assigned("row", (), _places(append), {})
    if fields is None:
        raise UnreadablePayloadError("station/reserve.py: append")
    return fields
