WHERE deleted_at = -1
  AND (?2 = '' OR instr(lower(name), lower(?2)) > 0 OR fingerprint = lower(?2) OR CAST(id AS TEXT) = ?2)
  AND (?3 = 0 OR ?3 = CASE
    WHEN status = 2 THEN 2
    WHEN expires_at <> -1 AND expires_at <= ?1 THEN 3
    WHEN unlimited = 0
      AND granted - used - coalesce((SELECT charged FROM spent WHERE token_id = tokens.id), 0) < 2000 THEN 4
    ELSE 1 END)
  AND (?4 = '' OR group_name = ?4 OR (?4 = 'default' AND group_name = ''))
