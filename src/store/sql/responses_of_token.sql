DELETE FROM responses
WHERE token_id = ?1 AND id IN (SELECT id FROM responses WHERE token_id = ?1 LIMIT ?2)
