UPDATE tokens SET name = ?1, status = ?2, expires_at = ?3, unlimited = ?4, daily_limit = ?5, monthly_limit = ?6,
  model_limits_enabled = ?7, model_limits = ?8, group_name = ?9, cross_group_retry = ?10, allow_ips = ?11, rpm = ?12, tpm = ?13,
  max_concurrency = ?14, scopes = ?15, metadata = ?16
WHERE id = ?17
