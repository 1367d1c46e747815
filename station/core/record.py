"""Frozen values with slots, as `dataclasses` makes them, ready in a fraction of the time.

`dataclasses` imports `inspect`, and compiles six functions for each class. The core has some sixty such classes, and
that was more than half of what it took to import the verifier. Here one function is compiled for each class,
`__new__`, when its first value is made; the others are shared. Whoever asks (`dataclasses.replace`,
`dataclasses.fields`, a type checker) finds dataclasses.

A value is filled as one of an open twin of its class and then made one of the class itself, that refuses changes. To
get past the refusal field by field, as dataclasses do, takes twice as long for 22 fields and a third longer for three.

Usage as with `dataclasses`, but always `@dataclass(frozen=True, slots=True)`, and no class inherits from another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["dataclass", "field", "replace"]

T = TypeVar("T")
_NOTHING: Any = object()


class _Field:
    """What `field` says of one field."""

    __slots__ = ("compare", "default_factory", "init", "repr")

    def __init__(self, default_factory: Callable[[], Any] | None, *, init: bool, compare: bool, shown: bool) -> None:
        self.default_factory, self.init, self.compare, self.repr = default_factory, init, compare, shown


def _field(
    *,
    default_factory: Callable[[], Any] | None = None,
    init: bool = True,
    compare: bool = True,
    repr: bool = True,  # noqa: A002 - the name that dataclasses gave it
) -> Any:
    """Say that a default is made anew for each value, or that `__post_init__` sets the field."""
    return _Field(default_factory, init=init, compare=compare, shown=repr)


def _dataclass(*, frozen: bool, slots: bool) -> Callable[[type[T]], type[T]]:
    """Return the decorator. Raises TypeError for any other kind of class than this module makes."""
    if not (frozen and slots):
        raise TypeError("a record is frozen and has slots")
    return _record


def _replace(value: T, /, **changes: Any) -> T:
    """Return a copy with some fields changed."""
    kind: Any = type(value)
    kept = {name: getattr(value, name) for name in kind.__given__ if name not in changes}
    made: T = kind(**kept, **changes)
    return made


def _record(cls: type[T]) -> type[T]:
    fields: Mapping[str, str] = cls.__annotations__
    if cls.__bases__ != (object,) or any("ClassVar" in str(kind) for kind in fields.values()):
        raise TypeError(f"{cls.__qualname__} inherits, or has a variable of the class: use dataclasses for it")
    defaults = {name: cls.__dict__[name] for name in fields if name in cls.__dict__}
    given = {name: one for name, one in defaults.items() if isinstance(one, _Field)}
    compared = [name for name in fields if name not in given or given[name].compare]
    space = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__", *defaults)}
    space |= _SHARED | {
        "__slots__": tuple(fields),
        "__match_args__": tuple(name for name in fields if name not in given or given[name].init),
        "__new__": _maker(fields, defaults, post="__post_init__" in space),
        "__compared__": attrgetter(*compared) if compared else staticmethod(lambda _: ()),
        "__shown__": tuple(name for name in fields if name not in given or given[name].repr),
        "__given__": tuple(name for name in fields if name not in given or given[name].init),
        "__defaults__": defaults,
    }
    made: type[T] = type(cls.__name__, (object,), space)
    made.__qualname__ = cls.__qualname__
    return made


def _maker(fields: Mapping[str, str], defaults: Mapping[str, Any], *, post: bool) -> Callable[..., Any]:
    """Return a `__new__` that puts the compiled one in its place when the first value is made."""

    def first(cls: Any, *values: Any, **named: Any) -> Any:
        compiled = _compiled(cls.__name__, fields, defaults, post=post)
        cls.__new__ = staticmethod(compiled)
        return compiled(cls, *values, **named)

    return first


def _compiled(
    name_of_class: str, fields: Mapping[str, str], defaults: Mapping[str, Any], *, post: bool
) -> Callable[..., Any]:
    """Compile `__new__`, whose arguments are the fields in their order."""
    twin = type(name_of_class, (object,), {"__slots__": tuple(fields)})
    names: dict[str, Any] = {"_new": object.__new__, "_Twin": twin, "_NOTHING": _NOTHING}
    head, body = ["cls"], ["self = _new(_Twin)"]
    for number, name in enumerate(fields):
        default = defaults.get(name, _NOTHING)
        names[f"default_{number}"] = default.default_factory if isinstance(default, _Field) else default
        if isinstance(default, _Field) and not default.init:
            continue
        value = name
        if default is _NOTHING or (isinstance(default, _Field) and default.default_factory is None):
            head.append(name)
        elif isinstance(default, _Field):
            head.append(f"{name}=_NOTHING")
            value = f"default_{number}() if {name} is _NOTHING else {name}"
        else:
            head.append(f"{name}=default_{number}")
        body.append(f"self.{name} = {value}")
    body += ["self.__class__ = cls", *(["self.__post_init__()"] if post else []), "return self"]
    exec(f"def __new__({', '.join(head)}):\n " + "\n ".join(body), names)  # noqa: S102 - as dataclasses
    made: Callable[..., Any] = names["__new__"]
    return made


# --- what all records share ------------------------------------------------------------------------------------------


def _equal(self: Any, other: object) -> Any:
    compared = self.__compared__
    return compared(self) == compared(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash((self.__compared__(self),))


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__shown__)
    return f"{type(self).__qualname__}({shown})"


def _refuse(_self: Any, name: str, *_: object) -> None:
    from dataclasses import FrozenInstanceError  # noqa: PLC0415 - the import that this module is there to avoid

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _reduce(self: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    return _restored, (type(self), *(getattr(self, name) for name in self.__slots__))


def _restored(cls: Any, *values: object) -> Any:
    self = object.__new__(cls)
    for name, value in zip(cls.__slots__, values, strict=True):
        object.__setattr__(self, name, value)
    return self


class _DataclassFields:
    """`__dataclass_fields__`, made when somebody asks for it, and then kept in its own place."""

    def __get__(self, _: object, owner: Any) -> dict[str, Any]:
        import dataclasses  # noqa: PLC0415 - the import that this module is there to avoid

        fields = {
            name: self._made(dataclasses, name, kind, owner.__defaults__.get(name, _NOTHING))
            for name, kind in owner.__annotations__.items()
        }
        owner.__dataclass_fields__ = fields
        return fields

    @staticmethod
    def _made(dataclasses: Any, name: str, kind: str, default: Any) -> Any:
        if isinstance(default, _Field):
            factory = {"default_factory": default.default_factory} if default.default_factory else {}
            one = dataclasses.field(init=default.init, compare=default.compare, repr=default.repr, **factory)
        else:
            one = dataclasses.field() if default is _NOTHING else dataclasses.field(default=default)
        one.name, one.type, one._field_type = name, kind, dataclasses._FIELD  # noqa: SLF001 - what it looks for
        return one


_SHARED: dict[str, Any] = {
    "__eq__": _equal,
    "__hash__": _hash,
    "__repr__": _repr,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__reduce__": _reduce,
    "__replace__": _replace,
    "__dataclass_fields__": _DataclassFields(),
}

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    dataclass, field, replace = _dataclass, _field, _replace
