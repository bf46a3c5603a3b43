UPDATE usage SET
  requests = requests + ?4,
  charged = charged + ?5,
  input = input + ?6,
  cached_input = cached_input + ?7,
  cache_write = cache_write + ?8,
  cache_write_1h = cache_write_1h + ?9,
  output = output + ?10,
  reasoning = reasoning + ?11,
  audio_input = audio_input + ?12,
  audio_output = audio_output + ?13,
  image_input = image_input + ?14,
  image_output = image_output + ?15,
  tool_calls = tool_calls + ?16
WHERE day = ?1 AND token_id = ?2 AND model = ?3
