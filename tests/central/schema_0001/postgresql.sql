-- The tables of version 0001, as `gate-central serve` created them before there were migrations.

CREATE TABLE document (
    type VARCHAR(20) NOT NULL,
    scope VARCHAR(12) NOT NULL,
    chunk VARCHAR(80) NOT NULL,
    seq BIGINT NOT NULL,
    raw BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    stored_us BIGINT NOT NULL,
    published_us BIGINT,
    withdrawn BOOLEAN NOT NULL,
    PRIMARY KEY (type, scope, chunk)
);

CREATE TABLE meta (
    key VARCHAR(40) NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (key)
);

CREATE TABLE rejected (
    station VARCHAR(40) NOT NULL,
    code VARCHAR(40) NOT NULL,
    count BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (station, code)
);

CREATE TABLE station (
    id VARCHAR(40) NOT NULL,
    first_seen_us BIGINT NOT NULL,
    last_seen_us BIGINT NOT NULL,
    state VARCHAR(10) NOT NULL,
    tele TEXT NOT NULL,
    hello TEXT NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE stream (
    id SERIAL NOT NULL,
    station VARCHAR(40) NOT NULL,
    epoch BIGINT NOT NULL,
    first_seen_us BIGINT NOT NULL,
    forked_us BIGINT,
    PRIMARY KEY (id),
    UNIQUE (station, epoch),
    FOREIGN KEY(station) REFERENCES station (id)
);

CREATE TABLE event (
    stream INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    wall_us BIGINT,
    kind VARCHAR(40),
    lane VARCHAR(200),
    outcome VARCHAR(200),
    reason VARCHAR(200),
    rule VARCHAR(200),
    cti VARCHAR(200),
    raw BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (stream, seq),
    FOREIGN KEY(stream) REFERENCES stream (id)
);

CREATE INDEX event_by_time ON event (wall_us);

CREATE TABLE held (
    stream INTEGER NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    prev_hash BYTEA NOT NULL,
    last_hash BYTEA NOT NULL,
    PRIMARY KEY (stream, first),
    CHECK (first >= 1 AND last >= first),
    FOREIGN KEY(stream) REFERENCES stream (id)
);

CREATE TABLE lost_range (
    stream INTEGER NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    noted_us BIGINT NOT NULL,
    PRIMARY KEY (stream, first),
    FOREIGN KEY(stream) REFERENCES stream (id)
);

CREATE TABLE passage (
    stream INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    person INTEGER NOT NULL,
    station VARCHAR(40) NOT NULL,
    wall_us BIGINT NOT NULL,
    cti BYTEA NOT NULL,
    household BYTEA,
    direction VARCHAR(3) NOT NULL,
    PRIMARY KEY (stream, seq, person),
    FOREIGN KEY(stream) REFERENCES stream (id)
);

CREATE INDEX passage_by_station ON passage (station, wall_us);
