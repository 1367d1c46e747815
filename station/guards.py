"""The guards who may operate the station: names and scrypt hashes of their PINs in one small TOML file.

    [[guard]]
    name = "g07"
    pin = "scrypt$32768$8$1$SALT$HASH"
    duress = "scrypt$32768$8$1$SALT$HASH"

SALT and HASH are hexadecimal (RFC 7914, hashlib.scrypt). A six digit PIN can be guessed by whoever can read its hash,
so a file that others may read, or the group may change, is refused. `duress` is optional: a second PIN that opens
everything just the same and calls for help. It has the SALT of the first, so that one hash tells which was entered,
and nobody can tell by the time it takes.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import os
import re
import secrets
import stat
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path

COST, BLOCK, LANES = 1 << 15, 8, 1
"""scrypt n, r, p: 32 MiB, about 0.1 s on a desktop and 0.4 s on a Raspberry Pi 4."""
SALT_BYTES, HASH_BYTES = 16, 32
MAX_MEMORY = 256 << 20
NAME = re.compile(r"[a-z0-9-]{1,40}")
PIN = re.compile(r"[0-9]{6,12}")
_HASH = re.compile(r"scrypt\$([0-9]{1,7})\$([0-9]{1,2})\$([0-9]{1,2})\$([0-9a-f]{16,128})\$([0-9a-f]{32,128})")
_NOBODY = f"scrypt${COST}${BLOCK}${LANES}${'00' * SALT_BYTES}${'00' * HASH_BYTES}"
_FORBIDDEN_MODE = 0o137


class GuardsError(ValueError):
    """The guards file, a name or a PIN cannot be used. The message says what to do next."""


class Entered(IntEnum):
    """What an entered PIN is; false where it is wrong."""

    WRONG = 0
    OWN = 1
    DURESS = 2


@dataclass(frozen=True, slots=True)
class Guard:
    """The hashes of a guard's PINs as the file has them; `duress` is empty where there is no second PIN."""

    pin: str
    duress: str = ""


def load(path: Path) -> dict[str, Guard]:
    """Return each guard by name. Raises GuardsError where the file is absent, too open or wrong."""
    try:
        with path.open("rb") as file:
            _require_private(path, os.fstat(file.fileno()))
            table = tomllib.load(file)
    except FileNotFoundError as error:
        msg = f"{path}: no guard can sign in; add one with gate-station guard add NAME"
        raise GuardsError(msg) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise GuardsError(f"{path}: cannot be read ({error}); restore it or add the guards again") from error
    return _guards_of(table, path)


class Standing:
    """The guards as the file has them now, read again only where it changed. For one thread."""

    def __init__(self, path: Path) -> None:
        """`path`: the guards file."""
        self._path = path
        self._stamp: tuple[int, ...] | None = None
        self._guards: Mapping[str, Guard] = {}

    def now(self) -> Mapping[str, Guard]:
        """Return each guard by name. Raises GuardsError like `load`."""
        stamp = _stamp(self._path)  # taken before reading: what changes in between is found the next time
        if stamp is None or stamp != self._stamp:
            self._guards, self._stamp = load(self._path), stamp
        return self._guards


def verify(guards: Mapping[str, Guard], name: str, pin: str) -> Entered:
    """Return which of the guard's PINs `pin` is. Takes the same time for each, and for a name not in the file."""
    guard = guards.get(name)
    stored = guard or Guard(_NOBODY)
    found = _hash_like(stored.pin, pin)
    own, duress = (hmac.compare_digest(found, one) for one in (stored.pin, stored.duress or _NOBODY))
    if guard is None or not (own or duress):
        return Entered.WRONG
    return Entered.OWN if own else Entered.DURESS


def add(path: Path, name: str, pin: str) -> None:
    """Add a guard or give one a new PIN; a duress PIN stays. The file is replaced as a whole. Raises GuardsError."""
    if not NAME.fullmatch(name):
        raise GuardsError(
            f"{name!r} is no name for a guard: use 1 to 40 small letters, digits and hyphens, such as g07"
        )
    if problem := pin_problem(pin):
        raise GuardsError(problem)
    guards = load(path) if path.exists() else {}
    before = guards.get(name)
    if before is None or not before.duress:
        _write(path, guards | {name: Guard(_hash(pin))})
        return
    if _hash_like(before.duress, pin) == before.duress:
        raise GuardsError(f"this is the duress PIN of {name}: choose another")
    _write(path, guards | {name: replace(before, pin=_hash_like(before.duress, pin))})


def set_duress(path: Path, name: str, pin: str) -> None:
    """Give a guard a duress PIN, or take it away where `pin` is empty. Raises GuardsError."""
    guards = load(path)
    if name not in guards:
        raise GuardsError(f"{path}: there is no guard {name!r}; add one with gate-station guard add {name}")
    if pin and (problem := pin_problem(pin)):
        raise GuardsError(problem)
    duress = _hash_like(guards[name].pin, pin) if pin else ""
    if duress == guards[name].pin:
        raise GuardsError(f"this is the PIN of {name}: the duress PIN must be another, and no slip of the finger away")
    _write(path, guards | {name: Guard(guards[name].pin, duress)})


