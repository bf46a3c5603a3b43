SELECT id, user_id, granted, used + coalesce(charged, 0) FROM tokens LEFT JOIN spent ON token_id = id
