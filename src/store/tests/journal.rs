//! What the writer makes of holds, settlements and changes.

use futures_util::future::join_all;

use super::*;
use crate::ledger::StoreFault;

#[tokio::test]
async fn a_request_leaves_one_row_and_its_sums() {
    let site = Site::new();
    let store = site.open().await;
    let held = site.held(&store, 0, 900).await;
    let id = held.hold().id;
    assert_eq!(count(site.path(), "SELECT amount FROM holds"), 900);
    assert_eq!(store.books.lock().held(), nanos(900));
    held.settle(costing(700)).durable().await.unwrap();
    let sql = raw(site.path());
    let row = row_of(&sql, id);
    assert_eq!((row.token_id, row.user_id, row.day, &*row.model), (1, 1, 20_261_124, "m-one"));
    assert_eq!((row.held, row.charged, row.overrun, &*row.outcome), (900, 700, 0, "ok"));
    assert_eq!((row.usage[0], row.usage[4], &*row.usage_source), (700, 1, "provider"));
    assert_eq!(count(site.path(), "SELECT count(*) FROM holds"), 0);
    assert_eq!(used_by_token(site.path(), 1), 700);
    assert_eq!(count(site.path(), "SELECT used FROM users WHERE id = 1"), 700);
    assert_eq!(count(site.path(), "SELECT requests * 100000 + charged + input FROM usage"), 101_400);
    assert_eq!(count(site.path(), "SELECT accessed_at FROM spent WHERE token_id = 1"), NOON * 1000);
    assert_eq!(Head::read(&sql).unwrap().seq, count(site.path(), "SELECT count(*) FROM ledger"));
    site.assert_sound(&store);
}

#[tokio::test]
async fn a_settlement_that_is_repeated_changes_nothing() {
    let site = Site::new();
    let store = site.open().await;
    let hold = site.hold(0, 500);
    let held = reserve(&store, hold.clone()).durable(PATIENCE).await.unwrap();
    held.settle(costing(300)).durable().await.unwrap();
    let before = verify(site.path(), None).unwrap();
    let again = crate::ledger::Settled {
        hold,
        settlement: costing(300),
        charged: nanos(300),
        overrun: Money::ZERO,
        taken: nanos(500),
        at: site.clock.now(),
    };
    crate::ledger::Journal::settle(&Inbox(Arc::clone(&store.queue)), again).durable().await.unwrap();
    assert_eq!(verify(site.path(), None).unwrap(), before);
    site.assert_sound(&store);
}

#[tokio::test]
async fn a_thousand_requests_at_once_share_commits() {
    let site = Site::new();
    let store = site.open().await;
    let paused = pause(&store);
    let holds: Vec<_> =
        (0..900).map(|n| reserve(&store, site.hold(n % 3, 100 + i64::from(n % 7 == 0)))).collect();
    let before = commits_in_log(site.path());
    drop(paused);
    let held = join_all(holds.into_iter().map(|held| held.durable(PATIENCE))).await;
    assert!(commits_in_log(site.path()) <= before + 2, "900 holds wait, so they share a commit");
    let settle = |(n, held): (i64, Result<Reservation, StoreFault>)| held.unwrap().settle(costing(n % 101));
    let acks: Vec<_> = (0..).zip(held).map(settle).collect();
    for ack in acks {
        ack.durable().await.unwrap();
    }
    assert_eq!(count(site.path(), "SELECT sum(requests) FROM usage"), 900);
    site.assert_sound(&store);
}

/// Commits in the write-ahead log: frames whose header names the size of the database.
fn commits_in_log(database: &Path) -> usize {
    let log = fs::read(open::with_suffix(database, "-wal")).unwrap_or_default();
    let salts = log.get(16..24).unwrap_or_default();
    let frames = log.get(32..).unwrap_or_default().chunks(24 + 4096);
    frames.filter(|frame| frame.len() > 24 && &frame[8..16] == salts && frame[4..8] != [0; 4]).count()
}