def remove(path: Path, name: str) -> None:
    """Take a guard off the file. Raises GuardsError where there is no such guard."""
    guards = load(path)
    if name not in guards:
        raise GuardsError(f"{path}: there is no guard {name!r}; the file has {', '.join(sorted(guards)) or 'nobody'}")
    del guards[name]
    _write(path, guards)


def pin_problem(pin: str) -> str:
    """Say what is wrong with a PIN; empty where nothing is."""
    if not PIN.fullmatch(pin):
        return "a PIN has 6 to 12 digits and nothing else"
    steps = {(int(b) - int(a)) % 10 for a, b in itertools.pairwise(pin)}
    if len(steps) == 1:
        return "this PIN is the first one to be tried (one step from digit to digit): choose another"
    if any(len(pin) % size == 0 and pin == pin[:size] * (len(pin) // size) for size in (2, 3, 4)):
        return "this PIN repeats itself: choose another"
    return ""


def _hash(pin: str) -> str:
    return _hash_like(f"scrypt${COST}${BLOCK}${LANES}${secrets.token_hex(SALT_BYTES)}${'00' * HASH_BYTES}", pin)


def _hash_like(stored: str, pin: str) -> str:
    """Return the hash of `pin` with the salt, the cost and the length of a stored one (that is `_usable`)."""
    *how, n, r, p, salt, key = stored.split("$")
    raw = hashlib.scrypt(
        pin.encode(errors="replace"),
        salt=bytes.fromhex(salt),
        n=int(n),
        r=int(r),
        p=int(p),
        maxmem=MAX_MEMORY,
        dklen=len(key) // 2,
    )
    return "$".join([*how, n, r, p, salt, raw.hex()])


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return what changes whenever the file is replaced, written or given another mode; None where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def _require_private(path: Path, status: os.stat_result) -> None:
    if (mode := stat.S_IMODE(status.st_mode)) & _FORBIDDEN_MODE:
        raise GuardsError(
            f"{path}: has mode {mode:04o}, so others could read or change the PIN hashes; "
            f"make it 0640 or 0600 (chmod 0640 {path}) and give every guard a new PIN if others could read it"
        )


def _guards_of(table: Mapping[str, object], path: Path) -> dict[str, Guard]:
    rows = table.get("guard", [])
    if set(table) - {"guard"} or not isinstance(rows, list):
        raise GuardsError(f"{path}: only [[guard]] tables with name and pin belong here")
    guards = dict[str, Guard]()
    for number, row in enumerate(rows):
        where = f"{path}: $.guard[{number}]"
        if not isinstance(row, dict) or set(row) - {"duress"} != {"name", "pin"}:
            raise GuardsError(f"{where}: needs name and pin, and may have duress")
        name, pin, duress = row["name"], row["pin"], row.get("duress", "")
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in guards:
            raise GuardsError(f"{where}: name is used twice or not 1 to 40 small letters, digits and hyphens")
        if not isinstance(pin, str) or not _usable(pin):
            raise GuardsError(f"{where}: pin is not scrypt$n$r$p$salt$hash; set it with gate-station guard add {name}")
        if duress and not (isinstance(duress, str) and _usable(duress) and _likeness(duress) == _likeness(pin)):
            raise GuardsError(f"{where}: duress does not go with pin; set it with gate-station guard duress {name}")
        guards[name] = Guard(pin, str(duress))
    return guards


def _likeness(stored: str) -> tuple[str, int]:
    """Return what two hashes must have in common to be told apart by one computation."""
    how, _, key = stored.rpartition("$")
    return how, len(key)


def _usable(stored: str) -> bool:
    """Whether scrypt accepts the numbers and they cannot eat the machine's memory or time."""
    if (matched := _HASH.fullmatch(stored)) is None or any(len(part) % 2 for part in matched.group(4, 5)):
        return False
    n, r, p = (int(part) for part in matched.group(1, 2, 3))
    return n > 1 and n & (n - 1) == 0 and r > 0 and 0 < p <= 4 and 128 * n * r * p <= MAX_MEMORY // 2  # noqa: PLR2004


def _write(path: Path, guards: Mapping[str, Guard]) -> None:
    text = "# Guards and their PIN hashes. Change it with: gate-station guard add NAME\n" + "".join(
        _row(name, guards[name]) for name in sorted(guards)
    )
    try:
        _replace(path, text.encode())
    except OSError as error:
        raise GuardsError(f"{path}: cannot be written ({error}); run the command as root") from error


def _row(name: str, guard: Guard) -> str:
    duress = f'duress = "{guard.duress}"\n' if guard.duress else ""
    return f'\n[[guard]]\nname = "{name}"\npin = "{guard.pin}"\n{duress}'


def _replace(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            _own_like_before(file.fileno(), path)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _own_like_before(handle: int, path: Path) -> None:
    """Keep owner, group and mode, so that the service can still read what root wrote."""
    if path.exists():
        before = path.stat()
        owner, group, mode = before.st_uid, before.st_gid, stat.S_IMODE(before.st_mode)
    else:
        owner, group, mode = -1, path.parent.stat().st_gid, 0o640
    if os.geteuid() == 0:
        os.fchown(handle, owner, group)
    os.fchmod(handle, mode)
