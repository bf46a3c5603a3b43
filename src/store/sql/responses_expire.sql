DELETE FROM responses
WHERE (id, channel) IN (SELECT id, channel FROM responses WHERE made_at < ?1 ORDER BY made_at LIMIT ?2)
