-- From version 1 (tollgate 0.1.0): what tokens spend gets a table beside their rows, and the ledger's words are compared one by
-- one. Rows keep their numbers and hashes. Never changed once released.

CREATE TABLE spent (
  token_id INTEGER PRIMARY KEY,
  charged INTEGER NOT NULL,
  accessed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX tokens_by_origin ON tokens (origin, id) WHERE origin <> 'api';
CREATE INDEX keys_by_end ON keys (expires_at) WHERE expires_at <> -1;

CREATE TABLE ledger_2 (
  seq INTEGER PRIMARY KEY,
  id BLOB NOT NULL CHECK (length(id) = 16),
  at INTEGER NOT NULL,
  token_id INTEGER NOT NULL,
  user_id INTEGER NOT NULL,
  day INTEGER NOT NULL,
  model TEXT NOT NULL,
  channel TEXT NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome = 'ok' OR outcome = 'void' OR outcome = 'client_gone'
  OR outcome = 'upstream_error' OR outcome = 'upstream_unknown'
  OR outcome = 'recovered' OR outcome = 'credit' OR outcome = 'adjust'
  OR outcome = 'rollup'),
  attempts INTEGER NOT NULL CHECK (attempts >= 0),
  held INTEGER NOT NULL CHECK (held >= 0),
  charged INTEGER NOT NULL CHECK (charged >= 0 OR outcome = 'adjust'),
  overrun INTEGER NOT NULL CHECK (overrun >= 0),
  granted INTEGER NOT NULL CHECK (granted = 0 OR outcome = 'credit'),
  usage_source TEXT NOT NULL CHECK (usage_source = 'provider' OR usage_source = 'estimated' OR usage_source = 'suspect'
  OR usage_source = 'none'),
  input INTEGER NOT NULL CHECK (input >= 0),
  cached_input INTEGER NOT NULL CHECK (cached_input >= 0),
  cache_write INTEGER NOT NULL CHECK (cache_write >= 0),
  cache_write_1h INTEGER NOT NULL CHECK (cache_write_1h >= 0),
  output INTEGER NOT NULL CHECK (output >= 0),
  reasoning INTEGER NOT NULL CHECK (reasoning >= 0),
  audio_input INTEGER NOT NULL CHECK (audio_input >= 0),
  audio_output INTEGER NOT NULL CHECK (audio_output >= 0),
  image_input INTEGER NOT NULL CHECK (image_input >= 0),
  image_output INTEGER NOT NULL CHECK (image_output >= 0),
  tool_calls INTEGER NOT NULL CHECK (tool_calls >= 0),
  note TEXT NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
INSERT INTO ledger_2 SELECT * FROM ledger;
DROP TABLE ledger;
ALTER TABLE ledger_2 RENAME TO ledger;
CREATE INDEX ledger_by_id ON ledger (id);
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_loses_a_prefix_only BEFORE DELETE ON ledger
WHEN OLD.seq > (SELECT seq FROM anchor)
BEGIN SELECT RAISE(ABORT, 'only ledger rows up to the anchor may be removed'); END;
