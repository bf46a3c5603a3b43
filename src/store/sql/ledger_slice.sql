SELECT seq, id, at, token_id, user_id, day, model, channel, outcome, attempts, held, charged, overrun, granted, usage_source,
  input, cached_input, cache_write, cache_write_1h, output, reasoning, audio_input, audio_output, image_input, image_output,
  tool_calls, note, hash
FROM ledger WHERE seq > ?1 AND seq <= ?2
  AND (?3 IS NULL OR token_id = ?3) AND (?4 IS NULL OR user_id = ?4) AND (?5 IS NULL OR outcome = ?5)
ORDER BY seq DESC LIMIT ?6 OFFSET ?7
