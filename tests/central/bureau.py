"""An office made with its own commands, and a station's half of the documents: journal, inbox, what is in force."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station import config, visitor_key
from station.clock import SystemClock
from station.core.documents import DocumentType
from station.core.model import Status
from station.core.status import CHUNK_BYTES, ENTRIES_PER_CHUNK, write_entry
from station.documents import Documents
from station.inbox import NOTHING, Inbox
from station.journal import Journal
from station.records import open_documents
from station.schema import RING_SOCKET
from sync.central.cli import main
from sync.central.keys import Keyring
from sync.central.status_register import StatusRegister
from tests.sync.lab import STATION, ZONE

POLICY = Path(__file__).parents[2] / "docs" / "how-to" / "policies" / "compound.toml"
KEYS = {
    "passes": ["--role", "pass", "--zone", "3206", "--class", "resident", "--class", "visitor"],
    "visits": ["--role", "pass", "--zone", ZONE, "--class", "visitor"],
    "workers": ["--role", "pass", "--zone", "3206", "--class", "worker"],
    "centre": ["--role", "policy", "--role", "status", "--role", "ack", "--role", "time", "--zone", "3206"],
    "deputy": ["--role", "status", "--zone", "3206"],
    "captain": ["--role", "guard", "--zone", "3206"],
}

STATION_TOML = """
[station]
id = "{station}"
gate = "east"
zone = "{zone}"
site = "garden"
[trust]
roots = [{roots}]
[paths]
state = "{folder}/station"
run = "{folder}/run"
sync_state = "{folder}/sync"
documents = "{folder}/provided"
[[lane]]
id = "in"
direction = "in"
camera = {{ source = "v4l2:/dev/video0" }}
[lane.door]
relay = {{ pin = 17 }}
"""


class Bureau:
    """An office with all kinds of keys and a trust bundle."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.keyring, self.register = folder, Keyring(folder), StatusRegister(folder)
        self.run("keys", "roots")
        self.first_roots = self.keyring.public_roots()
        for name, words in KEYS.items():
            self.run("keys", "issuer", name, *words)
        self.run("keys", "trust")

    def run(self, *words: str) -> None:
        """Run one of the office's commands; it must succeed."""
        assert self.status(*words) == 0, words

    def status(self, *words: str) -> int:
        """Run one of the office's commands and return its exit status."""
        return main([*words, "--office", str(self.folder)])

    def kid(self, name: str) -> bytes:
        """Return a key's id."""
        return self.keyring.key(name).kid

    def document(self, name: str) -> bytes:
        """Return a document's bytes, by the name of its file."""
        return (self.folder / "documents" / f"{name}.cose").read_bytes()

    def fill_list(self, name: str, chunks: int) -> None:
        """Give out every index of so many chunks of an issuer's list; all passes are good."""
        folder = self.folder / "status"
        folder.mkdir(exist_ok=True)
        (folder / f"{self.kid(name).hex()}.bits").write_bytes(bytes(chunks * CHUNK_BYTES))
        (folder / f"{self.kid(name).hex()}.used").write_bytes(b"\xff" * (chunks * ENTRIES_PER_CHUNK // 8))

    def change(self, name: str, changes: Mapping[int, Status]) -> None:
        """Set the status of many passes at once, as so many `status set` would."""
        path = self.folder / "status" / f"{self.kid(name).hex()}.bits"
        bits = bytearray(path.read_bytes())
        for index, status in changes.items():
            write_entry(bits, index, status)
        path.write_bytes(bits)


def random_changes(count: int, chunks: int) -> dict[int, Status]:
    """Return that many changes of status anywhere in a list."""
    changes = dict[int, Status]()
    while len(changes) < count:
        changes[secrets.randbelow(chunks * ENTRIES_PER_CHUNK)] = Status(1 + secrets.randbelow(3))
    return changes


class Post:
    """What a station does with documents: the real journal, inbox and documents, tended by hand."""

    def __init__(self, folder: Path, roots: list[bytes], station: str = STATION) -> None:
        self.folder = folder
        keys = ", ".join(f'"{root.hex()}"' for root in roots)
        text = STATION_TOML.format(station=station, zone=ZONE, folder=folder, roots=keys)
        self.config = config.parse(text, "station.toml")
        (folder / "run").mkdir(parents=True, exist_ok=True)
        self.clock = SystemClock(require_sync=False)
        self._open("boot-1")

    def _open(self, boot: str) -> None:
        self.journal = Journal(self.folder / "station", boot, self.folder / "run" / RING_SOCKET)
        self.inbox = Inbox(self.folder / "sync")
        self.documents: Documents = open_documents(self.config, self.journal, self.inbox, self.clock)
        self._mark = NOTHING

    def restart(self) -> None:
        """Close and open everything, as a restart does."""
        self.close()
        self._open("boot-2")

    def provide(self, *files: Path) -> None:
        """Put documents into the folder that a technician brings."""
        (self.folder / "provided").mkdir(exist_ok=True)
        for file in files:
            shutil.copy(file, self.folder / "provided")

    def tend(self) -> None:
        """Take what has arrived, as the gate thread does once a second."""
        now = self.clock.now()
        for arrival in self.inbox.arrivals(self._mark):
            if arrival.type != "time":
                self.documents.offer(arrival.type, arrival.raw, now, arrival.mark)
            self._mark = arrival.mark
        self.documents.retry(now)

    def holds(self, kind: DocumentType, seq: int) -> bool:
        """Tend, then say whether this document is in force."""
        self.tend()
        held = self.documents.in_force.get(kind)
        return held is not None and held.seq == seq

    def close(self) -> None:
        """Close the files."""
        self.inbox.close()
        self.journal.close()


def visitor_request(folder: Path, station: str = STATION) -> tuple[Ed25519PrivateKey, str]:
    """Return a station's new key and its request, as `gate-station visitor-key new` makes them."""
    folder.mkdir(parents=True, exist_ok=True)
    key = visitor_key.create(folder)
    return key, visitor_key.request(station, key)


def seconds() -> int:
    """Return Unix time."""
    return int(time.time())
