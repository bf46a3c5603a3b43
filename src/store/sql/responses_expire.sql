DELETE FROM responses
WHERE (token_id, id) IN (SELECT token_id, id FROM responses WHERE made_at < ?1 ORDER BY made_at LIMIT ?2)
