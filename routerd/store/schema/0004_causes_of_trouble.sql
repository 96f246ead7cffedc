-- The enhanced code (RFC 3463) of what the postmaster is to hear of, '' where there is none; and how old the eldest of the
-- open copies is, told without a look at each of them.

ALTER TABLE troubles ADD COLUMN status TEXT NOT NULL DEFAULT '';

CREATE INDEX copies_by_age ON copies (created_at) WHERE finished_at IS NULL;
