SELECT
  (SELECT count(*) FROM users JOIN tokens ON tokens.user_id = users.id
   WHERE users.role = 'admin' AND users.status = 1 AND tokens.deleted_at = -1 AND tokens.status = 1
     AND (tokens.expires_at = -1 OR tokens.expires_at > ?1) AND tokens.scopes <> 'inference'),
  (SELECT count(*) FROM users WHERE role = 'admin' AND status = 1)
