SELECT count(*) FROM ledger WHERE seq > ?1 AND seq <= ?2
  AND (?3 IS NULL OR token_id = ?3) AND (?4 IS NULL OR user_id = ?4) AND (?5 IS NULL OR outcome = ?5)
