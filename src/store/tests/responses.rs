//! Stored responses: whose they are, how long they live, and that none is known to a client before it is on disk.

use super::recovery::kill;
use super::*;
use crate::clock::Timestamp;
use crate::ids::ResponseId;
use crate::ledger::StoreFault;
use crate::store::responses::{SLICE, expire};
use crate::stored::{Shelf, StoredResponse};

fn id(text: &str) -> ResponseId {
    ResponseId::parse(text).unwrap()
}

fn made(site: &Site, token: usize, text: &str, channel: &str) -> StoredResponse {
    StoredResponse {
        id: id(text),
        token: TOKENS[token].0,
        channel: ChannelName(Arc::from(channel)),
        model: Arc::from("m-one"),
        made_at: site.clock.now(),
    }
}

/// The channel that the store names, to this token.
async fn channel(store: &Store, token: usize, text: &str) -> Option<String> {
    let found = store.find(TOKENS[token].0, id(text)).await.unwrap();
    found.map(|found| found.channel.as_str().to_owned())
}

fn rows(site: &Site) -> i64 {
    count(site.path(), "SELECT count(*) FROM responses")
}

async fn keep_house(site: &Site, store: &Store, now: i64) {
    site.clock.set(Timestamp::from_secs(now));
    for _ in 0..2 {
        store.write(|_| -> Result<(), Denied<()>> { Ok(()) }).await.unwrap();
    }
}

/// An id is the token's that had it first of that channel: who repeats it takes it from nobody and shows it to nobody.
#[tokio::test]
async fn a_response_is_its_tokens_alone() {
    let site = Site::new();
    let store = site.open().await;
    let first = made(&site, 0, "resp_1", "good");
    store.keep(first.clone()).durable().await.unwrap();
    assert_eq!(store.find(TOKENS[0].0, id("resp_1")).await.unwrap(), Some(first.clone()));
    // Of the same user, and of another.
    assert_eq!(channel(&store, 1, "resp_1").await, None);
    assert_eq!(channel(&store, 2, "resp_1").await, None);
    // The same channel gives the id again.
    store.keep(made(&site, 1, "resp_1", "good")).durable().await.unwrap();
    assert_eq!((channel(&store, 1, "resp_1").await, rows(&site)), (None, 1));
    // Another one gives it to both: it is asked about its own alone.
    store.keep(made(&site, 1, "resp_1", "other")).durable().await.unwrap();
    store.keep(made(&site, 0, "resp_1", "other")).durable().await.unwrap();
    site.clock.set(Timestamp::from_secs(NOON + 1));
    store.keep(made(&site, 0, "resp_1", "a third")).durable().await.unwrap();
    assert_eq!(channel(&store, 0, "resp_1").await.as_deref(), Some("good"));
    assert_eq!(channel(&store, 1, "resp_1").await.as_deref(), Some("other"));
    assert_eq!((channel(&store, 0, "RESP_1").await, rows(&site)), (None, 3));
    // Nobody forgets another one's.
    store.forget(StoredResponse { token: TOKENS[1].0, ..first.clone() }).await.unwrap();
    assert_eq!(rows(&site), 3);
    store.forget(first).await.unwrap();
    assert_eq!(channel(&store, 0, "resp_1").await.as_deref(), Some("a third"));
    site.assert_sound(&store);
}

/// It is told the writer before the settlement: whoever knows of the settlement finds it, also behind a kill.
#[tokio::test]
async fn it_is_on_disk_with_its_settlement() {
    let site = Site::new();
    let store = site.open().await;
    let held = site.held(&store, 0, 900).await;
    let paused = pause(&store);
    let kept = store.keep(made(&site, 0, "resp_1", "c"));
    let settled = held.settle(costing(700));
    drop(paused);
    settled.durable().await.unwrap();
    assert_eq!(channel(&store, 0, "resp_1").await.as_deref(), Some("c"));
    kept.durable().await.unwrap();
    let left = kill(&site, &store);
    let again = left.open().await;
    assert_eq!(channel(&again, 0, "resp_1").await.as_deref(), Some("c"));
    left.assert_sound(&again);
    store.close();
    let late = store.keep(made(&site, 0, "resp_2", "c")).durable().await;
    assert_eq!(late, Err(StoreFault::Closed));
}

