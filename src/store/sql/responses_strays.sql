-- Each token that has rows, found by a step behind the one before; then those without a record.
WITH RECURSIVE askers (token) AS (
  SELECT min(token_id) FROM responses
  UNION ALL
  SELECT (SELECT min(token_id) FROM responses WHERE token_id > token) FROM askers WHERE token IS NOT NULL
)
SELECT token FROM askers WHERE token IS NOT NULL AND token NOT IN (SELECT id FROM tokens)
