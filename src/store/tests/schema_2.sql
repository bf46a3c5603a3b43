-- The store of tollgate: one SQLite file. This page is the data's manual: what each table and column is for.
--
-- Conventions
--   * Every table is STRICT: a value of another type is refused, not converted.
--   * Amounts are whole nanodollars (10^-9 US dollars) in columns that say so (`granted`, `used`, `charged`, …).
--   * Moments are milliseconds since the Unix epoch (UTC) unless a column says otherwise; -1 is never.
--   * Days are YYYYMMDD and months YYYYMM in the time zone of `[accounting] timezone`.
--   * Request ids are UUIDv7, stored as 16 bytes.
--   * Nothing here is a key, a prompt or a completion. Of a key only SHA-256("sk-" + key) is kept.
--   * Counters (`used`, `spent`) are written by the journal alone, in the transaction of the ledger rows they sum up.
--
-- A reader may open the file at any time (`sqlite3 -readonly`). Only the running gateway writes it.

-- Who owns tokens. A request is charged to its token and to the token's user, and must fit both.
CREATE TABLE users (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,             -- 1 is the first admin; never reused
  name       TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 50),
  role       TEXT    NOT NULL CHECK (role IN ('admin', 'member')),
  status     INTEGER NOT NULL CHECK (status IN (1, 2)),     -- 1 enabled, 2 disabled: no token of theirs works
  unlimited  INTEGER NOT NULL CHECK (unlimited IN (0, 1)),  -- 1: the total binds nothing
  granted    INTEGER NOT NULL CHECK (granted BETWEEN 0 AND 1000000000000000000),  -- Σ granted of the user's ledger rows
  used       INTEGER NOT NULL CHECK (used >= 0),            -- Σ charged of the ledger rows of the user's tokens
  created_at INTEGER NOT NULL
) STRICT;

-- The records behind API keys. A deleted token keeps its row: its counters and its ledger stay.
CREATE TABLE tokens (
  id                   INTEGER PRIMARY KEY AUTOINCREMENT,   -- never reused, so a new token never inherits a ledger
  user_id              INTEGER NOT NULL REFERENCES users (id),
  origin               TEXT    NOT NULL CHECK (origin IN ('api', 'first_start', 'environment', 'command')),  -- who made it
  name                 TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 50),  -- not unique
  status               INTEGER NOT NULL CHECK (status IN (1, 2)),  -- 1 enabled, 2 disabled; 3 and 4 follow when read
  created_at           INTEGER NOT NULL,
  accessed_at          INTEGER NOT NULL,                    -- the last settled request, or the creation; `spent` may know better
  expires_at           INTEGER NOT NULL CHECK (expires_at = -1 OR expires_at >= 0),
  unlimited            INTEGER NOT NULL CHECK (unlimited IN (0, 1)),
  granted              INTEGER NOT NULL CHECK (granted BETWEEN 0 AND 1000000000000000000),  -- Σ granted of its ledger rows
  used                 INTEGER NOT NULL CHECK (used >= 0),  -- with `spent`: Σ charged of its ledger rows
  daily_limit          INTEGER NOT NULL CHECK (daily_limit BETWEEN 0 AND 1000000000000000),    -- 0: none
  monthly_limit        INTEGER NOT NULL CHECK (monthly_limit BETWEEN 0 AND 1000000000000000),  -- 0: none
  model_limits_enabled INTEGER NOT NULL CHECK (model_limits_enabled IN (0, 1)),
  model_limits         TEXT    NOT NULL,                    -- as it was given: names separated by commas
  group_name           TEXT    NOT NULL,                    -- '' is the group `default`
  cross_group_retry    INTEGER NOT NULL CHECK (cross_group_retry IN (0, 1)),
  allow_ips            TEXT    NOT NULL,                    -- as it was given; '' is any
  rpm                  INTEGER NOT NULL CHECK (rpm >= 0),   -- requests per minute; 0: no limit
  tpm                  INTEGER NOT NULL CHECK (tpm >= 0),   -- input and output tokens per minute; 0: no limit
  max_concurrency      INTEGER NOT NULL CHECK (max_concurrency >= 0),  -- requests in flight; 0: no limit
  scopes               TEXT    NOT NULL CHECK (scopes IN ('inference', 'manage', 'inference,manage')),
  metadata             TEXT    NOT NULL CHECK (json_valid(metadata)),  -- an object of strings, as it was given
  fingerprint          TEXT    NOT NULL CHECK (length(fingerprint) = 8),  -- first 8 hex digits of the current key's hash
  deleted_at           INTEGER NOT NULL CHECK (deleted_at = -1 OR deleted_at >= 0)  -- -1: it is not
) STRICT;
-- Lists are of one user's tokens, newest first.
CREATE INDEX tokens_by_user ON tokens (user_id, id) WHERE deleted_at = -1;
-- The few that the program itself made: each start looks for the environment's.
CREATE INDEX tokens_by_origin ON tokens (origin, id) WHERE origin <> 'api';

