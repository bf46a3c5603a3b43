INSERT INTO responses (token_id, id, channel, model, made_at)
SELECT id, ?2, ?3, ?4, ?5 FROM tokens WHERE id = ?1 AND deleted_at = -1
ON CONFLICT DO NOTHING
