-- The desk: what messages are in their conversations, what waits for a word, what comes by itself, and the figures.

ALTER TABLE messages ADD COLUMN part TEXT NOT NULL DEFAULT 'customer';
ALTER TABLE messages ADD COLUMN member TEXT;              -- who wrote it, of ours
ALTER TABLE messages ADD COLUMN sent_at INTEGER;          -- of an answer: when it went out
ALTER TABLE messages ADD COLUMN sent_after INTEGER;       -- the largest number of all messages then
ALTER TABLE messages ADD COLUMN shows INTEGER;            -- the held answer or draft that it tells of

CREATE INDEX messages_by_conversation ON messages (conversation, number);

ALTER TABLE conversations ADD COLUMN watchers_json TEXT NOT NULL DEFAULT '[]';
ALTER TABLE conversations ADD COLUMN snoozed_until INTEGER;
ALTER TABLE conversations ADD COLUMN answers INTEGER NOT NULL DEFAULT 0;  -- that went out
ALTER TABLE conversations ADD COLUMN answered_at INTEGER;                 -- the latest
ALTER TABLE conversations ADD COLUMN overdue INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN subject TEXT NOT NULL DEFAULT '';    -- of the first message
ALTER TABLE conversations ADD COLUMN outside_json TEXT NOT NULL DEFAULT '[]'; -- whom an answer goes to
ALTER TABLE conversations ADD COLUMN approve_json TEXT NOT NULL DEFAULT '[]'; -- whose #send an answer needs
ALTER TABLE conversations ADD COLUMN closed_at INTEGER;                   -- NULL: it is not closed
ALTER TABLE conversations ADD COLUMN priority TEXT;         -- set by hand: high | normal | low
ALTER TABLE conversations ADD COLUMN remind_at INTEGER;     -- when the owner is told that time runs out; NULL: he was
ALTER TABLE conversations ADD COLUMN escalated INTEGER NOT NULL DEFAULT 0; -- steps that were taken
ALTER TABLE conversations ADD COLUMN rules_json TEXT NOT NULL DEFAULT '[]'; -- that matched its first message

UPDATE conversations SET closed_at = last_at WHERE state = 'closed';
UPDATE conversations SET outside_json = json_array(json_array('', customer)) WHERE customer IS NOT NULL;

CREATE INDEX conversations_by_state ON conversations (state, inbox, last_at);

-- What happened to a conversation without a message: timers, undelivered answers.
CREATE TABLE conversation_events (
  conversation      INTEGER NOT NULL,
  number            INTEGER NOT NULL,           -- counts from 1 in each conversation
  at                INTEGER NOT NULL,
  kind              TEXT NOT NULL,
  data_json         TEXT NOT NULL,
  PRIMARY KEY (conversation, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE timers (
  number            INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation      INTEGER,                    -- NULL: of none
  kind              TEXT NOT NULL,
  due_at            INTEGER NOT NULL,
  data              TEXT NOT NULL,
  made_at           INTEGER NOT NULL            -- what was made in a time to come is as far from now as from then
) STRICT;

CREATE INDEX timers_due ON timers (due_at);
CREATE INDEX timers_by_conversation ON timers (conversation) WHERE conversation IS NOT NULL;
CREATE UNIQUE INDEX timers_once ON timers (coalesce(conversation, 0), kind, data);

CREATE TABLE held (
  number            INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation      INTEGER NOT NULL,
  message           INTEGER NOT NULL,
  kind              TEXT NOT NULL,              -- conflict | command | draft | approval
  member            TEXT NOT NULL,              -- who wrote it
  at                INTEGER NOT NULL,
  release_json      TEXT NOT NULL,              -- whose #send counts; []: the author's, the owner's, the watchers'
  end               TEXT,                       -- NULL: it waits; sent | dropped | replaced
  ended_at          INTEGER
) STRICT;

CREATE INDEX held_by_conversation ON held (conversation);
CREATE INDEX held_by_message ON held (message);

CREATE TABLE absences (
  member            TEXT PRIMARY KEY,
  source            TEXT NOT NULL,              -- command | noticed
  since             INTEGER NOT NULL,
  until             INTEGER,
  deputy            TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE answers (
  message           INTEGER PRIMARY KEY,        -- the answer
  conversation      INTEGER NOT NULL,
  at                INTEGER NOT NULL,           -- when it went out
  member            TEXT NOT NULL,
  inbox             TEXT NOT NULL,
  team              TEXT,
  waited            INTEGER,                    -- microseconds since somebody waited; NULL: nobody did
  waited_working    INTEGER,
  is_first          INTEGER NOT NULL
) STRICT;

CREATE TABLE auto_replies (
  message           INTEGER PRIMARY KEY,        -- the reply
  at                INTEGER NOT NULL,
  address           TEXT NOT NULL,
  template          TEXT NOT NULL,
  inbox             TEXT NOT NULL
) STRICT;

CREATE INDEX auto_replies_by_address ON auto_replies (address, at);
CREATE INDEX auto_replies_by_inbox ON auto_replies (inbox, at);

-- What the figures count, in the order in which it happened. It names nobody outside.
CREATE TABLE counted (
  at                INTEGER NOT NULL,
  message           INTEGER NOT NULL,           -- by which it happened
  kind              TEXT NOT NULL,              -- received | reassigned
  conversation      INTEGER NOT NULL,
  member            TEXT NOT NULL,              -- who owns it then; of reassigned, who owned it before
  inbox             TEXT NOT NULL,
  team              TEXT,
  PRIMARY KEY (at, message, kind)
) STRICT, WITHOUT ROWID;

-- The words of messages, folded; rows of both tables have the message's number. Of a message without bytes the words of
-- its conversation's head are left.
CREATE VIRTUAL TABLE words USING fts5 (head, text, tokenize = 'unicode61 remove_diacritics 0');

CREATE TABLE searched (
  message           INTEGER PRIMARY KEY,
  conversation      INTEGER NOT NULL
) STRICT;

CREATE TABLE search_state (
  number            INTEGER PRIMARY KEY CHECK (number = 1),
  up_to             INTEGER NOT NULL            -- the number of the last message whose words are in
) STRICT;

INSERT INTO search_state VALUES (1, 0);
