//! `verify`: silent where all adds up, at any moment; and each way of changing the books from outside is drift, and named.

use std::sync::atomic::AtomicBool;

use super::*;

/// A closed store with two days of requests, a refund, and nothing in flight.
async fn books(site: &Site) -> RequestId {
    let store = site.open().await;
    for n in 0..6 {
        site.spend(&store, n % 3, 100 + i64::try_from(n).unwrap(), 50).await;
    }
    site.clock.set(Timestamp::from_secs(NOON + DAY_SECONDS));
    let held = site.held(&store, 0, 200).await;
    let id = held.hold().id;
    held.settle(costing(120)).durable().await.unwrap();
    let row = row_of(&raw(site.path()), id);
    let note = format!("{id} because");
    store.write(move |txn| -> Result<RequestId, Denied<()>> { Ok(txn.refund(&row, note)?) }).await.unwrap();
    site.spend(&store, 2, 100, 30).await;
    site.assert_sound(&store);
    id
}

#[tokio::test]
async fn a_clean_ledger_proves_itself() {
    let site = Site::new();
    books(&site).await;
    let report = verify(site.path(), None).unwrap();
    assert_eq!((report.rows, report.open_holds, report.head.seq), (14, 0, 14));
    assert_eq!(report.head, Head::read(&raw(site.path())).unwrap());
    let store = site.open().await;
    let held = site.held(&store, 0, 10).await;
    let report = verify(site.path(), None).unwrap();
    assert_eq!((report.rows, report.open_holds, report.drift.len()), (14, 1, 0));
    drop(held);
}

/// What is done to the books, and what the proof must say of it.
const TAMPERINGS: [(&str, &str); 26] = [
    ("UPDATE tokens SET used = used + 1 WHERE id = 1", "token 1: used is 101 nanodollars, its ledger adds up to 100"),
    ("UPDATE tokens SET used = 0 WHERE id = 2", "token 2: used is 0 "),
    ("INSERT INTO spent VALUES (1, 5, 0) ON CONFLICT DO UPDATE SET charged = charged + 5", "token 1: used is 105 "),
    ("UPDATE tokens SET granted = granted + 1 WHERE id = 1", "token 1: granted is 1000001 "),
    ("UPDATE users SET used = used - 1 WHERE id = 2", "user 2: used is 129 "),
    ("UPDATE users SET granted = granted - 1 WHERE id = 2", "user 2: granted is 9999999 "),
    ("UPDATE usage SET charged = charged + 1 WHERE token_id = 1 AND day = 20261124", "usage of token 1 on 20261124"),
    ("UPDATE usage SET requests = requests - 1 WHERE token_id = 1 AND day = 20261124", "usage of token 1 on 20261124"),
    ("UPDATE usage SET input = input + 1 WHERE token_id = 1 AND day = 20261124", "usage of token 1 on 20261124"),
    ("UPDATE usage SET tool_calls = 7 WHERE token_id = 3", "usage of token 3 on 20261124"),
    ("UPDATE usage SET day = 20261123 WHERE token_id = 1 AND day = 20261124", "usage of token 1 on 20261123"),
    ("DELETE FROM usage WHERE token_id = 2", "usage of token 2 on 20261124 with \"m-one\" is missing"),
    ("UPDATE ledger SET charged = charged - 1 WHERE seq = 7", "ledger row 7 was changed"),
    ("UPDATE ledger SET outcome = 'void' WHERE seq = 8", "ledger row 8 was changed"),
    ("UPDATE ledger SET note = '' WHERE outcome = 'adjust'", "ledger row 13 was changed"),
    ("UPDATE ledger SET hash = zeroblob(32) WHERE seq = 14", "ledger row 14 was changed"),
    ("UPDATE ledger SET id = zeroblob(16) WHERE seq = 1", "ledger row 1 was changed"),
    ("DELETE FROM ledger WHERE seq = 7", "ledger row 7 is missing"),
    ("DELETE FROM ledger WHERE seq = 1", "ledger row 1 is missing"),
    ("DELETE FROM ledger WHERE seq = 14", "token 3: used is 130 nanodollars, its ledger adds up to 100"),
    ("DELETE FROM ledger", "token 1: used is 100 nanodollars, its ledger adds up to 0"),
    (
        "INSERT INTO ledger SELECT 15, id, at, token_id, user_id, day, model, channel, 'adjust', 0, 0, -charged, 0, 0, 'none',
           0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', hash FROM ledger WHERE seq = 14",
        "ledger row 15 was changed",
    ),
    ("DELETE FROM refunds", "ledger row 13 gives money back"),
    ("UPDATE refunds SET seq = 12", "ledger row 13 gives money back"),
    ("INSERT INTO refunds SELECT id, 14 FROM ledger WHERE seq = 14", "ledger row 14 gives nothing back"),
    ("UPDATE anchor SET seq = 1, hash = (SELECT hash FROM ledger WHERE seq = 1)", "user 1: granted is 10000000 "),
];

