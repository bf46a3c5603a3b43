INSERT INTO usage (day, token_id, model, requests, charged, input, cached_input, cache_write, cache_write_1h, output, reasoning,
  audio_input, audio_output, image_input, image_output, tool_calls)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
ON CONFLICT (day, token_id, model) DO UPDATE SET
  requests = requests + excluded.requests,
  charged = charged + excluded.charged,
  input = input + excluded.input,
  cached_input = cached_input + excluded.cached_input,
  cache_write = cache_write + excluded.cache_write,
  cache_write_1h = cache_write_1h + excluded.cache_write_1h,
  output = output + excluded.output,
  reasoning = reasoning + excluded.reasoning,
  audio_input = audio_input + excluded.audio_input,
  audio_output = audio_output + excluded.audio_output,
  image_input = image_input + excluded.image_input,
  image_output = image_output + excluded.image_output,
  tool_calls = tool_calls + excluded.tool_calls