-- What tokens were charged of late and is not in their rows yet: what a token has used is the sum of both. Rows of tokens lie
-- far apart, and a settlement that wrote one would write a page for it alone; these lie close, so that the settlements of one
-- transaction share their pages. Once an hour the writer moves them over, in slices.
CREATE TABLE spent (
  token_id    INTEGER PRIMARY KEY,
  charged     INTEGER NOT NULL,                             -- below 0 where more was refunded than charged
  accessed_at INTEGER NOT NULL                              -- the last settled request
) STRICT;

-- Hashes of live keys. A token has one key without an end, and may have rotated ones in their grace.
CREATE TABLE keys (
  hash       BLOB    PRIMARY KEY CHECK (length(hash) = 32),  -- SHA-256("sk-" + key)
  token_id   INTEGER NOT NULL REFERENCES tokens (id),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL CHECK (expires_at = -1 OR expires_at >= 0)  -- the end of its grace
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_token ON keys (token_id);
-- The few that end: the writer removes them a day later.
CREATE INDEX keys_by_end ON keys (expires_at) WHERE expires_at <> -1;

-- What is in flight, and nothing else: money held before a provider saw a byte. Empty when nothing runs.
CREATE TABLE holds (
  id          BLOB    PRIMARY KEY CHECK (length(id) = 16),  -- the request, and later its ledger row
  token_id    INTEGER NOT NULL,
  user_id     INTEGER NOT NULL,
  amount      INTEGER NOT NULL CHECK (amount >= 0),         -- the most it can cost
  floor       INTEGER NOT NULL CHECK (floor BETWEEN 0 AND amount),  -- the least, once it was sent
  day         INTEGER NOT NULL CHECK (day BETWEEN 101 AND 99991231),
  model       TEXT    NOT NULL,                             -- the public name
  channel     TEXT    NOT NULL,
  admitted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The journal of money: append-only, one row for each end of a hold, each grant and each refund. `hash` chains the rows:
-- SHA-256 over the row before's hash and this row's columns (src/store/chain.rs has the byte layout). An unkeyed chain shows
-- accidents and careless edits; only a head (`seq:hash`) kept elsewhere proves that nothing before it was changed.
CREATE TABLE ledger (
  seq                INTEGER PRIMARY KEY,                   -- 1, 2, 3, … without a gap above the anchor
  id                 BLOB    NOT NULL CHECK (length(id) = 16),  -- the request's id = `x-request-id`; minted for other rows
  at                 INTEGER NOT NULL,                      -- when it was settled
  token_id           INTEGER NOT NULL,                      -- 0: a user's own grant, or a rollup
  user_id            INTEGER NOT NULL,                      -- 0: a rollup
  day                INTEGER NOT NULL,                      -- the day it is charged to (the month is day / 100)
  model              TEXT    NOT NULL,                      -- '' where there is none
  channel            TEXT    NOT NULL,
  -- Words are compared one by one: for an IN list SQLite builds and drops a table at every row that is written.
  outcome            TEXT    NOT NULL CHECK (outcome = 'ok' OR outcome = 'void' OR outcome = 'client_gone'
                                             OR outcome = 'upstream_error' OR outcome = 'upstream_unknown'
                                             OR outcome = 'recovered' OR outcome = 'credit' OR outcome = 'adjust'
                                             OR outcome = 'rollup'),
  attempts           INTEGER NOT NULL CHECK (attempts >= 0),  -- requests sent to providers
  held               INTEGER NOT NULL CHECK (held >= 0),
  charged            INTEGER NOT NULL CHECK (charged >= 0 OR outcome = 'adjust'),
  overrun            INTEGER NOT NULL CHECK (overrun >= 0), -- billed by the provider beyond what the budgets could pay
  granted            INTEGER NOT NULL CHECK (granted = 0 OR outcome = 'credit'),
  usage_source       TEXT    NOT NULL CHECK (usage_source = 'provider' OR usage_source = 'estimated' OR usage_source = 'suspect'
                                             OR usage_source = 'none'),
  input              INTEGER NOT NULL CHECK (input >= 0),   -- usage by kind; the kinds are disjoint
  cached_input       INTEGER NOT NULL CHECK (cached_input >= 0),
  cache_write        INTEGER NOT NULL CHECK (cache_write >= 0),
  cache_write_1h     INTEGER NOT NULL CHECK (cache_write_1h >= 0),
  output             INTEGER NOT NULL CHECK (output >= 0),
  reasoning          INTEGER NOT NULL CHECK (reasoning >= 0),
  audio_input        INTEGER NOT NULL CHECK (audio_input >= 0),
  audio_output       INTEGER NOT NULL CHECK (audio_output >= 0),
  image_input        INTEGER NOT NULL CHECK (image_input >= 0),
  image_output       INTEGER NOT NULL CHECK (image_output >= 0),
  tool_calls         INTEGER NOT NULL CHECK (tool_calls >= 0),
  note               TEXT    NOT NULL,                      -- an adjust row: `<id of the row it gives back> <reason>`
  hash               BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
-- The one secondary index: by request. Ids are UUIDv7, so it grows at its end.
CREATE INDEX ledger_by_id ON ledger (id);

-- Where the chain begins: the last row that retention removed, and its hash. Before the first removal: 0 and zeros.
CREATE TABLE anchor (
  one  INTEGER PRIMARY KEY CHECK (one = 1),
  seq  INTEGER NOT NULL CHECK (seq >= 0),
  hash BLOB    NOT NULL CHECK (length(hash) = 32),
  day  INTEGER NOT NULL                                     -- no row of a later day was removed
) STRICT;
INSERT INTO anchor VALUES (1, 0, zeroblob(32), 0);

-- What the removed rows added up to, so that the counters can still be proved. Each rollup row carries the SHA-256 of the sums
-- that its removal added here.
CREATE TABLE pruned (
  token_id INTEGER NOT NULL,
  user_id  INTEGER NOT NULL,
  granted  INTEGER NOT NULL,
  charged  INTEGER NOT NULL,
  PRIMARY KEY (token_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER ledger_is_append_only BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_loses_a_prefix_only BEFORE DELETE ON ledger
WHEN OLD.seq > (SELECT seq FROM anchor)
BEGIN SELECT RAISE(ABORT, 'only ledger rows up to the anchor may be removed'); END;

-- Which rows were given back, so that each is given back once.
CREATE TABLE refunds (
  id  BLOB    PRIMARY KEY CHECK (length(id) = 16),          -- the ledger row that was given back
  seq INTEGER NOT NULL                                      -- the adjust row
) STRICT, WITHOUT ROWID;

-- Sums by day, token and model, kept up by each settlement: days and months are sums of these, and so is every answer about
-- usage; pruning the ledger loses none. The day leads, so that a start reads only the windows that still count.
CREATE TABLE usage (
  day                INTEGER NOT NULL,
  token_id           INTEGER NOT NULL,
  model              TEXT    NOT NULL,
  requests           INTEGER NOT NULL,                      -- settled requests, void ones among them
  charged            INTEGER NOT NULL CHECK (charged >= 0),
  input              INTEGER NOT NULL,
  cached_input       INTEGER NOT NULL,
  cache_write        INTEGER NOT NULL,
  cache_write_1h     INTEGER NOT NULL,
  output             INTEGER NOT NULL,
  reasoning          INTEGER NOT NULL,
  audio_input        INTEGER NOT NULL,
  audio_output       INTEGER NOT NULL,
  image_input        INTEGER NOT NULL,
  image_output       INTEGER NOT NULL,
  tool_calls         INTEGER NOT NULL,
  PRIMARY KEY (day, token_id, model)
) STRICT, WITHOUT ROWID;

-- `Idempotency-Key`: what a call that made or added something did, for 24 hours.
CREATE TABLE idempotency (
  caller     INTEGER NOT NULL,                              -- the calling token; 0 is the local administrator
  call       TEXT    NOT NULL,                              -- method and path
  key        TEXT    NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  body       BLOB    NOT NULL CHECK (length(body) = 32),    -- SHA-256 of the body
  made       TEXT    NOT NULL CHECK (json_valid(made)),     -- [ids] of what it made or changed
  created_at INTEGER NOT NULL,
  PRIMARY KEY (caller, call, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_at);

-- Who changed what, when and from where. Amounts, names and limits; never a key.
CREATE TABLE audit (
  id      INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  caller  INTEGER NOT NULL,                                 -- the calling token; 0 is the local administrator
  origin  TEXT    NOT NULL,                                 -- its address, or `local`
  action  TEXT    NOT NULL,                                 -- `token.create`, `user.update`, …
  object  INTEGER NOT NULL,                                 -- the token's or user's id
  before  TEXT    NOT NULL CHECK (json_valid(before)),      -- the object before, or null
  after   TEXT    NOT NULL CHECK (json_valid(after))        -- and after, or null
) STRICT;
