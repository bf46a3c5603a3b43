//! Starts after a kill: leftovers, kills during the recovery itself, and a log that is cut anywhere.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::*;

const SEED: u64 = 0x5741_4c21;
/// Places at which the log is cut.
#[cfg(not(feature = "long-proofs"))]
const CUTS: usize = 40;
#[cfg(feature = "long-proofs")]
const CUTS: usize = 300;

/// The files of a process that is killed now, in a place of their own.
pub(super) fn kill(site: &Site, store: &Store) -> Site {
    let _paused = pause(store);
    let (database, log) = files(site);
    left_with(site, &database, &log)
}

pub(super) fn files(site: &Site) -> (Vec<u8>, Vec<u8>) {
    let log = fs::read(open::with_suffix(site.path(), "-wal")).unwrap_or_default();
    (fs::read(site.path()).unwrap(), log)
}

pub(super) fn left_with(site: &Site, database: &[u8], log: &[u8]) -> Site {
    let left = Site::new();
    left.clock.set(site.clock.now());
    fs::write(left.path(), database).unwrap();
    fs::write(open::with_suffix(left.path(), "-wal"), log).unwrap();
    left
}

#[tokio::test]
async fn leftovers_are_settled_by_the_policy() {
    let site = Site::new();
    let store = site.open().await;
    site.spend(&store, 0, 100, 50).await;
    let mut open = Vec::new();
    for (token, amount) in [(0, 90), (1, 60), (2, 30), (2, 0)] {
        open.push(site.held(&store, token, amount).await);
    }
    let report = verify(site.path(), None).unwrap();
    assert_eq!((report.open_holds, report.drift.len()), (4, 0), "open holds are no drift");
    for (recovery, charged) in [(Recovery::Hold, 180), (Recovery::Floor, 60), (Recovery::Void, 0)] {
        let mut left = kill(&site, &store);
        left.settings.recovery = recovery;
        assert_eq!(
            verify(left.path(), None).unwrap().drift.len(),
            0,
            "open holds of a killed server are no drift"
        );
        // The next day: what was in flight belongs to its own.
        left.clock.set(Timestamp::from_secs(NOON + DAY_SECONDS));
        let store = left.open().await;
        let path = left.path();
        assert_eq!(count(path, "SELECT count(*) FROM holds"), 0);
        assert_eq!(count(path, "SELECT count(*) FROM ledger WHERE outcome = 'recovered'"), 4, "{recovery:?}");
        let recovered = "SELECT sum(charged) FROM ledger WHERE outcome = 'recovered' AND day = 20261124";
        assert_eq!(count(path, recovered), charged, "{recovery:?}");
        left.assert_sound(&store);
        let before = verify(path, None).unwrap();
        drop(store);
        let store = left.open().await;
        assert_eq!(verify(path, None).unwrap(), before, "a second start finds nothing to do");
        left.assert_sound(&store);
    }
}

#[tokio::test]
async fn a_settlement_that_was_not_committed_is_recovered_once() {
    let site = Site::new();
    let store = site.open().await;
    let held = site.held(&store, 0, 90).await;
    let paused = pause(&store);
    let ack = held.settle(costing(10));
    let (database, log) = files(&site);
    drop(paused);
    ack.durable().await.unwrap();
    let left = left_with(&site, &database, &log);
    let again = left.open().await;
    assert_eq!(count(left.path(), "SELECT charged FROM ledger WHERE outcome = 'recovered'"), 90);
    left.assert_sound(&again);
    site.assert_sound(&store);
}

#[tokio::test]
async fn a_kill_during_the_recovery_loses_and_repeats_nothing() {
    const HOLDS: i64 = 2_500;
    let site = Site::new();
    let store = site.open().await;
    let all: Vec<_> = (0..HOLDS).map(|n| reserve(&store, site.hold(0, 1 + n % 5))).collect();
    site.spend(&store, 1, 10, 5).await;
    let left = kill(&site, &store);
    drop(all);
    // The recovery as the start does it, with nothing moving the log meanwhile.
    let sql = open::open_writer(left.path(), Durability::Process).unwrap();
    sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let (recovered, _) =
        recover::settle_leftovers(&sql, Recovery::Hold, left.clock.now(), left.zone).unwrap();
    assert_eq!(recovered, 2_500);
    let (database, log) = files(&left);
    drop(sql);
    let mut dice = ChaCha20Rng::seed_from_u64(SEED);
    for cut in (0..12).map(|_| usize::try_from(dice.next_u32()).unwrap() % (log.len() + 1)) {
        let left = left_with(&site, &database, &log[..cut]);
        let store = left.open().await;
        let rows = count(left.path(), "SELECT count(*) FROM ledger WHERE outcome = 'recovered'");
        let charged = count(left.path(), "SELECT sum(charged) FROM ledger WHERE outcome = 'recovered'");
        assert_eq!((rows, charged), (HOLDS, HOLDS * 3), "seed {SEED}, cut at {cut}");
        left.assert_sound(&store);
    }
}

#[tokio::test]
async fn any_prefix_of_the_log_is_sound() {
    let site = Site::new();
    drop(site.open().await);
    let store = site.open().await;
    // A reader that stands at the empty log: until it goes, nothing is moved into the database.
    let reader = raw(site.path());
    reader.execute_batch("BEGIN").unwrap();
    reader.query_row("SELECT count(*) FROM users", [], |_| Ok(())).unwrap();
    let start = fs::read(site.path()).unwrap();

    let mut dice = ChaCha20Rng::seed_from_u64(SEED);
    let mut below = |end: i64| i64::from(dice.next_u32()) % end;
    let mut open: Vec<Reservation> = Vec::new();
    // The log's length when an answer could have been complete, and the request's id.
    let mut complete: Vec<(usize, RequestId)> = Vec::new();
    let log_length = || fs::metadata(open::with_suffix(site.path(), "-wal")).map_or(0, |meta| meta.len());
    for step in 0..400 {
        site.clock.set(Timestamp::from_secs(NOON + step * 600));
        if open.is_empty() || below(2) == 0 {
            open.push(site.held(&store, usize::try_from(below(3)).unwrap(), below(500)).await);
        } else {
            let at = usize::try_from(below(i64::try_from(open.len()).unwrap())).unwrap();
            let held = open.swap_remove(at);
            let id = held.hold().id;
            held.settle(costing(below(700))).durable().await.unwrap();
            complete.push((usize::try_from(log_length()).unwrap(), id));
        }
    }
    let paused = pause(&store);
    let (database, log) = files(&site);
    assert!(database == start, "the log alone has grown");
    drop((paused, reader));

    for number in 0..CUTS {
        let cut = if number == 0 { log.len() } else { usize::try_from(below(1 << 31)).unwrap() % log.len() };
        let mut rest = log[..cut].to_vec();
        if number % 4 == 3 {
            // What a file system may leave behind the last byte that was written.
            rest.resize(cut + 5_000, 0xa5);
        }
        let left = left_with(&site, &database, &rest);
        let verdict: String = {
            let copy = left_with(&site, &database, &rest);
            raw(copy.path()).query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(verdict, "ok", "seed {SEED}, cut at {cut}");
        let store = left.open().await;
        left.assert_sound(&store);
        let sql = raw(left.path());
        for (_, id) in complete.iter().filter(|(length, _)| *length <= cut) {
            assert_ne!(
                row_of(&sql, *id).outcome,
                "recovered",
                "seed {SEED}, cut at {cut}: a charge was lost"
            );
        }
    }
}
