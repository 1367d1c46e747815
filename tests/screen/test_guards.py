"""The guards file: only private files count, PINs are checked against scrypt, changes replace the file as a whole."""

import contextlib
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station import guards
from station.guards import Entered, GuardsError

NAME, PIN = "g07", "402716"


def test_added_guard_is_verified(guards_path):
    """The right PIN of the right guard verifies; another PIN, another name and odd input do not."""
    known = guards.load(guards_path)
    assert guards.verify(known, NAME, PIN)
    assert not guards.verify(known, NAME, "402717")
    assert not guards.verify(known, "g08", PIN)
    assert not guards.verify(known, NAME, "")
    assert not guards.verify(known, NAME, "\ud800")


def test_pin_is_not_in_the_file(guards_path):
    """The file holds a salted scrypt hash and not the PIN."""
    text = guards_path.read_text()
    assert PIN not in text
    assert 'pin = "scrypt$32768$8$1$' in text


def test_second_guard_and_new_pin(guards_path):
    """Adding keeps the others; adding again replaces the PIN; removing takes one away."""
    guards.add(guards_path, "g08", "918273")
    guards.add(guards_path, NAME, "550172")
    known = guards.load(guards_path)
    assert sorted(known) == [NAME, "g08"]
    assert guards.verify(known, NAME, "550172")
    assert not guards.verify(known, NAME, PIN)
    guards.remove(guards_path, NAME)
    assert sorted(guards.load(guards_path)) == ["g08"]
    with pytest.raises(GuardsError, match="no guard 'g07'"):
        guards.remove(guards_path, NAME)


def test_the_duress_pin_is_a_second_one(guards_path):
    """It is told from the first by one hash, stays when the first changes, and can be taken away."""
    guards.set_duress(guards_path, NAME, "918275")
    known = guards.load(guards_path)
    assert guards.verify(known, NAME, PIN) is Entered.OWN
    assert guards.verify(known, NAME, "918275") is Entered.DURESS
    assert guards.verify(known, NAME, "918276") is Entered.WRONG
    assert guards.verify(known, "g08", "918275") is Entered.WRONG
    assert known[NAME].pin.split("$")[:5] == known[NAME].duress.split("$")[:5]
    guards.add(guards_path, NAME, "550172")
    known = guards.load(guards_path)
    assert [guards.verify(known, NAME, pin) for pin in ("550172", "918275", PIN)] == [1, 2, 0]
    guards.set_duress(guards_path, NAME, "")
    assert guards.verify(guards.load(guards_path), NAME, "918275") is Entered.WRONG


def test_each_pin_costs_one_hash(guards_path, monkeypatch):
    """Own, duress and wrong PIN, and an unknown name, take one computation each: time tells nothing."""
    guards.set_duress(guards_path, NAME, "918275")
    known, counted, scrypt = guards.load(guards_path), [], guards.hashlib.scrypt
    monkeypatch.setattr(guards.hashlib, "scrypt", lambda *args, **how: counted.append(how["n"]) or scrypt(*args, **how))
    for name, pin in ((NAME, PIN), (NAME, "918275"), (NAME, "111222"), ("g08", PIN)):
        guards.verify(known, name, pin)
    assert counted == [guards.COST] * 4


def test_the_two_pins_differ(guards_path):
    """Neither may be set to the other; nobody who is not in the file gets one; the rules for PINs hold."""
    with pytest.raises(GuardsError, match="must be another"):
        guards.set_duress(guards_path, NAME, PIN)
    with pytest.raises(GuardsError, match="no guard 'g08'"):
        guards.set_duress(guards_path, "g08", "918275")
    with pytest.raises(GuardsError, match="6 to 12 digits"):
        guards.set_duress(guards_path, NAME, "12")
    guards.set_duress(guards_path, NAME, "918275")
    with pytest.raises(GuardsError, match="duress PIN"):
        guards.add(guards_path, NAME, "918275")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400, 0o440])
