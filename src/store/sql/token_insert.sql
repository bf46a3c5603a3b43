INSERT INTO tokens (user_id, origin, name, status, created_at, accessed_at, expires_at, unlimited, granted, used, daily_limit,
  monthly_limit, model_limits_enabled, model_limits, group_name, cross_group_retry, allow_ips, rpm, tpm, max_concurrency,
  scopes, metadata, fingerprint, deleted_at)
VALUES (?17, ?18, ?1, ?2, ?19, ?19, ?3, ?4, 0, 0, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?20, -1)
