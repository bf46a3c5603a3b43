UPDATE tokens SET name = :name, status = :status, expires_at = :expires_at, unlimited = :unlimited, daily_limit = :daily_limit,
  monthly_limit = :monthly_limit, model_limits_enabled = :model_limits_enabled, model_limits = :model_limits, group_name = :group,
  cross_group_retry = :cross_group_retry, allow_ips = :allow_ips, rpm = :rpm, tpm = :tpm, max_concurrency = :max_concurrency,
  scopes = :scopes, metadata = :metadata
WHERE id = :id
