-- A team's lead is told each day how it went since the day before.
CREATE INDEX answers_by_time ON answers (at);