#[tokio::test]
async fn each_tampering_is_drift_and_named() {
    let site = Site::new();
    books(&site).await;
    let whole = fs::read(site.path()).unwrap();
    for (change, want) in TAMPERINGS {
        fs::write(site.path(), &whole).unwrap();
        let sql = raw(site.path());
        sql.execute_batch("DROP TRIGGER ledger_is_append_only; DROP TRIGGER ledger_loses_a_prefix_only")
            .unwrap();
        assert!(sql.execute(change, []).unwrap() > 0, "{change} changes nothing");
        drop(sql);
        let drift = verify(site.path(), None).unwrap().drift;
        assert!(drift.iter().any(|line| line.contains(want)), "{change}: {drift:#?}");
    }
    fs::write(site.path(), &whole).unwrap();
    assert_clean(site.path());
}

#[tokio::test]
async fn the_ledger_refuses_plain_tampering() {
    let site = Site::new();
    books(&site).await;
    let sql = raw(site.path());
    for change in [
        "UPDATE ledger SET charged = 0",
        "UPDATE ledger SET note = 'x' WHERE seq = 1",
        "DELETE FROM ledger WHERE seq = 14",
        "DELETE FROM ledger",
    ] {
        let refused = sql.execute(change, []).unwrap_err().to_string();
        assert!(refused.contains("append-only") || refused.contains("anchor"), "{change}: {refused}");
    }
    drop(sql);
    assert_clean(site.path());
}

#[tokio::test]
async fn only_a_head_that_was_kept_shows_a_forged_end() {
    let site = Site::new();
    let store = site.open().await;
    site.spend(&store, 0, 100, 50).await;
    let early = verify(site.path(), None).unwrap().head;
    site.spend(&store, 0, 100, 30).await;
    let late = verify(site.path(), None).unwrap().head;
    drop(store);
    for kept in [early, late, Head::default()] {
        let kept = Head::parse(&kept.spell());
        assert_eq!(verify(site.path(), kept).unwrap().drift, Vec::<String>::new());
    }
    let sql = raw(site.path());
    sql.execute_batch(
        "DROP TRIGGER ledger_loses_a_prefix_only; DELETE FROM ledger WHERE seq = 7;
         UPDATE spent SET charged = 50 WHERE token_id = 1; UPDATE users SET used = 50 WHERE id = 1;
         UPDATE usage SET charged = 50, requests = 1, input = 50, output = 1",
    )
    .unwrap();
    drop(sql);
    assert_clean(site.path());
    assert_eq!(verify(site.path(), Some(early)).unwrap().drift.len(), 0);
    let drift = verify(site.path(), Some(late)).unwrap().drift;
    assert!(drift[0].contains("no row 7"), "{drift:?}");
    // Written anew, with the same sums: the hash tells.
    let store = site.open().await;
    site.spend(&store, 0, 100, 30).await;
    drop(store);
    let drift = verify(site.path(), Some(late)).unwrap().drift;
    assert!(drift.len() == 1 && drift[0].contains("the head kept was 7:"), "{drift:?}");
}

/// The books grow, days pass and old rows go, while they are proved over and over.
#[test]
fn a_proof_beside_a_running_writer_finds_no_drift() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut site = Site::new();
    site.settings.retention_days = 2;
    let store = runtime.block_on(site.open());
    let done = AtomicBool::new(false);
    let proofs = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let prover = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let report = verify(site.path(), None).unwrap();
                assert_eq!(report.drift, Vec::<String>::new());
                proofs.fetch_add(1, Ordering::AcqRel);
            }
        });
        let load = async {
            let mut now = NOON;
            // Until a few dozen proofs were made, and a few weeks have gone by.
            while (proofs.load(Ordering::Acquire) < 25 || now < NOON + 20 * DAY_SECONDS)
                && !prover.is_finished()
            {
                now += 5_000;
                site.clock.set(Timestamp::from_secs(now));
                let burst: Vec<_> = (0..30).map(|n| reserve(&store, site.hold(n % 3, 20))).collect();
                for pending in burst {
                    drop(pending.durable(PATIENCE).await.unwrap().settle(costing(7)));
                }
                refill(&store).await;
            }
        };
        runtime.block_on(load);
        done.store(true, Ordering::Release);
    });
    assert!(count(site.path(), "SELECT seq FROM anchor") > 0, "old rows went meanwhile");
    site.assert_sound(&store);
}

/// Grants what the load may spend next.
async fn refill(store: &Store) {
    let grant = |txn: &mut Txn<'_>| -> Result<(), Denied<()>> {
        for (token, user) in TOKENS {
            txn.grant_token(token, user, nanos(500))?;
            txn.grant_user(user, nanos(1_000))?;
        }
        Ok(())
    };
    store.write(grant).await.unwrap();
}
