-- What signs our own addresses and traces: each key from its first day on, until the next one's.
CREATE TABLE keys (
  purpose           TEXT NOT NULL,
  number            INTEGER NOT NULL,           -- counts from 1 for each purpose
  first_day         INTEGER NOT NULL,           -- since 1970, in UTC; 0: nobody knows
  secret            BLOB NOT NULL,
  PRIMARY KEY (purpose, number)
) STRICT, WITHOUT ROWID;

INSERT INTO keys SELECT purpose, 1, 0, key FROM secrets WHERE purpose IN ('b', 'trace');
DELETE FROM secrets WHERE purpose IN ('b', 'trace');