def test_private_modes_are_read(guards_path, mode):
    """Files that only owner, or owner and group, can read are accepted."""
    guards_path.chmod(mode)
    assert NAME in guards.load(guards_path)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o666, 0o602, 0o750])
def test_open_modes_are_refused(guards_path, mode):
    """A file that others can read, or the group change, is refused with the command that repairs it."""
    guards_path.chmod(mode)
    with pytest.raises(GuardsError, match=rf"{mode:04o}.*chmod 0640"):
        guards.load(guards_path)


def test_writing_keeps_the_mode_and_leaves_nothing_behind(guards_path):
    """The replaced file has the mode it had, a new one 0640; no temporary file remains."""
    guards_path.chmod(0o600)
    guards.add(guards_path, "g08", "918273")
    assert stat.S_IMODE(guards_path.stat().st_mode) == 0o600
    fresh = guards_path.with_name("fresh.toml")
    guards.add(fresh, "g08", "918273")
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o640
    assert sorted(one.name for one in guards_path.parent.iterdir()) == ["fresh.toml", "guards.toml"]


def test_failed_write_keeps_the_old_file(guards_path, monkeypatch):
    """When the new file cannot be completed, the old one is untouched and the temporary one gone."""
    before = guards_path.read_bytes()

    def broken(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(guards.os, "fsync", broken)
    with pytest.raises(GuardsError, match="No space left"):
        guards.add(guards_path, "g08", "918273")
    assert guards_path.read_bytes() == before
    assert [one.name for one in guards_path.parent.iterdir()] == ["guards.toml"]


@pytest.mark.parametrize(
    "pin",
    [
        "123456",
        "000000",
        "654321",
        "890123",
        "135791",
        "123123",
        "121212",
        "12341234",
        "12345",
        "1" * 13,
        "12345a",
        "４０２７１６",
        "",
    ],
)
def test_trivial_pins_are_refused(pin):
    """Runs, repetitions, wrong lengths and anything but ASCII digits are no PINs."""
    assert guards.pin_problem(pin)


@pytest.mark.parametrize("pin", ["402716", "918273", "140689274413"])
def test_usual_pins_are_accepted(pin):
    """Digits without a pattern are fine."""
    assert guards.pin_problem(pin) == ""


@pytest.mark.parametrize("name", ["", "G07", "王", "a b", 'x"\n[evil]', "a" * 41])
def test_names_that_do_not_fit_are_refused(guards_path, name):
    """Names are identifiers; nothing can be smuggled into the TOML."""
    with pytest.raises(GuardsError, match="is no name for a guard"):
        guards.add(guards_path, name, "918273")


@pytest.mark.parametrize(
    "text",
    [
        "guard = 1",
        "[other]\nx=1",
        "[[guard]]\nname='a'",
        "[[guard]]\nname='a'\npin='402716'",
        "[[guard]]\nname='A'\npin='scrypt$32768$8$1$0011223344556677$" + "00" * 32 + "'",
        "[[guard]]\nname='a'\npin='scrypt$3000000$8$1$0011223344556677$" + "00" * 32 + "'",
        "[[guard]]\nname='a'\npin='scrypt$9999$8$1$0011223344556677$" + "00" * 32 + "'",
        "[[guard]]\nname='a'\npin='scrypt$32768$0$1$0011223344556677$" + "00" * 32 + "'",
        "nonsense",
    ],
)
def test_malformed_files_are_refused(guards_path, text):
    """Anything but well-formed [[guard]] tables is refused with the file's name, never a crash."""
    guards_path.write_text(text)
    with pytest.raises(GuardsError, match=r"guards\.toml"):
        guards.load(guards_path)


@given(st.binary(max_size=200))
def test_any_bytes_load_or_are_refused(tmp_path_factory, content):
    """No content of the file leads to another exception than GuardsError."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with contextlib.suppress(GuardsError):
        assert guards.load(path) == {}


def test_absent_file_says_how_to_begin(tmp_path):
    """Without a file the message names the command that makes one."""
    with pytest.raises(GuardsError, match="gate-station guard add"):
        guards.load(tmp_path / "none.toml")