#[tokio::test]
async fn it_lives_thirty_days() {
    let site = Site::new();
    let store = site.open().await;
    store.keep(made(&site, 0, "resp_1", "c")).durable().await.unwrap();
    site.clock.set(Timestamp::from_secs(NOON + 15 * DAY_SECONDS));
    store.keep(made(&site, 0, "resp_2", "c")).durable().await.unwrap();
    site.clock.set(Timestamp::from_secs(NOON + 30 * DAY_SECONDS));
    assert!(channel(&store, 0, "resp_1").await.is_some());
    // It is not found from the moment on at which its life is over, whenever its row goes.
    site.clock.set(Timestamp::from_millis((NOON + 30 * DAY_SECONDS) * 1000 + 1));
    assert!(channel(&store, 0, "resp_1").await.is_none() && channel(&store, 0, "resp_2").await.is_some());
    keep_house(&site, &store, NOON + 31 * DAY_SECONDS).await;
    assert_eq!(rows(&site), 1);
    assert!(channel(&store, 0, "resp_2").await.is_some());
    keep_house(&site, &store, NOON + 46 * DAY_SECONDS).await;
    assert_eq!(rows(&site), 0);
}

#[tokio::test]
async fn many_go_in_slices() {
    let site = Site::new();
    drop(site.open().await);
    let sql = raw(site.path());
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 15000)
      INSERT INTO responses SELECT 'resp_' || i, 'c', i % 3 + 1, 'm', i FROM n";
    sql.execute_batch(fill).unwrap();
    let month = |millis: i64| Timestamp::from_millis(30 * DAY_SECONDS * 1000 + millis);
    // The last that goes is number 14 000.
    let mut housekeeping = Housekeeping::new(0, month(14_001));
    let head = Head::read(&sql).unwrap();
    let mut rounds = 0;
    loop {
        housekeeping.run(&sql, head, month(14_001), site.zone).unwrap();
        rounds += 1;
        if !housekeeping.is_due(month(14_001)) {
            break;
        }
        assert_eq!(
            rows(&site),
            15_000 - rounds * i64::try_from(SLICE).unwrap(),
            "the rest does not wait for an hour"
        );
    }
    assert_eq!((rounds, rows(&site)), (8, 1_000));
    assert_eq!(count(site.path(), "SELECT min(made_at) FROM responses"), 14_001);
    assert_eq!(expire(&sql, month(14_001)).unwrap(), 0);
}

#[tokio::test]
async fn it_goes_with_its_token() {
    let site = Site::new();
    let store = site.open().await;
    for (token, name) in [(0, "resp_1"), (0, "resp_2"), (1, "resp_3")] {
        store.keep(made(&site, token, name, "c")).durable().await.unwrap();
    }
    let deleted = store.write(|txn| -> Result<(), Denied<()>> { Ok(tokens::delete(txn, TOKENS[0].0)?) });
    deleted.await.unwrap();
    assert_eq!((rows(&site), channel(&store, 1, "resp_3").await.is_some()), (1, true));
    // A stream that was running then: its token is gone, and nothing is left behind.
    store.keep(made(&site, 0, "resp_4", "c")).durable().await.unwrap();
    assert_eq!(rows(&site), 1);
    assert_clean(site.path());
}

/// None of the statements walks the table.
#[tokio::test]
async fn look_ups_are_by_an_index() {
    let site = Site::new();
    drop(site.open().await);
    let sql = raw(site.path());
    for statement in [
        include_str!("../sql/response_find.sql"),
        "DELETE FROM responses WHERE id = ?1 AND channel = ?2 AND +token_id = ?1",
        include_str!("../sql/responses_expire.sql"),
        include_str!("../sql/responses_of_token.sql"),
        include_str!("../sql/responses_strays.sql"),
    ] {
        let mut explain = sql.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
        let bound: &[i64] = &[1, 1, 1][..explain.parameter_count()];
        let plan =
            explain.query_map(rusqlite::params_from_iter(bound), |row| row.get::<_, String>(3)).unwrap();
        let plan: Vec<_> = plan.map(Result::unwrap).collect();
        assert!(plan.iter().any(|step| step.contains("SEARCH")), "{statement}: {plan:?}");
        assert!(!plan.iter().any(|step| step.starts_with("SCAN responses")), "{statement}: {plan:?}");
    }
}

#[tokio::test]
async fn a_row_of_nobodys_token_is_drift() {
    let site = Site::new();
    let store = site.open().await;
    store.keep(made(&site, 0, "resp_1", "c")).durable().await.unwrap();
    drop(store);
    assert_clean(site.path());
    let plant = "INSERT INTO responses VALUES ('resp_2', 'c', 9, 'm', 1), ('resp_3', 'c', 9, 'm', 1), ('x', 'c', 12, 'm', 1)";
    raw(site.path()).execute_batch(plant).unwrap();
    let drift = verify(site.path(), None).unwrap().drift;
    assert_eq!(drift, [9, 12].map(|token| format!("token {token} has stored responses but no record")));
}