/// I8: whenever the writer stands still, memory has used and holds as much as the disk, or more; when all is quiet, the same.
#[tokio::test]
async fn memory_never_shows_more_room_than_the_disk() {
    use rand_chacha::ChaCha20Rng;
    use rand_core::{Rng, SeedableRng};
    const SEED: u64 = 0x4938;
    let site = Site::new();
    let store = site.open().await;
    let mut dice = ChaCha20Rng::seed_from_u64(SEED);
    let mut below = |end: usize| usize::try_from(dice.next_u32()).unwrap() % end;
    let mut pending: Vec<PendingReservation> = Vec::new();
    let mut open: Vec<Reservation> = Vec::new();
    for round in 0..60 {
        for _ in 0..below(40) {
            match below(5) {
                0 | 1 => {
                    pending.push(reserve(&store, site.hold(below(3), i64::try_from(below(900)).unwrap())));
                }
                2 if !pending.is_empty() => {
                    open.push(pending.swap_remove(below(pending.len())).durable(PATIENCE).await.unwrap());
                }
                3 if !open.is_empty() => {
                    let held = open.swap_remove(below(open.len()));
                    drop(held.settle(costing(i64::try_from(below(1_200)).unwrap())));
                }
                _ => drop(pending.pop()),
            }
        }
        let paused = pause(&store);
        let sql = raw(site.path());
        for (token, _) in TOKENS {
            let (_, used) = sums(&sql, TOKEN_SUMS, token.0);
            let (_, held) =
                sums(&sql, "SELECT 0, coalesce(sum(amount), 0) FROM holds WHERE token_id = ?1", token.0);
            let memory = store.books.lock().token(token, site.windows()).unwrap().total;
            let (shown, there) = (memory.used.checked_add(memory.held), used.checked_add(held));
            assert!(shown >= there, "seed {SEED}, round {round}: {memory:?}, the disk {used:?} and {held:?}");
        }
        drop(paused);
    }
    drop((pending, open));
    store.write(|_| -> Result<(), Denied<()>> { Ok(()) }).await.unwrap();
    site.assert_sound(&store);
}

#[tokio::test]
async fn a_hold_that_the_schema_refuses_is_refused_alone() {
    let site = Site::new();
    let store = site.open().await;
    let paused = pause(&store);
    let good = site.hold(0, 10);
    let twin = Hold { id: good.id, ..site.hold(1, 20) };
    let upside_down = Hold { floor: nanos(31), ..site.hold(2, 30) };
    let other = site.hold(2, 40);
    let pending = [good, twin, upside_down, other].map(|hold| reserve(&store, hold));
    assert_eq!(store.books.lock().held(), nanos(100));
    drop(paused);
    let [good, twin, upside_down, other] = pending.map(|pending| pending.durable(PATIENCE));
    assert_eq!(twin.await.err(), Some(StoreFault::Refused));
    assert_eq!(upside_down.await.err(), Some(StoreFault::Refused));
    let (good, other) = (good.await.unwrap(), other.await.unwrap());
    assert_eq!(store.books.lock().held(), nanos(50));
    good.settle(costing(10)).durable().await.unwrap();
    other.settle(costing(10)).durable().await.unwrap();
    site.assert_sound(&store);
}

#[tokio::test]
async fn what_is_dropped_ends_by_itself() {
    let site = Site::new();
    let store = site.open().await;
    drop(reserve(&store, site.hold(0, 30)));
    drop(site.held(&store, 0, 60).await);
    let mut sent = site.held(&store, 0, 90).await;
    let id = sent.hold().id;
    sent.dispatch();
    drop(sent);
    // First in, first out: what comes back from the writer now came behind the three.
    site.spend(&store, 1, 10, 5).await;
    let row = row_of(&raw(site.path()), id);
    assert_eq!((row.charged, &*row.outcome), (30, "client_gone"));
    assert_eq!(count(site.path(), "SELECT count(*) FROM ledger WHERE outcome = 'void' AND charged = 0"), 2);
    site.assert_sound(&store);
}

#[tokio::test]
async fn a_change_that_is_refused_is_undone_alone() {
    let site = Site::new();
    let store = site.open().await;
    let (one, two) = (site.held(&store, 0, 50).await, site.held(&store, 1, 50).await);
    let paused = pause(&store);
    let first = one.settle(costing(20));
    let refused = store.write(|txn| -> Result<(), Denied<&str>> {
        txn.grant_token(TokenId(1), UserId(1), nanos(777))?;
        txn.sql().execute("UPDATE users SET name = 'changed'", [])?;
        Err(Denied::Refused("no"))
    });
    let broken = store.write(|txn| -> Result<(), Denied<()>> {
        txn.grant_token(TokenId(2), UserId(1), nanos(777))?;
        txn.sql().execute("UPDATE users SET role = 'king'", [])?;
        Ok(())
    });
    let kept = store.write(|txn| -> Result<i64, Denied<()>> {
        txn.grant_token(TokenId(3), UserId(2), nanos(5))?;
        Ok(Head::read(txn.sql())?.seq)
    });
    let ((refused, broken, kept), second) = {
        let changes = async { tokio::join!(refused, broken, kept) };
        let rest = async {
            let ack = two.settle(costing(30));
            drop(paused);
            ack.durable().await
        };
        tokio::join!(changes, rest)
    };
    assert!(matches!(refused, Err(WriteFault::Refused("no"))), "{refused:?}");
    assert!(matches!(broken, Err(WriteFault::Store(StoreFault::Refused))), "{broken:?}");
    first.durable().await.unwrap();
    second.unwrap();
    assert_eq!(kept.unwrap(), 7, "five grants, one settlement, and none of what was refused");
    assert_eq!(count(site.path(), "SELECT count(*) FROM users WHERE name = 'changed'"), 0);
    assert_eq!(count(site.path(), "SELECT count(*) FROM ledger WHERE granted = 777"), 0);
    site.assert_sound(&store);
}

