//! The token API end to end on a database of its own, without HTTP.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::catalogue::{Catalogue, Groups};
use crate::channels::Roster;
use crate::directory::{Supply, Unpriced};
use crate::ids::{ChannelName, RequestId};
use crate::ledger::{Hold, Outcome, Settlement, UsageSource};
use crate::money::Money;
use crate::store::{Durability, Recovery, Settings, admins, load};
use crate::telemetry::Metrics;
use crate::tokens::identify;
use crate::usage::{TokenCount, Usage};

const NOW: i64 = 1_795_500_000;

struct Fixture {
    desk: Desk,
    store: Arc<Store>,
    directory: Arc<Directory>,
    clock: Clock,
    path: PathBuf,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        assert_eq!(self.store.books().lock().held(), Money::ZERO);
        self.store.close();
        let report = crate::store::verify(&self.path, None);
        if !std::thread::panicking() {
            assert_eq!(report.unwrap().drift, Vec::<String>::new());
        }
        drop(std::fs::remove_dir_all(self.path.parent().unwrap()));
    }
}

/// A directory of no tokens, models and channels.
fn directory() -> Arc<Directory> {
    Arc::new(Directory::new(Supply {
        catalogue: Arc::new(Catalogue::default()),
        roster: Roster::new(Vec::new()),
        groups: Groups::default(),
        unpriced: Unpriced::Refused,
    }))
}

impl Fixture {
    async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tollgate-api-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let root = std::env::temp_dir().join(name);
        // What a process of the same number left behind that was killed.
        drop(std::fs::remove_dir_all(&root));
        let path = root.join("t.db");
        let clock = Clock::manual(crate::clock::Timestamp::from_secs(NOW));
        let zone = Zone("UTC".parse().unwrap());
        let directory = directory();
        let settings = Settings {
            path: path.clone(),
            durability: Durability::Process,
            recovery: Recovery::Hold,
            retention_days: 0,
        };
        let metrics = Arc::new(Metrics::new(directory.every_model()));
        let store = Arc::new(Store::open(&settings, &directory, &clock, zone, &metrics).unwrap());
        let desk = Desk::new(DeskParts {
            store: Arc::clone(&store),
            directory: Arc::clone(&directory),
            clock: clock.clone(),
            zone,
            mint: KeyMint::try_new().unwrap(),
            management_rpm: 0,
        });
        let key = desk.mint();
        store.write::<_, (), _>(move |txn| Ok(admins::first_start(txn, &key)?)).await.unwrap();
        Self { desk, store, directory, clock, path }
    }

    async fn call_as(&self, caller: Caller, once: Option<&str>, line: &str, body: &str) -> (u16, Value) {
        let (method, target) = line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let call = Call {
            method,
            path,
            query,
            body: body.as_bytes(),
            idempotency_key: once.map(str::as_bytes),
            language: Language::English,
            caller,
            origin: "local",
        };
        let answer = self.desk.answer(call).await;
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    async fn call(&self, line: &str, body: &str) -> (u16, Value) {
        self.call_as(Caller::local(), None, line, body).await
    }

    async fn ok(&self, line: &str, body: &str) -> Value {
        let (status, answer) = self.call(line, body).await;
        assert_eq!(status, 200, "{line} {body}: {answer}");
        answer["data"].clone()
    }

    fn caller(&self, key: &Value) -> Option<Caller> {
        let key = Key::parse(key.as_str().unwrap().as_bytes()).unwrap();
        identify(self.directory.as_ref(), &key, self.clock.now()).ok()
    }

    /// A request of token `id` of `user` that costs `nanos`; its row's id.
    async fn spend(&self, id: i64, user: i64, nanos: i64) -> String {
        let now = self.clock.now();
        let hold = Hold {
            id: RequestId::mint(now),
            token: TokenId(id),
            user: UserId(user),
            amount: Money::from_nanos(nanos),
            floor: Money::ZERO,
            windows: self.desk.zone.windows(now),
            model: Arc::from("m"),
            channel: ChannelName(Arc::from("c")),
            admitted_at: now,
        };
        let request = hold.id.to_string();
        let pending = self.store.books().reserve(&mut self.store.books().lock(), hold).unwrap();
        let reservation = pending.durable(std::time::Duration::from_secs(5)).await.unwrap();
        let usage = Usage { input: TokenCount::clamped(3), ..Usage::default() };
        let settlement = Settlement {
            outcome: Outcome::Ok,
            cost: Money::from_nanos(nanos),
            usage,
            source: UsageSource::Provider,
            attempts: 1,
        };
        reservation.settle(settlement).durable().await.unwrap();
        request
    }
}

