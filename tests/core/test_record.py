"""Records are dataclasses in all that anybody can see of them, and cost less to define."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from station.core import record

ROOT = Path(__file__).parents[2]


def defined(dataclass, field):
    """Return four classes as each of the two modules makes them."""

    @dataclass(frozen=True, slots=True)
    class Plain:
        """Two fields, one with a default."""

        name: str
        number: int = 7

        @property
        def twice(self) -> int:
            """Twice the number."""
            return 2 * self.number

    @dataclass(frozen=True, slots=True)
    class Nothing:
        """No field."""

    @dataclass(frozen=True, slots=True)
    class Single:
        """One field that is made anew for each value."""

        rows: Mapping[str, int] = field(default_factory=dict)

    @dataclass(frozen=True, slots=True)
    class Built:
        """A field that the class sets itself, and that nobody sees."""

        first: int
        total: int = field(init=False, compare=False, repr=False)

        def __post_init__(self) -> None:
            """Set it."""
            object.__setattr__(self, "total", self.first + 1)

    return Plain, Nothing, Single, Built


OURS = defined(record.dataclass, record.field)
THEIRS = defined(dataclasses.dataclass, dataclasses.field)
Plain, Nothing, Single, Built = OURS
PAIRS = list(zip(OURS, THEIRS, strict=True))


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_a_record_looks_like_a_dataclass(ours, theirs):
    """Name, documentation, slots, fields and match arguments are those of a dataclass."""
    for name in ("__name__", "__qualname__", "__doc__", "__module__", "__slots__", "__match_args__", "__annotations__"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert dataclasses.is_dataclass(ours)
    told = [
        [(one.name, one.type, one.init, one.compare, one.repr, one.default) for one in dataclasses.fields(kind)]
        for kind in (ours, theirs)
    ]
    assert told[0] == told[1]


MADE = [
    ("Plain", ("a",)),
    ("Plain", ("a", 3)),
    ("Nothing", ()),
    ("Single", ()),
    ("Single", ({"x": 1},)),
    ("Built", (4,)),
]


@pytest.mark.parametrize(("name", "values"), MADE)
def test_a_record_behaves_like_a_dataclass(name, values):
    """Signature, text, equality, copies and changes come out as a dataclass gives them."""
    ours, theirs = next(pair for pair in PAIRS if pair[0].__name__ == name)
    one, other = ours(*values), theirs(*values)
    assert inspect.signature(ours).parameters.keys() == inspect.signature(theirs).parameters.keys()
    assert repr(one) == repr(other)
    assert one == ours(*values)
    assert one != other
    assert copy.copy(one) == copy.deepcopy(one) == one
    assert dataclasses.asdict(one) == dataclasses.asdict(other)


def test_values_are_compared_by_their_fields():
    """Equal fields make equal values with one hash; another field, or another class, does not."""
    assert Plain("a") == Plain("a", 7)
    assert hash(Plain("a")) == hash(Plain("a", 7))
    assert len({Plain("a"), Plain("a", 7), Plain("a", 8)}) == 2
    assert Plain("a") != Plain("b")
    assert Plain("a") != ("a", 7)
    assert Built(1) == Built(1)


def test_defaults_are_made_anew():
    """No two values share the mapping that a factory made."""
    assert Single().rows is not Single().rows


def test_nothing_is_changed():
    """Fields cannot be set, deleted or added, with the error that dataclasses raise."""
    value = Plain("a")
    for change in (
        lambda: setattr(value, "name", "b"),
        lambda: setattr(value, "other", 1),
        lambda: delattr(value, "name"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            change()
    assert value == Plain("a")


@pytest.mark.parametrize("replace", [record.replace, dataclasses.replace])
def test_a_changed_copy(replace):
    """Some fields are changed, the others kept, what the class sets itself is set anew; unknown fields are refused."""
    assert replace(Plain("a", 3), name="b") == Plain("b", 3)
    assert replace(Single({"x": 1})) == Single({"x": 1})
    assert replace(Built(1), first=5).total == 6
    with pytest.raises(TypeError, match="colour"):
        replace(Plain("a"), colour="red")


def test_missing_and_superfluous_arguments_are_refused():
    """A value is made of its fields and of nothing else."""
    for values, named in (((), {}), (("a", 1, 2), {}), (("a",), {"colour": 1}), ((1,), {"total": 2})):
        kind = Built if "total" in named else Plain
        with pytest.raises(TypeError):
            kind(*values, **named)


def test_records_take_part_in_matching():
    """Positional patterns see the fields in their order."""
    match Plain("a", 3):
        case Plain(name, number):
            assert (name, number) == ("a", 3)


def test_properties_stay():
    """What a class defines itself is kept."""
    assert Plain("a", 4).twice == 8


@record.dataclass(frozen=True, slots=True)
class Sent:
    """A record that other processes can find by its name."""

    name: str
    number: int = 1


def test_records_go_to_other_processes():
    """A pickled record comes back equal, with every protocol."""
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(Sent("a", 2), protocol)) == Sent("a", 2)  # noqa: S301 - our own bytes


@pytest.mark.parametrize("options", [{"frozen": True, "slots": False}, {"frozen": False, "slots": True}])
def test_only_frozen_records_with_slots_are_made(options):
    """Whatever else dataclasses can do is refused."""
    with pytest.raises(TypeError, match="frozen"):
        record.dataclass(**options)


def test_inheritance_is_refused():
    """A class that inherits, or has a variable of the class, is not made half right."""
    with pytest.raises(TypeError, match="inherits"):

        @record.dataclass(frozen=True, slots=True)
        class Child(Sent):
            more: int = 0

    with pytest.raises(TypeError, match="variable of the class"):

        @record.dataclass(frozen=True, slots=True)
        class Shared:
            count: ClassVar[int] = 0  # noqa: F821 - the annotation is never evaluated


def test_defining_records_imports_little():
    """Neither dataclasses nor inspect, which cost more than the verifier itself, are imported along."""
    program = "import sys, station.core.record; print(sorted({'dataclasses', 'inspect'} & sys.modules.keys()))"
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {program}"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"
