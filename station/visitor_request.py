"""gate-station visitor-key: makes the station's own key, and says how the office comes to sign a delegation for it."""

from __future__ import annotations

import io
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station import visitor_key
from station.config import Config
from station.visitor_key import FILE, VisitorKeyError

NEXT = """\
This is what station {station} asks the office for: the right to sign visitors' passes for its own gate, for a day.
Next:
  1. The office signs it with a key that may issue passes of class visitor. One line, in single quotes:
       gate-central keys delegate '{request}' --key NAME --zone {zone} --office DIR
  2. The delegation comes to the station over the network:
       gate-central documents publish --office DIR
     or as a file: copy DIR/documents/delegation-{station}.cose into {documents},
     and restart the station.
  3. Guards issue passes at the screen ("访客 Visitor") until it ends. The office signs the same request again each day.
The private key stays here, in {path}, readable by the station alone. Never copy it."""
REPLACED = "The key before it is gone: passes it signed are refused once a delegation for the new one is in force.\n"


def new(config: Config) -> str:
    """Make a new key and return what to tell the technician. Raises VisitorKeyError."""
    state = config.paths.state
    path = state / FILE
    try:
        replaced = path.exists()
        key = visitor_key.create(state)
        _hand_over(path, state)
    except OSError as error:
        raise VisitorKeyError(f"{path}: cannot be written ({error}); run the command as root on the station") from error
    return _tell(config, key, REPLACED if replaced else "")


def show(config: Config) -> str:
    """Return the same for the key that is there. Raises VisitorKeyError."""
    return _tell(config, visitor_key.load(config.paths.state), "")


def _hand_over(path: Path, state: Path) -> None:
    """Give what root made to the service that must read it: the owner of the folder."""
    if os.geteuid() == 0:
        owner = state.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _tell(config: Config, key: Ed25519PrivateKey, note: str) -> str:
    request = visitor_key.request(config.station.id, key)
    words = NEXT.format(
        station=config.station.id,
        request=request,
        zone=config.station.zone,
        documents=config.paths.documents,
        path=config.paths.state / FILE,
    )
    return f"{request}\n\n{_drawn(request)}\n{note}{words}"


def _drawn(request: str) -> str:
    """Return the request as a QR code for a terminal, two modules to a character."""
    import segno  # noqa: PLC0415 - safe-outputs, a command beside this one, must not wait for it

    out = io.StringIO()
    segno.make_qr(request, error="M").terminal(out, compact=True)
    return out.getvalue()
