-- A release gives a copy its tries anew; how many there were before is told all the same.

ALTER TABLE copies ADD COLUMN attempts_before INTEGER NOT NULL DEFAULT 0;
