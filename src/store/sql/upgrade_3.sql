-- From version 2: which channel made a response that its provider stores. Never changed once released.

CREATE TABLE responses (
  id TEXT NOT NULL CHECK (length(id) BETWEEN 1 AND 256),
  channel TEXT NOT NULL,
  token_id INTEGER NOT NULL,
  model TEXT NOT NULL,
  made_at INTEGER NOT NULL,
  PRIMARY KEY (id, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX responses_by_token ON responses (token_id);
CREATE INDEX responses_by_age ON responses (made_at);
