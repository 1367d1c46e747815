"""The two database files in which gate-station and gate-sync meet. Each has exactly one writer.

`journal.db` is written by gate-station and read by gate-sync; `sync.db` the other way round.
"""

from __future__ import annotations

from enum import StrEnum

JOURNAL_SCHEMA = 3
"""2: passage, live_used, forgiven. 3: answer, personal. Older files are brought up when they are opened."""
SYNC_SCHEMA = 1
BOOT_NONCE = "boot-nonce"
"""Key of the table `state`: the 8 bytes that this start has drawn, told in `up/hello`; commands may have to echo it."""
EVICTED = "evicted"
"""Key of the table `state`: which row was evicted last (EVICTED_SEQ bytes, big-endian) and the chain hash after it."""
EVICTED_SEQ = 8
FORMER = "former_"
"""What the table of a stream's events is called after another stream has begun in the same file; its epoch follows."""
QUARANTINE = "journal.db.quarantine-"
"""How the name of a journal begins that was set aside as damaged."""
UPLOADED = ".uploaded"
"""How it ends once central has all that could be read of it."""


class Cause(StrEnum):
    """Why a station is ordered to begin a new stream."""

    FORK = "fork"
    """Central holds other rows under the same numbers."""
    AHEAD = "ahead"
    """Central holds rows that the journal does not have."""
    SHORTER = "shorter"
    """The journal ends before what central has acknowledged."""
    REPLACED = "replaced"
    """The journal's row is not the one that central has acknowledged."""


EVENT_DDL = """
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY,           -- 1, 2, 3 ... without gaps, allocated in the transaction that writes the row
    raw BLOB NOT NULL,                 -- station.core.events.encode
    hash BLOB NOT NULL                 -- SHA-256(previous hash || raw)
);"""
JOURNAL_DDL = f"""
CREATE TABLE IF NOT EXISTS stream (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL,            -- random 63-bit value, minted with the file; (station, epoch) names the stream
    created_us INTEGER NOT NULL
);
{EVENT_DDL}
CREATE TABLE IF NOT EXISTS state (     -- everything else that must survive; changed with the event that changes it
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS document (  -- the documents in force, as received
    type TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    raw BLOB NOT NULL,
    in_force_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunk (     -- the status chunks that the manifest in force names
    hash BLOB PRIMARY KEY,
    raw BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS high_water ( -- highest seq seen per document type and signing key: rollback protection
    type TEXT NOT NULL,
    kid BLOB NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (type, kid)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS passage (    -- who went which way here in the last days: anti-passback and quotas
    id INTEGER PRIMARY KEY,
    cti BLOB NOT NULL,
    household BLOB,
    direction TEXT NOT NULL,
    wall_us INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS live_used (  -- live codes that a grant has consumed
    cti BLOB NOT NULL,
    t INTEGER NOT NULL,
    PRIMARY KEY (cti, t)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forgiven (   -- passes and households whose earlier passages a guard has forgiven
    subject BLOB PRIMARY KEY,
    wall_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS personal (   -- what events know of persons, sealed for central; goes when the event goes
    seq INTEGER PRIMARY KEY,            -- the event, which holds the other part (`sealed`)
    text BLOB NOT NULL                  -- station.core.sealing: the ciphertext
);
CREATE TABLE IF NOT EXISTS answer (     -- answers to the last commands; gate-sync sends them until the broker has them
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    command TEXT NOT NULL,              -- the command's number: 16 hexadecimal digits
    body TEXT NOT NULL                  -- JSON: outcome, reason, verb, counter, detail, arguments
);
"""

SYNC_DDL = """
CREATE TABLE IF NOT EXISTS file (       -- one row: which file this is; the numbers of its rows begin anew with it
    id INTEGER PRIMARY KEY CHECK (id = 1),
    nonce BLOB NOT NULL                 -- random bytes, drawn when the file was made
);
CREATE TABLE IF NOT EXISTS delivered (  -- what central has acknowledged, per stream
    epoch INTEGER PRIMARY KEY,
    prefix INTEGER NOT NULL,            -- highest seq of the verified prefix: up to here rows may be evicted
    head BLOB NOT NULL,                 -- the chain hash at `prefix`
    acked_us INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS inbox (      -- signed documents as received; gate-station verifies them itself
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,                 -- trust, policy, status, status-chunk, status-delta, roots, delegation, time
    hash BLOB NOT NULL,                 -- SHA-256 of raw
    raw BLOB NOT NULL,
    received_us INTEGER NOT NULL,
    UNIQUE (type, hash)
);
CREATE TABLE IF NOT EXISTS peer (       -- signed notices of passages at the site's other gates, kept for eight days
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    raw BLOB NOT NULL,
    received_us INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS command (    -- signed commands as received, the last 64; gate-station verifies them itself
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL,                 -- SHA-256 of raw
    raw BLOB NOT NULL,
    retained INTEGER NOT NULL,          -- 1: the broker had kept it, or was asked to; then it is refused
    received_us INTEGER NOT NULL,
    UNIQUE (hash, retained)
);
CREATE TABLE IF NOT EXISTS link (       -- one row: the state of the connection, for the guard screen
    id INTEGER PRIMARY KEY CHECK (id = 1),
    connected INTEGER NOT NULL,
    since_us INTEGER NOT NULL,
    last_error TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS rehoming (   -- an order to gate-station: begin a new stream, as central holds other rows
    epoch INTEGER PRIMARY KEY,          -- of the stream that cannot go on; of no meaning once the journal has another
    prefix INTEGER NOT NULL,            -- rows up to here are acknowledged and stay behind
    head BLOB NOT NULL,                 -- the chain hash at `prefix`
    cause TEXT NOT NULL,                -- fork, ahead, shorter or replaced
    ordered_us INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS uploaded (   -- streams that have ended and of which central has all that can be read
    name TEXT PRIMARY KEY,              -- the file beside the journal, or the table in it
    epoch INTEGER NOT NULL,
    rows INTEGER NOT NULL,              -- how many central holds
    lost INTEGER NOT NULL,              -- how many could not be read
    note TEXT NOT NULL,                 -- what else is to be said; empty when all is well
    done_us INTEGER NOT NULL
) WITHOUT ROWID;
"""

RING_SOCKET = "ring.sock"
"""Unix datagram socket in the run directory. An empty datagram says "look at the database"; a poll is the fallback."""
