CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE devices (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    alg TEXT,
    public_key TEXT UNIQUE,
    plain_approve INTEGER NOT NULL DEFAULT 0,
    confirm_code TEXT,
    created_at_ms INTEGER NOT NULL,
    last_seen_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
    hash TEXT PRIMARY KEY,
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    expires_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX tokens_of_device ON tokens (device_id);

CREATE TABLE pairing_codes (
    hash TEXT PRIMARY KEY,
    expires_at_ms INTEGER NOT NULL,
    used INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE environments (
    id TEXT PRIMARY KEY,
    device_id TEXT NOT NULL,
    machine_name TEXT NOT NULL,
    directory TEXT NOT NULL,
    branch TEXT,
    max_sessions INTEGER NOT NULL,
    agents TEXT NOT NULL,
    permission_modes TEXT NOT NULL,
    secret_hash TEXT,
    last_seen_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX environments_of_device ON environments (device_id, machine_name, directory);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    titled INTEGER NOT NULL,
    environment_id TEXT NOT NULL,
    directory TEXT,
    agent TEXT,
    model TEXT,
    permission_mode TEXT,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    head_seq INTEGER NOT NULL DEFAULT 0,
    delivered_seq INTEGER NOT NULL DEFAULT 0,
    archived INTEGER NOT NULL DEFAULT 0,
    worker_state TEXT,
    incarnation TEXT
) STRICT;
CREATE INDEX sessions_by_update ON sessions (updated_at_ms DESC, id DESC);

CREATE TABLE events (
    session_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    -- 1 for what a client said to the agent.
    up INTEGER NOT NULL,
    event TEXT NOT NULL,
    UNIQUE (session_id, seq)
) STRICT;
CREATE INDEX events_up ON events (session_id, seq) WHERE up = 1;

-- Idempotency keys of the uplink, kept as long as the log.
CREATE TABLE uplink (
    session_id TEXT NOT NULL,
    uuid TEXT NOT NULL,
    hash TEXT NOT NULL,
    seq INTEGER,
    PRIMARY KEY (session_id, uuid)
) STRICT, WITHOUT ROWID;

CREATE TABLE incarnations (
    session_id TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    content_next_n INTEGER NOT NULL DEFAULT 0,
    control_next_n INTEGER NOT NULL DEFAULT 0,
    ended INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (session_id, incarnation)
) STRICT, WITHOUT ROWID;

CREATE TABLE requests (
    ordinal INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    request_id TEXT NOT NULL,
    state TEXT NOT NULL,
    digest TEXT NOT NULL,
    event TEXT NOT NULL,
    asked_at_ms INTEGER NOT NULL,
    device_id TEXT,
    decided_by TEXT,
    behavior TEXT,
    decision TEXT,
    reason TEXT,
    UNIQUE (session_id, incarnation, request_id)
) STRICT;
CREATE INDEX requests_open ON requests (session_id, ordinal) WHERE state IN ('pending', 'decided', 'delivered');

CREATE TABLE work (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    state TEXT NOT NULL,
    lease_id TEXT,
    lease_until_ms INTEGER NOT NULL DEFAULT 0,
    last_heartbeat TEXT,
    previous_heartbeat TEXT,
    -- Head of the log when the item was taken: what came later and was not delivered needs a new item.
    claimed_head INTEGER NOT NULL DEFAULT 0,
    created_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX work_live ON work (environment_id, created_at_ms) WHERE state <> 'stopped';
-- One live item per session at most: the lease fences who may speak for it.
CREATE UNIQUE INDEX work_of_session ON work (session_id) WHERE state <> 'stopped';
