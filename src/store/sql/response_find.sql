-- By id: of the same one few channels know.
SELECT channel, model, made_at FROM responses
WHERE id = ?2 AND +token_id = ?1 AND +made_at >= ?3
ORDER BY +made_at, channel
LIMIT 1
