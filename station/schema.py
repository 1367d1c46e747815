"""The two database files in which gate-station and gate-sync meet. Each has exactly one writer.

`journal.db` is written by gate-station and read by gate-sync; `sync.db` the other way round.
"""

from __future__ import annotations

JOURNAL_SCHEMA = 2
"""2: passage, live_used, forgiven. Older files are brought up when they are opened."""
SYNC_SCHEMA = 1

JOURNAL_DDL = """
CREATE TABLE IF NOT EXISTS stream (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL,            -- random 63-bit value, minted with the file; (station, epoch) names the stream
    created_us INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY,           -- 1, 2, 3 ... without gaps, allocated in the transaction that writes the row
    raw BLOB NOT NULL,                 -- station.core.events.encode
    hash BLOB NOT NULL                 -- SHA-256(previous hash || raw)
);
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
"""

SYNC_DDL = """
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
CREATE TABLE IF NOT EXISTS link (       -- one row: the state of the connection, for the guard screen
    id INTEGER PRIMARY KEY CHECK (id = 1),
    connected INTEGER NOT NULL,
    since_us INTEGER NOT NULL,
    last_error TEXT NOT NULL
);
"""

RING_SOCKET = "ring.sock"
"""Unix datagram socket in the run directory. An empty datagram says "look at the database"; a poll is the fallback."""
