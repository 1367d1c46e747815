"""What Mosquitto needs: mutual TLS only, the certificate's common name as user name and client id, access lists.

A station may write below gs/1/ITS-ID/up and read below gs/1/ITS-ID/dn and the documents, nothing else. A collector
reads what all stations send and writes to them and the documents; its name begins with `central`, a station's never.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

COLLECTOR = re.compile(r"central(-[a-z0-9-]{1,32})?")
"""Names of collectors. No station may be called so: it would inherit a collector's rights."""
MOST_BYTES = 2 << 20
"""Of one packet; above every limit of the protocol."""

CONFIGURATION, ACCESS = "mosquitto.conf", "acl"
AUTHORITY, REVOKED, CERTIFICATE, KEY = "ca.pem", "crl.pem", "broker.pem", "broker.key"


def mosquitto(folder: Path, port: int, bind: str = "") -> str:
    """Return Mosquitto's configuration; the files it names are in `folder`. `bind`: one address; empty: all."""
    return f"""\
# Written by `gate-central broker`. Restart Mosquitto after a change, also of the list of revoked certificates: a reload
# does not read that. A restart loses nothing, since stations keep what central has not acknowledged.
listener {port}{f" {bind}" if bind else ""}
cafile {folder / AUTHORITY}
crlfile {folder / REVOKED}
certfile {folder / CERTIFICATE}
keyfile {folder / KEY}
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
use_username_as_clientid true
allow_anonymous false
acl_file {folder / ACCESS}
set_tcp_nodelay true
allow_duplicate_messages true
max_packet_size {MOST_BYTES}
max_queued_messages 10000
# Each client says itself how many it takes at a time (MQTT 5, receive maximum).
max_inflight_messages 0
# Central publishes all documents anew when it connects: nothing has to be kept on disk.
persistence false
"""


def access(collectors: Sequence[str]) -> str:
    """Return Mosquitto's access list. Raises ValueError for a collector that is not named as one."""
    lines = ["pattern write gs/1/%u/up/#", "pattern read gs/1/%u/dn/#", "pattern read gs/1/doc/#"]
    for name in collectors:
        check_collector(name)
        lines += ["", f"user {name}", "topic read gs/1/+/up/#", "topic write gs/1/+/dn/#", "topic write gs/1/doc/#"]
    return "\n".join(lines) + "\n"


def check_collector(name: str) -> None:
    """Raise ValueError unless a collector may be called so."""
    if not COLLECTOR.fullmatch(name):
        raise ValueError(f"{name!r}: a collector is called central, or central- and small letters, digits, hyphens")


def check_station(name: str) -> None:
    """Raise ValueError unless a station may be called so."""
    if not re.fullmatch(r"[a-z0-9-]{1,40}", name):
        raise ValueError(f"{name!r}: a station's id has 1 to 40 small letters, digits and hyphens")
    if name.startswith("central"):
        raise ValueError(f"{name!r}: ids that begin with central are for collectors; choose another")