#[tokio::test]
async fn a_change_that_fails_for_reasons_of_its_own_fails_alone() {
    let site = Site::new();
    let store = site.open().await;
    let nobody = store
        .write(|txn| -> Result<i64, Denied<()>> {
            txn.grant_token(TokenId(1), UserId(1), nanos(777))?;
            Ok(txn.sql().query_row("SELECT id FROM users WHERE id = 99", [], |row| row.get(0))?)
        })
        .await;
    assert!(matches!(nobody, Err(WriteFault::Store(StoreFault::Refused))), "{nobody:?}");
    let misspelt = store
        .write(|txn| -> Result<usize, Denied<()>> { Ok(txn.sql().execute("DELETE FROM uzers", [])?) })
        .await;
    assert!(matches!(misspelt, Err(WriteFault::Store(StoreFault::Refused))), "{misspelt:?}");
    site.spend(&store, 0, 10, 5).await;
    site.assert_sound(&store);
}

#[tokio::test]
async fn a_refund_gives_back_once_on_its_own_day() {
    let site = Site::new();
    let store = site.open().await;
    let held = site.held(&store, 0, 500).await;
    let id = held.hold().id;
    held.settle(costing(300)).durable().await.unwrap();
    site.spend(&store, 0, 500, 40).await;
    site.clock.set(Timestamp::from_secs(NOON + DAY_SECONDS));
    // What a provider billed beyond is not given back: it was not charged.
    let row = chain::LedgerRow { overrun: 5, ..row_of(&raw(site.path()), id) };
    let refund = |row: chain::LedgerRow| {
        move |txn: &mut Txn<'_>| -> Result<RequestId, Denied<()>> {
            Ok(txn.refund(&row, "x because".into())?)
        }
    };
    let adjust = row_of(&raw(site.path()), store.write(refund(row.clone())).await.unwrap());
    assert_eq!((&*adjust.outcome, adjust.charged, adjust.day), ("adjust", -300, row.day));
    assert_eq!(adjust.at, (NOON + DAY_SECONDS) * 1000);
    assert_eq!((adjust.attempts, adjust.held, adjust.overrun, adjust.granted), (0, 0, 0, 0));
    assert_eq!((&*adjust.usage_source, adjust.note.as_str()), ("none", "x because"));
    assert_eq!(adjust.usage, [0; crate::usage::Usage::KINDS]);
    let again = store.write(refund(row.clone())).await;
    assert!(matches!(again, Err(WriteFault::Store(StoreFault::Refused))), "{again:?}");
    assert_eq!(used_by_token(site.path(), 1), 40);
    assert_eq!(count(site.path(), "SELECT sum(charged) FROM usage WHERE day = 20261124"), 40);
    assert_eq!(count(site.path(), "SELECT requests FROM usage WHERE day = 20261124"), 2);
    assert_eq!(count(site.path(), "SELECT count(*) FROM usage WHERE day <> 20261124"), 0);
    let windows = row.day;
    let day = Day::from_key(windows);
    let figures = store.books.lock().token(TokenId(1), Windows { day, month: day.month() }).unwrap();
    assert_eq!((figures.day.used, figures.month.used, figures.total.used), (nanos(40), nanos(40), nanos(40)));
    site.assert_sound(&store);
}

#[tokio::test]
async fn a_refund_below_zero_is_refused_alone() {
    let site = Site::new();
    let store = site.open().await;
    let held = site.held(&store, 0, 500).await;
    let id = held.hold().id;
    held.settle(costing(300)).durable().await.unwrap();
    let row = row_of(&raw(site.path()), id);
    let forged = chain::LedgerRow { charged: 301, ..row };
    let refund =
        store.write(move |txn| -> Result<RequestId, Denied<()>> { Ok(txn.refund(&forged, String::new())?) });
    let refund = refund.await;
    assert!(matches!(refund, Err(WriteFault::Store(StoreFault::Refused))), "{refund:?}");
    site.assert_sound(&store);
}

#[tokio::test]
async fn a_closed_store_refuses() {
    let site = Site::new();
    let store = site.open().await;
    site.spend(&store, 0, 10, 5).await;
    store.close();
    let late = reserve(&store, site.hold(0, 10));
    assert_eq!(late.durable(PATIENCE).await.err(), Some(StoreFault::Closed));
    let change = store.write(|_| -> Result<(), Denied<()>> { Ok(()) }).await;
    assert!(matches!(change, Err(WriteFault::Store(StoreFault::Closed))));
    assert!(!open::with_suffix(site.path(), "-wal").exists(), "the log was moved into the database");
    assert_clean(site.path());
}
