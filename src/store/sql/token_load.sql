SELECT id, user_id, status, expires_at, model_limits_enabled, model_limits, group_name, cross_group_retry, allow_ips, rpm, tpm,
  max_concurrency, scopes
FROM tokens WHERE deleted_at = -1
