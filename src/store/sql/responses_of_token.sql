DELETE FROM responses
WHERE (id, channel) IN (SELECT id, channel FROM responses WHERE token_id = ?1 LIMIT ?2)
