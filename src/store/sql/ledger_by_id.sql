SELECT seq, id, at, token_id, user_id, day, model, channel, outcome, attempts, held, charged, overrun, granted, usage_source,
  input, cached_input, cache_write, cache_write_1h, output, reasoning, audio_input, audio_output, image_input, image_output,
  tool_calls, note, hash
FROM ledger WHERE id = ?1 ORDER BY seq DESC
