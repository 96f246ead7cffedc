-- Moments are microseconds since 1970-01-01 UTC. Columns that end in _json hold what routerd/store/stored_json.py writes.
-- Numbers of messages, copies and conversations are given by the writer and never used twice.

CREATE TABLE messages (
  number            INTEGER PRIMARY KEY,
  queue_id          TEXT NOT NULL,
  received_at       INTEGER NOT NULL,
  sender            TEXT NOT NULL,              -- MAIL FROM; '' is the null sender
  to_return_path    INTEGER NOT NULL,
  envelope_json     TEXT NOT NULL,
  size_bytes        INTEGER NOT NULL,
  message_id        TEXT,
  content_hash      BLOB NOT NULL,
  twin_of           INTEGER,                    -- the message that it joined
  conversation      INTEGER NOT NULL,           -- no foreign key: it would need an index, for deletes only
  decisions_json    TEXT NOT NULL,
  plan_json         TEXT NOT NULL,
  annotation_json   TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX messages_by_queue_id ON messages (queue_id);
CREATE INDEX messages_by_message_id ON messages (message_id) WHERE message_id IS NOT NULL;

-- The bytes as received, apart from their message, which outlives them. NULL: they are in the file bodies/xx/QUEUEID.
CREATE TABLE bodies (
  message           INTEGER PRIMARY KEY REFERENCES messages,
  bytes             BLOB
) STRICT;

CREATE TABLE copies (
  number            INTEGER PRIMARY KEY,
  message           INTEGER NOT NULL REFERENCES messages,
  suffix            INTEGER NOT NULL,           -- the N of QUEUEID-N
  member            TEXT NOT NULL,
  mailbox           TEXT NOT NULL,
  destination       TEXT NOT NULL,
  role              TEXT NOT NULL,
  team              TEXT,
  state             TEXT NOT NULL,
  attempts          INTEGER NOT NULL,
  created_at        INTEGER NOT NULL,
  next_attempt_at   INTEGER,                    -- of the queued
  finished_at       INTEGER,                    -- NULL: queued or held
  reason            TEXT NOT NULL,
  annotation_json   TEXT                        -- NULL: the message's
) STRICT;

CREATE UNIQUE INDEX copies_by_message ON copies (message, suffix);
CREATE INDEX copies_open ON copies (state, destination, next_attempt_at) WHERE finished_at IS NULL;

CREATE TABLE events (
  message           INTEGER NOT NULL REFERENCES messages,
  number            INTEGER NOT NULL,           -- counts from 1 in each message
  at                INTEGER NOT NULL,
  kind              TEXT NOT NULL,
  data_json         TEXT NOT NULL,
  PRIMARY KEY (message, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE conversations (
  number            INTEGER PRIMARY KEY,
  inbox             TEXT NOT NULL,
  owner             TEXT NOT NULL,
  team              TEXT,
  version           INTEGER NOT NULL,
  participants_json TEXT NOT NULL,
  began_at          INTEGER NOT NULL,           -- of its first message
  last_at           INTEGER NOT NULL            -- of its latest message
) STRICT;

CREATE TABLE turns (
  team              TEXT PRIMARY KEY,
  member            TEXT NOT NULL               -- who had the last turn
) STRICT, WITHOUT ROWID;

CREATE TABLE loads (
  member            TEXT NOT NULL,
  minute            INTEGER NOT NULL,           -- since 1970-01-01 UTC
  messages          INTEGER NOT NULL,           -- assigned to the member in that minute
  PRIMARY KEY (member, minute)
) STRICT, WITHOUT ROWID;

CREATE TABLE rulesets (
  number            INTEGER PRIMARY KEY CHECK (number = 1),  -- only the last good one
  revision          TEXT NOT NULL,
  saved_at          INTEGER NOT NULL,
  files_json        BLOB NOT NULL               -- path → base64
) STRICT;

CREATE TABLE secrets (
  purpose           TEXT PRIMARY KEY,
  key               BLOB NOT NULL
) STRICT, WITHOUT ROWID;
