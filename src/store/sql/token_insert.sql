INSERT INTO tokens (user_id, origin, name, status, created_at, accessed_at, expires_at, unlimited, granted, used, daily_limit,
  monthly_limit, model_limits_enabled, model_limits, group_name, cross_group_retry, allow_ips, rpm, tpm, max_concurrency,
  scopes, metadata, fingerprint, deleted_at)
VALUES (:user, :origin, :name, :status, :now, :now, :expires_at, :unlimited, 0, 0, :daily_limit,
  :monthly_limit, :model_limits_enabled, :model_limits, :group, :cross_group_retry, :allow_ips, :rpm, :tpm, :max_concurrency,
  :scopes, :metadata, :fingerprint, -1)
