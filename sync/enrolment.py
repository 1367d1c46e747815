"""gate-sync enrol: how a new station gets its identity with a one-time code.

Nothing that the endpoint says is believed, and the secret is not sent, before the certificate authority and the root
set match the fingerprints in the code. The private key is made here and never leaves.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sync import enrolment_code
from sync import enrolment_wire as wire
from sync.config import StationConfig
from sync.enrolment_client import Endpoint, EndpointError
from sync.enrolment_code import Code
from sync.identity import Identity, IdentityFolder, Where, common_name, signing_request

EXAMPLE_ROOTS = {hashlib.sha256(f"gate-station example root {number}".encode()).hexdigest() for number in (1, 2, 3)}
"""What stands in station.toml before anybody has written the real ones."""
SKEW_S = 300.0
_ROOTS_LINE = re.compile(r"^roots\s*=\s*\[[^\]]*\]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What came of it. `clock_off_s`: by how much this machine's clock is behind central's, seconds."""

    identity: Identity
    clock_off_s: float


def enrol(station: StationConfig, folder: IdentityFolder, code: Code, url: str, now_s: float) -> Enrolled:
    """Make a key, get its certificate and put both into use. `now_s`: this machine's clock, Unix seconds.

    Cut off at any point, it can be run again with the same code. Raises EndpointError, RefusedError, IdentityError.
    """
    endpoint = Endpoint.parse(url)
    authority, roots = _anchor(endpoint.unverified(), code, url)
    with folder.locked():
        key = folder.next_key()
        request = signing_request(key).public_bytes(Encoding.PEM).decode()
        asked = wire.Enrol(secret=code.secret.hex(), csr=request, station=station.id, zone=station.zone)
        granted = endpoint.ask(authority, wire.ENROL, asked, wire.Granted, time_to_trust(code, now_s))
        certificate = read_certificate(granted, url)
        if common_name(certificate) != station.id:
            raise EndpointError(f"{url}: the certificate is for {common_name(certificate)!r}, this is {station.id}")
        identity = Identity(key, certificate, authority, roots, Where(url, granted.zone))
        folder.adopt(identity)
    return Enrolled(identity, granted.time_s - now_s)


def time_to_trust(code: Code, now_s: float) -> float:
    """Return the time to judge certificates by, Unix seconds: the clock's, unless it contradicts the code's day."""
    plausible = code.made_s - SKEW_S <= now_s <= code.made_s + enrolment_code.VALID_S + SKEW_S
    return now_s if plausible else float(code.made_s)


def read_certificate(granted: wire.Granted, url: str) -> x509.Certificate:
    """Return the certificate in an answer. Raises EndpointError."""
    try:
        return x509.load_pem_x509_certificate(granted.certificate.encode())
    except ValueError as error:
        raise EndpointError(f"{url}: the certificate in the answer cannot be read ({error})") from error


def _anchor(anchor: wire.Anchor, code: Code, url: str) -> tuple[x509.Certificate, tuple[bytes, ...]]:
    try:
        authority = x509.load_pem_x509_certificate(anchor.ca.encode())
    except ValueError as error:
        raise EndpointError(f"{url}: its authority cannot be read ({error})") from error
    roots = tuple(bytes.fromhex(key) for key in anchor.roots)
    for what, found, wanted in (
        (
            "certificate authority",
            enrolment_code.authority_fingerprint(authority.public_bytes(Encoding.DER)),
            code.authority,
        ),
        ("root set", enrolment_code.roots_fingerprint(roots), code.roots),
    ):
        if found != wanted:
            raise EndpointError(
                f"{url}: its {what} is not the one of this code; the address or the code is another central's, or "
                "somebody stands in between. Nothing was sent and nothing is changed; ask the office"
            )
    return authority, roots


# --- the station's own configuration ---------------------------------------------------------------------------------


def with_roots(text: str, roots: tuple[bytes, ...]) -> str | None:
    """Return station.toml with these roots in place of the examples; None where they stand there already.

    Raises ValueError, saying what to do, where others stand there: they are not replaced by a program.
    """
    wanted = [key.hex() for key in roots]
    found = tomllib.loads(text).get("trust", {}).get("roots")
    if found == wanted:
        return None
    lines = "\n".join(f'    "{key}",' for key in wanted)
    if not found or not set(found) <= EXAMPLE_ROOTS or len(_ROOTS_LINE.findall(text)) != 1:
        raise ValueError(f"write these three lines into [trust] roots yourself, they match the code:\n{lines}")
    changed = _ROOTS_LINE.sub(f"roots = [\n{lines}\n]", text)
    before, after = tomllib.loads(text), tomllib.loads(changed)
    before["trust"]["roots"] = wanted
    if before != after:  # pragma: no cover - the one array was replaced and nothing else
        raise ValueError(f"write these three lines into [trust] roots yourself:\n{lines}")
    return changed


def put_roots(path: Path, roots: tuple[bytes, ...]) -> str:
    """Write the roots into station.toml as a whole file; return what to say. Raises ValueError, OSError."""
    changed = with_roots(path.read_text(encoding="utf-8"), roots)
    if changed is None:
        return f"{path}: [trust] roots are these already"
    status = path.stat()
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(changed)
        os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, status.st_mode & 0o777)
        file.flush()
        os.fsync(descriptor)
    beside.rename(path)
    return f"{path}: [trust] roots written; they match the code"


@contextmanager
def as_owner_of(folder: Path) -> Iterator[None]:
    """As root: do something as the user to whom `folder` belongs, so that files are theirs and less can go wrong."""
    status = folder.stat()
    if os.geteuid() != 0 or status.st_uid == 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(status.st_gid)
    os.seteuid(status.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        with contextlib.suppress(OSError):
            os.setgroups(groups)
