INSERT INTO ledger (seq, id, at, token_id, user_id, day, model, channel, outcome, attempts, held, charged, overrun, granted,
  usage_source, input, cached_input, cache_write, cache_write_1h, output, reasoning, audio_input, audio_output, image_input,
  image_output, tool_calls, note, hash)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25,
  ?26, ?27, ?28)
