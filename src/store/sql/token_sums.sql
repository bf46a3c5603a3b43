SELECT granted, used + coalesce((SELECT charged FROM spent WHERE token_id = tokens.id), 0) FROM tokens WHERE id = ?1
