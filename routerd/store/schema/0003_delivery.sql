-- What the postmaster is to hear of: copies that could not be delivered. Written with the conclusion that it tells of,
-- told by the transaction that adds the notice.

CREATE TABLE troubles (
  number            INTEGER PRIMARY KEY AUTOINCREMENT,
  copy              INTEGER NOT NULL,
  kind              TEXT NOT NULL,              -- held | rerouted | failed | late
  about             TEXT NOT NULL,              -- the mailbox, or the destination where it is that as a whole
  reason            TEXT NOT NULL,
  taken_by          TEXT NOT NULL,              -- the member who got it instead; '': nobody
  at                INTEGER NOT NULL,
  told              INTEGER NOT NULL DEFAULT 0,
  UNIQUE (copy, kind)
) STRICT;

CREATE INDEX troubles_untold ON troubles (about, number) WHERE told = 0;

CREATE TABLE notices (
  about             TEXT PRIMARY KEY,
  at                INTEGER NOT NULL            -- of the last one
) STRICT, WITHOUT ROWID;
