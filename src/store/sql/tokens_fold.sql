UPDATE tokens SET used = used + slice.charged, accessed_at = max(tokens.accessed_at, slice.accessed_at)
FROM (SELECT token_id, charged, accessed_at FROM spent WHERE token_id > ?1 AND token_id <= ?2) AS slice
WHERE tokens.id = slice.token_id
