"""The tables of the embedded store, and the way from each released form of them to the newest.

`PRAGMA user_version` counts the migrations that a database has been through; one from the future is refused. What a
write touches each time (heads) is apart from what is written once (networks), and the bytes (contents) are apart from
what is looked through for retention (snapshots), so that a step rewrites few pages.
"""

from __future__ import annotations

from typing import Final

import apsw

from service.errors import StorageUnavailable

__all__ = ["APPLICATION_ID", "MIGRATIONS", "migrate"]

APPLICATION_ID: Final = 0x47725764  # "GrWd"

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE networks (
        ordinal     INTEGER PRIMARY KEY AUTOINCREMENT,   -- order of creation, never used twice
        id          TEXT NOT NULL UNIQUE,
        name        TEXT,
        spec        TEXT NOT NULL,                       -- JSON
        created_at  TEXT NOT NULL
    ) STRICT;
    CREATE TABLE heads (
        network     INTEGER PRIMARY KEY REFERENCES networks (ordinal),
        version     INTEGER NOT NULL,                    -- the current one
        updated_at  TEXT NOT NULL
    ) STRICT;
    CREATE TABLE versions (                              -- all that ever were
        network     INTEGER NOT NULL REFERENCES networks (ordinal),
        version     INTEGER NOT NULL,
        made_by     TEXT NOT NULL,
        created_at  TEXT NOT NULL,
        summary     TEXT NOT NULL,                       -- JSON
        PRIMARY KEY (network, version)                   -- one winner for a version
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE contents (
        id          INTEGER PRIMARY KEY,
        bytes       BLOB NOT NULL
    ) STRICT;
    CREATE TABLE snapshots (                             -- versions whose numbers can be read
        network     INTEGER NOT NULL,
        version     INTEGER NOT NULL,
        nbytes      INTEGER NOT NULL,
        digest      BLOB NOT NULL CHECK (length(digest) = 16),
        content     INTEGER REFERENCES contents (id),    -- the bytes here,
        slot        INTEGER,                             -- or in this slot file
        PRIMARY KEY (network, version),
        FOREIGN KEY (network, version) REFERENCES versions (network, version),
        CHECK ((content IS NULL) <> (slot IS NULL))
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX one_snapshot_a_slot ON snapshots (slot) WHERE slot IS NOT NULL;
    CREATE TABLE receipts (
        scope       TEXT NOT NULL,                       -- a network's id, or 'networks'
        key         TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        status      INTEGER NOT NULL,
        version     INTEGER NOT NULL,
        body        TEXT NOT NULL,                       -- JSON
        created_at  TEXT NOT NULL,
        PRIMARY KEY (scope, key)                         -- a key is applied once
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE probes (id INTEGER PRIMARY KEY CHECK (id = 1), count INTEGER NOT NULL) STRICT;
    INSERT INTO probes VALUES (1, 0);
    """,
    """
    CREATE TABLE checkpoints (
        id          INTEGER PRIMARY KEY,                 -- order of naming
        network     INTEGER NOT NULL REFERENCES networks (ordinal),
        name        TEXT NOT NULL,
        version     INTEGER NOT NULL,
        created_at  TEXT NOT NULL,
        UNIQUE (network, name),
        FOREIGN KEY (network, version) REFERENCES snapshots (network, version)  -- its numbers are kept
    ) STRICT;
    CREATE INDEX checkpoints_of_a_version ON checkpoints (network, version);
    CREATE INDEX receipts_by_age ON receipts (scope, created_at);
    """,
    """
    ALTER TABLE networks ADD COLUMN owner TEXT NOT NULL DEFAULT '';  -- whose keys see it; empty: whoever has no key
    CREATE INDEX networks_by_owner ON networks (owner, ordinal);
    """,
    """
    CREATE TABLE jobs (
        ordinal     INTEGER PRIMARY KEY AUTOINCREMENT,   -- order of creation, never used twice
        id          TEXT NOT NULL UNIQUE,
        kind        TEXT NOT NULL,
        network     TEXT NOT NULL,                       -- the id of one that may have gone since
        owner       TEXT NOT NULL,
        created_at  TEXT NOT NULL,
        request     TEXT NOT NULL,                       -- JSON: conditions and media types
        key         TEXT,
        fingerprint TEXT NOT NULL,
        status      TEXT NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
        attempts    INTEGER NOT NULL,
        progress    TEXT,                                -- JSON
        started_at  TEXT,
        finished_at TEXT,
        outcome     TEXT                                 -- JSON
    ) STRICT;
    CREATE UNIQUE INDEX one_job_a_key ON jobs (network, key) WHERE key IS NOT NULL;
    CREATE INDEX jobs_by_network ON jobs (network, ordinal);
    CREATE INDEX jobs_by_status ON jobs (status, ordinal);
    CREATE INDEX jobs_by_owner ON jobs (owner, ordinal);
    CREATE TABLE job_parts (                             -- 0: the body of the request, 1: the result
        job         INTEGER NOT NULL REFERENCES jobs (ordinal),
        part        INTEGER NOT NULL CHECK (part IN (0, 1)),
        nbytes      INTEGER NOT NULL,
        digest      BLOB NOT NULL CHECK (length(digest) = 16),
        slot        INTEGER,                             -- in this slot file,
        bytes       BLOB,                                -- or here
        CHECK ((bytes IS NULL) <> (slot IS NULL))
    ) STRICT;
    CREATE UNIQUE INDEX job_parts_by_size ON job_parts (part, job, nbytes, slot);
    CREATE TABLE job_events (
        job         INTEGER NOT NULL REFERENCES jobs (ordinal),
        number      INTEGER NOT NULL,
        name        TEXT NOT NULL,
        data        TEXT NOT NULL,                       -- JSON
        PRIMARY KEY (job, number)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE INDEX jobs_by_end ON jobs (finished_at, ordinal) WHERE finished_at IS NOT NULL;
    """,
    """
    -- 1: the bytes are the step that makes the version out of the one before; such versions go together with it
    ALTER TABLE snapshots ADD COLUMN recorded INTEGER NOT NULL DEFAULT 0 CHECK (recorded IN (0, 1));
    -- versions without a name before this one are gone, though steps that are kept may start from their numbers
    ALTER TABLE heads ADD COLUMN kept_from INTEGER NOT NULL DEFAULT 0;
    """,
    """
    CREATE TABLE journal (
        id          INTEGER PRIMARY KEY CHECK (id = 1),
        epoch       INTEGER NOT NULL,                    -- of the frames that count; 0: there are none
        number      INTEGER NOT NULL,                    -- of the last one whose commits are in rows
        runs        TEXT NOT NULL                        -- JSON: [first page, how many] of each place where the next may be
    ) STRICT;
    INSERT INTO journal VALUES (1, 0, 0, '[]');
    """,
)


def migrate(connection: apsw.Connection) -> None:
    """Bring an empty or older database to the newest form, one transaction for each step.

    Raises:
        StorageUnavailable: it is another program's, or was written by a newer release.
    """
    version = int(connection.pragma("user_version"))
    owner = int(connection.pragma("application_id"))
    empty = version == 0 and owner == 0 and not connection.execute("SELECT count(*) FROM sqlite_schema").get
    if not empty and owner != APPLICATION_ID:
        raise StorageUnavailable(f"{connection.filename} is not a store of this service")
    if version > len(MIGRATIONS):
        raise StorageUnavailable(
            f"{connection.filename} was written by a newer release (form {version}, known here up to {len(MIGRATIONS)})"
        )
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        with connection:
            connection.execute(script)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number}")
