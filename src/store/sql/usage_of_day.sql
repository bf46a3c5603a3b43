SELECT model, requests,
  input + cached_input + cache_write + cache_write_1h + audio_input + image_input,
  output + reasoning + audio_output + image_output,
  charged
FROM usage WHERE day = ?1 AND token_id = ?2