#[tokio::test]
async fn a_token_lives_its_life() {
    let f = Fixture::new().await;
    let made = f.ok("POST /v1/tokens", r#"{"name":"a","remain_quota":500000}"#).await;
    let (id, key) = (made["id"].as_i64().unwrap(), made["key"].clone());
    assert_eq!((made["remain_credits"].as_i64(), made["status"].as_i64()), (Some(200), Some(1)));
    assert!(f.caller(&key).is_some());
    let one = format!("/v1/tokens/{id}");
    let shown = f.ok(&format!("GET {one}"), "").await;
    assert!(shown.get("key").is_none() && shown["fingerprint"] == made["fingerprint"]);

    f.spend(id, 1, 2_001).await;
    let shown = f.ok(&format!("GET {one}"), "").await;
    assert_eq!((shown["used_quota"].as_i64(), shown["remain_quota"].as_i64()), (Some(2), Some(499_998)));
    assert_eq!(
        (shown["daily_used_quota"].as_i64(), shown["monthly_used_quota"].as_i64()),
        (Some(2), Some(2))
    );

    let (status, answer) = f.call(&format!("POST {one}/credit"), r#"{"quota":-500000}"#).await;
    assert!(status == 400 && answer["message"].as_str().unwrap().contains("199.9992 credits (499998 quota)"));
    let shown = f.ok(&format!("POST {one}/credit"), r#"{"credits":-199.9992}"#).await;
    assert_eq!((shown["remain_quota"].as_i64(), shown["status"].as_i64()), (Some(0), Some(4)));
    let shown = f.ok(&format!("POST {one}/credit"), r#"{"credits":50}"#).await;
    assert_eq!((shown["remain_credits"].as_f64(), shown["status"].as_i64()), (Some(50.0), Some(1)));

    let rotated = f.ok(&format!("POST {one}/rotate"), r#"{"grace_seconds":60}"#).await;
    assert!(f.caller(&key).is_some() && f.caller(&rotated["key"]).is_some());
    let again = f.ok(&format!("POST {one}/rotate"), r#"{"grace_seconds":60}"#).await;
    assert!(f.caller(&key).is_none() && f.caller(&rotated["key"]).is_some());
    assert_ne!(again["fingerprint"], rotated["fingerprint"]);
    f.ok(&format!("POST {one}/rotate"), "").await;
    assert!(f.caller(&again["key"]).is_none() && f.caller(&rotated["key"]).is_none());

    let disabled =
        f.ok(&format!("PATCH {one}"), r#"{"status":2,"name":"b","metadata":{"z":"1","a":"2"}}"#).await;
    assert_eq!((disabled["status"].as_i64(), disabled["name"].as_str()), (Some(2), Some("b")));
    assert_eq!(disabled["metadata"], json!({"z":"1","a":"2"}));
    f.ok(&format!("DELETE {one}"), "").await;
    for line in [format!("GET {one}"), format!("DELETE {one}"), format!("PATCH {one}")] {
        assert_eq!(f.call(&line, "{}").await.0, 404, "{line}");
    }
    let rows = f.ok(&format!("GET /v1/ledger?token_id={id}"), "").await;
    assert_eq!(rows["total"].as_i64(), Some(4));
}

#[tokio::test]
async fn what_an_unlimited_token_used_is_granted_when_that_ends() {
    let f = Fixture::new().await;
    let made = f.ok("POST /v1/tokens", r#"{"name":"u","unlimited_quota":true}"#).await;
    let id = made["id"].as_i64().unwrap();
    f.spend(id, 1, 6_000).await;
    let shown = f.ok(&format!("POST /v1/tokens/{id}/credit"), r#"{"quota":10}"#).await;
    assert_eq!((shown["remain_quota"].as_i64(), shown["used_quota"].as_i64()), (Some(10), Some(3)));
    f.spend(id, 1, 40_000).await;
    let shown = f.ok(&format!("PATCH /v1/tokens/{id}"), r#"{"unlimited_quota":false}"#).await;
    assert_eq!((shown["remain_quota"].as_i64(), shown["status"].as_i64()), (Some(0), Some(4)));
    let shown = f.ok(&format!("POST /v1/tokens/{id}/credit"), r#"{"quota":1}"#).await;
    assert_eq!((shown["remain_quota"].as_i64(), shown["status"].as_i64()), (Some(1), Some(1)));
}

#[tokio::test]
async fn a_repeated_call_does_nothing_a_second_time() {
    let f = Fixture::new().await;
    let again = |line: &'static str, body: &'static str| f.call_as(Caller::local(), Some("k"), line, body);
    let body = r#"{"name":"a","expired_time":1795500001}"#;
    let (status, first) = again("POST /v1/tokens", body).await;
    assert_eq!(status, 200, "{first}");
    // The repeat is told apart even when the body would not be good any more.
    f.clock.set(crate::clock::Timestamp::from_secs(NOW + 5));
    let (status, second) = again("POST /v1/tokens", body).await;
    assert_eq!((status, second["code"].as_str()), (409, Some("already_created")));
    assert_eq!((&second["data"]["id"], second["data"].get("key")), (&first["data"]["id"], None));
    let (status, other) = again("POST /v1/tokens", r#"{"name":"b"}"#).await;
    assert_eq!((status, other["code"].as_str()), (409, Some("idempotency_conflict")));
    // Another path, and a failure, are not recorded under it.
    let (status, _) = again("POST /v1/tokens/2/credit", r#"{"quota":0}"#).await;
    assert_eq!(status, 400);
    assert_eq!(again("POST /v1/tokens/2/credit", r#"{"quota":5}"#).await.0, 200);
    let (status, answer) = again("POST /v1/tokens/2/credit", r#"{"quota":5}"#).await;
    assert_eq!((status, answer["code"].as_str()), (409, Some("already_applied")));
    assert_eq!(answer["data"]["remain_quota"].as_i64(), Some(5));
    f.clock.set(crate::clock::Timestamp::from_secs(NOW + 24 * 3_600 + 6));
    assert_eq!(again("POST /v1/tokens/2/credit", r#"{"quota":5}"#).await.0, 200);
    let (_, users) = again("POST /v1/users", r#"{"name":"u"}"#).await;
    let (_, repeat) = again("POST /v1/users", r#"{"name":"u"}"#).await;
    assert_eq!((&repeat["data"], repeat["code"].as_str()), (&users["data"], Some("already_created")));
}

#[tokio::test]
async fn batches_are_all_or_none() {
    let f = Fixture::new().await;
    let long = "x".repeat(51);
    let (status, answer) = f
        .call("POST /v1/tokens/batch", &json!({"tokens": [{"name": "a"}, {"name": long}]}).to_string())
        .await;
    assert_eq!((status, answer["code"].as_str()), (400, Some("token_name_too_long")));
    assert!(answer["message"].as_str().unwrap().starts_with("tokens[1].name"));
    let (status, answer) =
        f.call("POST /v1/tokens/batch", r#"{"tokens":[{"name":"a"},{"name":"b","user_id":9}]}"#).await;
    assert!(status == 400 && answer["message"].as_str().unwrap().starts_with("tokens[1].user_id"));
    let made = f.ok("POST /v1/tokens/batch", r#"{"tokens":[{"name":"a"},{"name":"b"}]}"#).await;
    let names: Vec<&str> = made.as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b"]);
    let ids = [made[0]["id"].as_i64().unwrap(), made[1]["id"].as_i64().unwrap()];
    let bad = json!({"ids": [ids[0], 99]}).to_string();
    for line in ["POST /v1/tokens/batch/delete", "POST /v1/tokens/batch/disable"] {
        let (status, answer) = f.call(line, &bad).await;
        assert!(status == 404 && answer["message"].as_str().unwrap().starts_with("ids[1]"), "{answer}");
    }
    let shown = f.ok("POST /v1/tokens/batch/disable", &json!({ "ids": ids }).to_string()).await;
    assert_eq!((shown[0]["status"].as_i64(), shown[1]["id"].as_i64()), (Some(2), Some(ids[1])));
    f.ok("POST /v1/tokens/batch/delete", &json!({ "ids": ids }).to_string()).await;
    assert_eq!(f.ok("GET /v1/tokens", "").await["total"].as_i64(), Some(1));
}

#[tokio::test]
async fn a_member_sees_only_what_is_its_own() {
    let f = Fixture::new().await;
    let user = f.ok("POST /v1/users", r#"{"name":"m","remain_credits":10}"#).await["id"].clone();
    let made = f
        .ok("POST /v1/tokens", &json!({"name": "m", "user_id": user, "scopes": ["manage"]}).to_string())
        .await;
    let member = f.caller(&made["key"]).unwrap();
    let as_member = |line: &'static str, body: &'static str| f.call_as(member.clone(), None, line, body);
    assert_eq!(as_member("GET /v1/tokens/1", "").await.0, 404);
    assert_eq!(as_member("POST /v1/tokens/1/credit", r#"{"quota":5}"#).await.0, 404);
    assert_eq!(as_member("POST /v1/tokens/batch/delete", r#"{"ids":[1]}"#).await.0, 404);
    assert_eq!(as_member("GET /v1/tokens", "").await.1["data"]["total"].as_i64(), Some(1));
    assert_eq!(as_member("GET /v1/ledger", "").await.1["data"]["total"].as_i64(), Some(1));
    for (line, body) in [
        ("GET /v1/users", ""),
        ("POST /v1/tokens", r#"{"name":"x","user_id":1}"#),
        ("POST /v1/tokens", r#"{"name":"x","scopes":["manage"]}"#),
    ] {
        let (status, answer) = as_member(line, body).await;
        assert_eq!((status, answer["error"]["type"].as_str()), (403, Some("permission_error")), "{line}");
    }
    let (_, mine) = as_member("POST /v1/tokens", r#"{"name":"x","unlimited_quota":true}"#).await;
    assert_eq!(mine["data"]["user_id"], user);
    let balance = f.call_as(f.caller(&mine["data"]["key"]).unwrap(), None, "GET /user/balance", "").await.1;
    assert_eq!(balance["remain_balance"].as_f64(), Some(0.05));
    f.ok(&format!("PATCH /v1/users/{user}"), r#"{"status":2}"#).await;
    assert!(f.caller(&mine["data"]["key"]).is_none());
}

#[tokio::test]
async fn an_administrator_always_remains() {
    let f = Fixture::new().await;
    for (line, body) in [
        ("DELETE /v1/tokens/1", ""),
        ("PATCH /v1/tokens/1", r#"{"status":2}"#),
        ("PATCH /v1/tokens/1", r#"{"scopes":["inference"]}"#),
        ("PATCH /v1/tokens/1", r#"{"expired_time":1795600000}"#),
        ("POST /v1/tokens/batch/delete", r#"{"ids":[1]}"#),
        ("POST /v1/tokens/batch/disable", r#"{"ids":[1]}"#),
        ("PATCH /v1/users/1", r#"{"status":2}"#),
        ("PATCH /v1/users/1", r#"{"role":"member"}"#),
    ] {
        let (status, answer) = f.call(line, body).await;
        assert_eq!((status, answer["success"].as_bool()), (400, Some(false)), "{line} {body}: {answer}");
    }
    f.ok("POST /v1/tokens", r#"{"name":"second","scopes":["manage"]}"#).await;
    f.ok("DELETE /v1/tokens/1", "").await;
    assert_eq!(f.call("DELETE /v1/tokens/2", "").await.0, 400);
}

#[tokio::test]
async fn a_charge_is_given_back_once() {
    let f = Fixture::new().await;
    let made = f.ok("POST /v1/tokens", r#"{"name":"a","remain_quota":10,"daily_quota":5}"#).await;
    let id = made["id"].as_i64().unwrap();
    let request = f.spend(id, 1, 4_000).await;
    let line = format!("POST /v1/ledger/{request}/refund");
    let row = f.ok(&line, r#"{"reason":"sorry"}"#).await;
    assert_eq!((row["outcome"].as_str(), row["charged_usd"].as_f64()), (Some("adjust"), Some(-0.000004)));
    assert_eq!((row["refund_of"].as_str(), row["note"].as_str()), (Some(&*request), Some("sorry")));
    let (status, answer) = f.call(&line, r#"{"reason":"sorry"}"#).await;
    assert_eq!((status, answer["code"].as_str()), (409, Some("already_refunded")));
    let shown = f.ok(&format!("GET /v1/tokens/{id}"), "").await;
    assert_eq!((shown["used_quota"].as_i64(), shown["daily_used_quota"].as_i64()), (Some(0), Some(0)));
    let unknown = "POST /v1/ledger/01901234-5678-7fff-bfff-ffffffffffff/refund";
    assert_eq!(f.call(unknown, r#"{"reason":"x"}"#).await.0, 404);
    let found = f.ok(&format!("GET /v1/ledger?request_id={request}"), "").await;
    assert_eq!((found["total"].as_i64(), found["items"][0]["usage"]["input"].as_i64()), (Some(1), Some(3)));
    let adjusts = f.ok("GET /v1/ledger?outcome=adjust", "").await;
    assert_eq!(adjusts["items"][0]["id"], row["id"]);
    let usage = f.ok(&format!("GET /v1/tokens/{id}/usage?by=model"), "").await;
    assert_eq!(
        (usage["items"][0]["model"].as_str(), usage["total"]["requests"].as_i64()),
        (Some("m"), Some(1))
    );
    let day = f.ok(&format!("GET /v1/tokens/{id}/usage"), "").await;
    assert_eq!(day["items"][0]["day"].as_str(), Some("2026-11-24"));
    assert_eq!(f.ok(&format!("GET /v1/tokens/{id}/usage?from=0&to=86399"), "").await["items"], json!([]));
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let f = Fixture::new().await;
    let bodies: Vec<Value> =
        (0..25).map(|n| json!({"name": format!("t%{n}"), "remain_quota": n % 2})).collect();
    f.ok("POST /v1/tokens/batch", &json!({ "tokens": bodies }).to_string()).await;
    let page = f.ok("GET /v1/tokens?page=2&page_size=10", "").await;
    let names: Vec<&str> =
        page["items"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!((names[0], names.len(), page["total"].as_i64()), ("t%14", 10, Some(26)));
    for (query, total) in [
        ("keyword=%25", 25),
        ("keyword=T%2524", 1),
        ("keyword=_", 0),
        ("keyword=7", 3),
        ("status=4", 13),
        ("status=1", 13),
        ("status=2", 0),
        ("group=default", 26),
        ("group=vip", 0),
        ("page=9223372036854775807", 26),
    ] {
        let list = f.ok(&format!("GET /v1/tokens?{query}"), "").await;
        assert_eq!(list["total"].as_i64(), Some(total), "{query}");
    }
    for query in
        ["page_size=101", "page_size=-1", "page=0", "status=5", "status=x", "page=9223372036854775808"]
    {
        assert_eq!(f.call(&format!("GET /v1/tokens?{query}"), "").await.0, 400, "{query}");
    }
    let rows = f.ok("GET /v1/ledger?page=2&page_size=5", "").await;
    assert_eq!((rows["items"][0]["seq"].as_i64(), rows["total"].as_i64()), (Some(7), Some(12)));
    let rows = f.ok("GET /v1/ledger?outcome=credit&page=2&page_size=5", "").await;
    assert_eq!((rows["items"][0]["seq"].as_i64(), rows["total"].as_i64()), (Some(7), Some(12)));
}

#[tokio::test]
async fn the_environment_names_a_key() {
    let f = Fixture::new().await;
    let (a, b) = (f.desk.mint(), f.desk.mint());
    let set = |key: Option<Key>| {
        let store = Arc::clone(&f.store);
        async move {
            store.write::<_, (), _>(move |txn| Ok(admins::environment_key(txn, key.as_ref())?)).await.unwrap()
        }
    };
    let lives = |key: &Key| identify(f.directory.as_ref(), key, f.clock.now()).is_ok();
    assert_eq!(set(None).await, admins::Environment::Unchanged);
    assert_eq!(set(Some(a.clone())).await, admins::Environment::Set);
    assert_eq!(set(Some(a.clone())).await, admins::Environment::Unchanged);
    assert!(lives(&a));
    assert_eq!(set(Some(b.clone())).await, admins::Environment::Set);
    assert!(!lives(&a) && lives(&b));
    assert_eq!(set(None).await, admins::Environment::Disabled);
    assert!(!lives(&b));
    assert_eq!(set(Some(b.clone())).await, admins::Environment::Set);
    assert!(lives(&b));
    // The same key in another token's hands moves over.
    let first = f.desk.mint();
    let key = first.clone();
    f.store.write::<_, (), _>(move |txn| Ok(admins::first_start(txn, &key)?)).await.unwrap();
    assert_eq!(set(Some(first.clone())).await, admins::Environment::Set);
    assert!(lives(&first) && !lives(&b));
}

#[tokio::test]
async fn what_is_on_disk_is_loaded_again() {
    let f = Fixture::new().await;
    let made = f.ok("POST /v1/tokens", r#"{"name":"a","remain_quota":10,"daily_quota":5,"model_limits_enabled":true,"model_limits":"m-*"}"#).await;
    let id = TokenId(made["id"].as_i64().unwrap());
    let user = f.ok("POST /v1/users", r#"{"name":"u","remain_quota":3}"#).await["id"].as_i64().unwrap();
    f.spend(id.0, 1, 4_000).await;
    let directory = directory();
    let (into, path, at) = (Arc::clone(&directory), f.path.clone(), (f.clock.now(), f.desk.zone));
    let book = f.store.read(move |sql| Ok(load::load(sql, &path, &into, at).unwrap())).await.unwrap();
    let windows = f.desk.zone.windows(f.clock.now());
    let (loaded, now) =
        (book.token(id, windows).unwrap(), f.store.books().lock().token(id, windows).unwrap());
    assert_eq!((loaded.total, loaded.day.limit), (now.total, now.day.limit));
    assert_eq!(book.user(UserId(user)), f.store.books().lock().user(UserId(user)));
    assert_eq!(directory.token(id), f.directory.token(id));
    let key = Key::parse(made["key"].as_str().unwrap().as_bytes()).unwrap();
    assert!(identify(directory.as_ref(), &key, f.clock.now()).is_ok());
}
