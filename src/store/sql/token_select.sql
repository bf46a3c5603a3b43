SELECT id, user_id, origin, name, status, created_at,
  max(accessed_at, coalesce((SELECT spent.accessed_at FROM spent WHERE token_id = tokens.id), 0)),
  expires_at, unlimited, granted, used + coalesce((SELECT charged FROM spent WHERE token_id = tokens.id), 0), daily_limit,
  monthly_limit, model_limits_enabled, model_limits, group_name, cross_group_retry, allow_ips, rpm, tpm, max_concurrency,
  scopes, metadata, fingerprint
FROM tokens
