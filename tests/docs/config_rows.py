"""Every key of a configuration file, from the msgspec structs: where, which values, which default."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect as mi

from tests.docs.blocks import Row, code


def config_rows(kind: type[msgspec.Struct]) -> list[Row]:
    """Return (key, values, default) of every key, depth first; `lane[].` stands for each of the [[lane]] tables."""
    return list(_struct_rows(mi.type_info(kind), ""))


def field_rows(kind: type[msgspec.Struct]) -> list[Row]:
    """Return (field, values, default) of one struct alone."""
    info = mi.type_info(kind)
    assert isinstance(info, mi.StructType)
    return [(code(field.encode_name), values(field.type), _default(field)) for field in info.fields]


def _struct_rows(info: Any, prefix: str) -> Iterator[Row]:
    for field in info.fields:
        key, inner, many = prefix + field.encode_name, _plain(field.type), False
        if isinstance(inner, mi.VarTupleType | mi.ListType) and isinstance(inner.item_type, mi.StructType):
            inner, many = inner.item_type, True
        if isinstance(inner, mi.StructType):
            yield code(f"[[{key}]]" if many else f"[{key}]"), values(field.type), _default(field)
            yield from _struct_rows(inner, f"{key}[]." if many else f"{key}.")
        else:
            yield code(key), values(field.type), _default(field)


def _plain(info: Any) -> Any:
    """Take the annotations and the None of an optional value off a type."""
    while isinstance(info, mi.Metadata):
        info = info.type
    if isinstance(info, mi.UnionType):
        return _plain(next(one for one in info.types if not isinstance(one, mi.NoneType)))
    return info


def values(info: Any) -> str:
    """Describe the values a key takes: type and limits."""
    if isinstance(info, mi.Metadata):
        said = (info.extra_json_schema or {}).get("description", "")
        return values(info.type) + (f", {said}" if said else "")
    if isinstance(info, mi.UnionType):
        return values(next(one for one in info.types if not isinstance(one, mi.NoneType)))
    if isinstance(info, mi.CustomType) and info.cls is Path:
        return "path"
    describe = DESCRIBE.get(type(info))
    assert describe is not None, f"tests/docs does not know how to describe {info!r}"
    return describe(info)


def _choice(words: Iterable[object]) -> str:
    return " or ".join(map(code, words))


def _text(info: mi.StrType) -> str:
    return f"text {code(info.pattern.replace(chr(92) + 'Z', '$'))}" if info.pattern else "text" + _length(info)


def _list(info: Any) -> str:
    return "list" + _length(info) + f" of: {values(info.item_type)}"


def _range(info: mi.IntType | mi.FloatType) -> str:
    low = f"{info.ge:g}" if info.ge is not None else f"above {info.gt:g}" if info.gt is not None else ""
    high = info.le if info.le is not None else info.lt
    return f", {low} to {_big(high)}" if high is not None else ""


def _big(number: float) -> str:
    for exponent in (53, 63):
        if number == 2**exponent or number == 2**exponent - 1:
            return f"2^{exponent}" + (" - 1" if number % 2 else "")
    return f"{number:g}" if number < 1e6 else str(number)  # %g turns to powers of ten here


def _length(info: Any) -> str:
    low, high = info.min_length, info.max_length
    if low == high and low is not None:
        return f", exactly {low}"
    return f", {low or 0} to {high}" if high is not None else ""


DESCRIBE: dict[type, Callable[[Any], str]] = {
    mi.StructType: lambda _: "table",
    mi.IntType: lambda info: "whole number" + _range(info),
    mi.FloatType: lambda info: "number" + _range(info),
    mi.StrType: _text,
    mi.BoolType: lambda _: "true or false",
    mi.LiteralType: lambda info: _choice(info.values),
    mi.EnumType: lambda info: _choice(member.value for member in info.cls),
    mi.DictType: lambda info: "map" + _length(info),
    mi.VarTupleType: _list,
    mi.ListType: _list,
    mi.RawType: lambda _: "any JSON value",
}


def _default(field: Any) -> str:
    if field.required:
        return "required"
    if field.default_factory is not msgspec.NODEFAULT:
        return code(field.default_factory()) if not isinstance(field.default_factory(), msgspec.Struct) else ""
    value = field.default
    if value is None:
        return "absent"
    if isinstance(value, msgspec.Struct):
        return ""
    return code(str(value).lower() if isinstance(value, bool) else value)
