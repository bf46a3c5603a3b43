//! Old rows go as a prefix; their sums, the proof and every answer about usage stay.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::recovery::{files, kill, left_with};
use super::*;

const SEED: u64 = 0x4f50_3139;

/// All of `usage`, as an answer about it would be made.
fn usage(path: &Path) -> Vec<String> {
    let sql = raw(path);
    let mut select = sql
        .prepare("SELECT day || ' ' || token_id || ' ' || model || ' ' || requests || ' ' || charged || ' ' || input FROM usage")
        .unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Lets the writer keep house at `now`, and waits until it has.
async fn keep_house(site: &Site, store: &Store, now: i64) {
    site.clock.set(Timestamp::from_secs(now));
    for _ in 0..2 {
        store.write(|_| -> Result<(), Denied<()>> { Ok(()) }).await.unwrap();
    }
}

#[tokio::test]
async fn a_prefix_goes_and_everything_else_stays() {
    let mut site = Site::new();
    site.settings.retention_days = 10;
    let store = site.open().await;
    for day in 0..5 {
        site.clock.set(Timestamp::from_secs(NOON + day * DAY_SECONDS));
        for token in 0..3 {
            site.spend(&store, token, 100, 50 + day).await;
        }
    }
    let held = site.held(&store, 0, 77).await;
    let (before, kept) = (usage(site.path()), verify(site.path(), None).unwrap().head);
    assert_eq!(kept.seq, 20);

    // Grants and two days of requests are older than ten days, by the minute.
    keep_house(&site, &store, NOON + 11 * DAY_SECONDS + 60).await;
    let path = site.path();
    assert_eq!(count(path, "SELECT seq FROM anchor"), 11);
    assert_eq!(count(path, "SELECT day FROM anchor"), 20_261_125);
    assert_eq!(count(path, "SELECT min(seq) FROM ledger"), 12);
    assert_eq!(count(path, "SELECT sum(charged) FROM pruned"), 3 * (50 + 51));
    assert_eq!(count(path, "SELECT sum(granted) FROM pruned"), 23 * GRANTED);
    let note: String = raw(path)
        .query_row("SELECT note FROM ledger WHERE outcome = 'rollup'", [], |row| row.get(0))
        .unwrap();
    assert!(note.starts_with("11 ") && note.len() == 3 + 64, "{note}");
    assert_eq!(usage(path), before);
    let report = verify(path, Some(kept)).unwrap();
    assert_eq!((report.rows, report.open_holds, report.drift.len()), (10, 1, 0), "{:?}", report.drift);

    // What went is gone also for whoever kept its head.
    let gone = verify(path, Some(Head { seq: 5, hash: [7; 32] })).unwrap().drift;
    assert!(gone.len() == 1 && gone[0].contains("no row 5"), "{gone:?}");

    held.settle(costing(70)).durable().await.unwrap();
    keep_house(&site, &store, NOON + 13 * DAY_SECONDS + 60).await;
    assert_eq!(count(path, "SELECT seq FROM anchor"), 17);
    assert_eq!(count(path, "SELECT count(*) FROM ledger WHERE outcome = 'rollup'"), 2);
    keep_house(&site, &store, NOON + 40 * DAY_SECONDS).await;
    keep_house(&site, &store, NOON + 60 * DAY_SECONDS).await;
    assert_eq!(count(path, "SELECT count(*) FROM ledger"), 1, "rollups go too, but for the last");
    site.assert_sound(&store);
    drop(store);
    let store = site.open().await;
    site.spend(&store, 0, 100, 50).await;
    site.assert_sound(&store);
}

/// What was spent lies beside the tokens' rows until the writer keeps house. Wherever it lies, every figure is the same.
#[tokio::test]
async fn what_was_spent_moves_into_the_tokens_rows() {
    let site = Site::new();
    let store = site.open().await;
    let (all, path) = (|path: &Path| count(path, "SELECT count(*) FROM spent"), site.path());
    for (token, cost) in [(0, 50), (1, 60), (0, 7)] {
        site.spend(&store, token, 100, cost).await;
    }
    let used = || [1, 2, 3].map(|token| used_by_token(path, token));
    let shown = |store: &Store| {
        let sql = raw(path);
        let found = TOKENS.map(|(id, _)| tokens::find(&sql, id).unwrap().unwrap());
        site.assert_sound(store);
        found.map(|token| (token.used.nanos(), token.granted.nanos(), token.accessed_at.millis()))
    };
    let before = shown(&store);
    assert_eq!((all(path), used()), (2, [57, 60, 0]));
    assert_eq!(before.map(|(used, ..)| used), [57, 60, 0]);
    drop(store);
    let store = site.open().await;
    assert_eq!(shown(&store), before, "loaded from both");

    keep_house(&site, &store, NOON + 3_700).await;
    assert_eq!((all(path), used()), (0, [57, 60, 0]));
    assert_eq!(count(path, "SELECT sum(used) FROM tokens"), 117);
    assert_eq!(shown(&store), before);
    site.spend(&store, 0, 100, 1).await;
    assert_eq!(used(), [58, 60, 0]);
    site.assert_sound(&store);
}

/// Many tokens move in slices; none is passed over, and none moves twice.
#[tokio::test]
async fn spending_moves_in_slices() {
    let site = Site::new();
    drop(site.open().await);
    let sql = raw(site.path());
    let token = "INSERT INTO tokens SELECT ?1, user_id, origin, name, status, created_at, accessed_at, expires_at, unlimited, granted,
      7, daily_limit, monthly_limit, model_limits_enabled, model_limits, group_name, cross_group_retry, allow_ips, rpm, tpm,
      max_concurrency, scopes, metadata, fingerprint, deleted_at FROM tokens WHERE id = 1";
    sql.execute_batch("BEGIN").unwrap();
    for id in 10..2_510_i64 {
        sql.execute(token, [id]).unwrap();
        sql.execute("INSERT INTO spent VALUES (?1, ?1, ?1)", [id]).unwrap();
    }
    sql.execute_batch("COMMIT").unwrap();
    let now = site.clock.now();
    let mut housekeeping = Housekeeping::new(0, now);
    let head = Head::read(&sql).unwrap();
    for left in [1_500, 500, 0] {
        assert!(left == 1_500 || housekeeping.is_due(now), "the rest does not wait for an hour");
        housekeeping.run(&sql, head, now, site.zone).unwrap();
        assert_eq!(count(site.path(), "SELECT count(*) FROM spent"), left);
    }
    assert!(!housekeeping.is_due(now));
    assert_eq!(count(site.path(), "SELECT count(*) FROM tokens WHERE id >= 10 AND used <> 7 + id"), 0);
    assert_eq!(count(site.path(), "SELECT count(*) FROM tokens WHERE id >= 10 AND accessed_at <> id"), 0);
}

/// OP-19: killed while it prunes, wherever the log then ends, the old rows are all there or all gone, and everything
/// adds up; the next time it does what is left to do.
#[tokio::test]
async fn a_kill_while_it_prunes_loses_and_repeats_nothing() {
    let site = Site::new();
    let store = site.open().await;
    for day in 0..4 {
        site.clock.set(Timestamp::from_secs(NOON + day * DAY_SECONDS));
        for token in 0..3 {
            site.spend(&store, token, 100, 50 + day).await;
        }
    }
    let before = usage(site.path());
    let left = kill(&site, &store);
    let late = NOON + 11 * DAY_SECONDS + 60;
    // The pruning as the writer does it, with nothing moving the log meanwhile.
    let sql = open::open_writer(left.path(), Durability::Process).unwrap();
    sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let now = Timestamp::from_secs(late);
    let head = Head::read(&sql).unwrap();
    Housekeeping::new(10, now).run(&sql, head, now, left.zone).unwrap();
    let (database, log) = files(&left);
    drop(sql);
    let pruned = "SELECT seq FROM anchor";
    let mut dice = ChaCha20Rng::seed_from_u64(SEED);
    let cuts = (0..20).map(|_| usize::try_from(dice.next_u32()).unwrap() % log.len());
    let mut seen = Vec::new();
    for cut in cuts.chain([0, log.len()]) {
        let mut left = left_with(&site, &database, &log[..cut]);
        left.settings.retention_days = 10;
        left.clock.set(now);
        let store = left.open().await;
        let anchor = count(left.path(), pruned);
        assert!([0, 11].contains(&anchor), "seed {SEED}, cut at {cut}: {anchor}");
        seen.push(anchor);
        assert_eq!(usage(left.path()), before, "seed {SEED}, cut at {cut}");
        left.assert_sound(&store);
        keep_house(&left, &store, late + 3_700).await;
        assert_eq!(count(left.path(), pruned), 11, "seed {SEED}, cut at {cut}");
        assert_eq!(count(left.path(), "SELECT count(*) FROM ledger WHERE outcome = 'rollup'"), 1);
        assert_eq!(usage(left.path()), before);
        left.assert_sound(&store);
    }
    assert!(seen.contains(&0) && seen.contains(&11), "{seen:?}");
}

#[tokio::test]
async fn a_refund_behind_the_anchors_day_still_adds_up() {
    let mut site = Site::new();
    site.settings.retention_days = 10;
    let store = site.open().await;
    let late = site.held(&store, 0, 100).await;
    let id = late.hold().id;
    site.spend(&store, 0, 100, 40).await;
    // Admitted on the first day, settled on the third: its row stays when the first day's go.
    site.clock.set(Timestamp::from_secs(NOON + 2 * DAY_SECONDS));
    late.settle(costing(60)).durable().await.unwrap();
    keep_house(&site, &store, NOON + 11 * DAY_SECONDS).await;
    assert_eq!(count(site.path(), "SELECT day FROM anchor"), 20_261_124);
    assert_clean(site.path());
    let row = row_of(&raw(site.path()), id);
    let note = format!("{id} late");
    store.write(move |txn| -> Result<RequestId, Denied<()>> { Ok(txn.refund(&row, note)?) }).await.unwrap();
    assert_eq!(count(site.path(), "SELECT sum(charged) FROM usage"), 40);
    site.assert_sound(&store);
    // The refund's own row goes in its time, and what says that it was given back stays.
    keep_house(&site, &store, NOON + 30 * DAY_SECONDS).await;
    keep_house(&site, &store, NOON + 50 * DAY_SECONDS).await;
    assert_eq!(count(site.path(), "SELECT count(*) FROM refunds"), 1);
    site.assert_sound(&store);
}

#[tokio::test]
async fn what_was_pruned_is_still_proved() {
    let mut site = Site::new();
    site.settings.retention_days = 1;
    let store = site.open().await;
    site.spend(&store, 0, 100, 40).await;
    keep_house(&site, &store, NOON + 5 * DAY_SECONDS).await;
    site.spend(&store, 0, 100, 40).await;
    drop(store);
    let whole = fs::read(site.path()).unwrap();
    for (change, want) in [
        (
            "UPDATE pruned SET charged = charged - 1 WHERE token_id = 1",
            "token 1: used is 80 nanodollars, its ledger adds up to 79",
        ),
        (
            "UPDATE pruned SET granted = granted + 1 WHERE token_id = 0 AND user_id = 2",
            "user 2: granted is 10000000 ",
        ),
        ("DELETE FROM pruned", "token 2: granted is 1000000 nanodollars, its ledger adds up to 0"),
        (
            "UPDATE usage SET charged = 41 WHERE day = 20261124",
            "token 1: used is 80 nanodollars, its days add up to 81",
        ),
        ("UPDATE anchor SET hash = zeroblob(32)", "was changed, or the one before it"),
        ("UPDATE anchor SET seq = 1", "is missing"),
        ("DELETE FROM ledger WHERE outcome = 'rollup'", "is missing"),
    ] {
        fs::write(site.path(), &whole).unwrap();
        let sql = raw(site.path());
        sql.execute_batch("DROP TRIGGER ledger_loses_a_prefix_only").unwrap();
        assert!(sql.execute(change, []).unwrap() > 0, "{change} changes nothing");
        drop(sql);
        let drift = verify(site.path(), None).unwrap().drift;
        assert!(drift.iter().any(|line| line.contains(want)), "{change}: {drift:#?}");
    }
}

#[tokio::test]
async fn keeping_house_forgets_what_has_an_end() {
    let site = Site::new();
    let store = site.open().await;
    store
        .write(|txn| -> Result<(), Denied<()>> {
            let now = NOON * 1000;
            txn.sql().execute(
                "INSERT INTO idempotency VALUES (1, 'c', 'old', zeroblob(32), '[]', ?1), (1, 'c', 'new', zeroblob(32), '[]', ?2)",
                [now, now + DAY_SECONDS * 1000],
            )?;
            txn.sql().execute(
                "INSERT INTO keys VALUES (randomblob(32), 1, 0, -1), (randomblob(32), 1, 0, ?1)",
                [now],
            )?;
            Ok(())
        })
        .await
        .unwrap();
    keep_house(&site, &store, NOON + DAY_SECONDS + 60).await;
    assert_eq!(count(site.path(), "SELECT count(*) FROM idempotency"), 1);
    assert_eq!(count(site.path(), "SELECT count(*) FROM keys WHERE expires_at = -1"), 1);
    assert_eq!(count(site.path(), "SELECT count(*) FROM keys"), 1);
    assert_eq!(count(site.path(), "SELECT seq FROM anchor"), 0, "0 days keep all");
    site.assert_sound(&store);
}
