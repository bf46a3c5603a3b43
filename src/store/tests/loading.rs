//! What a start loads is what memory had before the stop.

use super::*;
use crate::store::tokens::{NewToken, TokenSettings};
use crate::store::users::UserSettings;
use crate::tokens::{Key, KeyHash, KeyMint, Registry};

/// Tokens that differ in everything a request meets.
fn many() -> Vec<TokenSettings> {
    let plain = TokenSettings::named("plain");
    let lists = |models: &str, ips: &str| TokenSettings {
        model_limits_enabled: true,
        model_limits: models.to_owned(),
        allow_ips: ips.to_owned(),
        ..plain.clone()
    };
    vec![
        TokenSettings { unlimited: true, scopes: Scopes::Both, ..plain.clone() },
        TokenSettings { enabled: false, model_limits: "unused".to_owned(), ..plain.clone() },
        lists("gpt-*, m", ""),
        lists("gpt-*, m", "10.0.0.0/8\n::1"),
        TokenSettings { expires_at: NOON * 1_000 + 5, group: "vip".to_owned(), ..plain.clone() },
        TokenSettings {
            limits: Limits { daily: nanos(70_000), monthly: nanos(90_000) },
            cross_group_retry: true,
            scopes: Scopes::Manage,
            ..plain.clone()
        },
        TokenSettings { rpm: 1, tpm: 2, max_concurrency: 3, ..plain },
    ]
}

/// Makes them, a user of their own, and one token that is deleted again; their numbers and keys, the deleted one's last.
async fn make(store: &Store) -> Vec<(TokenId, KeyHash)> {
    let mut mint = KeyMint::try_new().unwrap();
    let keys: Vec<Key> = (0..=many().len()).map(|_| mint.mint()).collect();
    let newer = mint.mint().hash();
    store
        .write(move |txn| -> Result<_, Denied<()>> {
            let settings =
                UserSettings { name: "u".to_owned(), role: Role::Admin, enabled: true, unlimited: false };
            let user = users::insert(txn, settings, nanos(1_000_000))?.id;
            let all = many().into_iter().chain([TokenSettings::named("deleted")]);
            let mut made = Vec::new();
            for (settings, key) in all.zip(&keys) {
                let new = NewToken { user, origin: "api", settings, grant: nanos(300_000), key: key.hash() };
                made.push((tokens::insert(txn, &new)?.id, key.hash()));
            }
            // The first keeps its key for a minute beside the new one.
            keys::rotate(txn, made[0].0, newer, 60_000)?;
            tokens::delete(txn, made[many().len()].0)?;
            Ok(made)
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn a_start_finds_what_was_there_before_the_stop() {
    let site = Site::new();
    let open = |directory: &Arc<Directory>| {
        let metrics = Arc::new(Metrics::new(BTreeSet::new()));
        Store::open(&site.settings, directory, &site.clock, site.zone, &metrics).unwrap()
    };
    let (before, after) = (directory(), directory());
    let store = open(&before);
    let made = make(&store).await;
    let figures = |store: &Store| -> Vec<_> {
        let book = store.books.lock();
        made.iter().map(|(id, _)| book.token(*id, site.windows())).collect()
    };
    let was = figures(&store);
    drop(store);
    let store = open(&after);
    assert_eq!(figures(&store), was);
    let (live, deleted) = made.split_at(many().len());
    for (id, key) in live {
        let (before, after) = (before.find(key).unwrap(), after.find(key).unwrap());
        assert_eq!(after.token, before.token);
        assert_eq!((after.token.id, after.role, after.user_enabled), (*id, Role::Admin, true));
        assert_eq!(after.key_expires_at, before.key_expires_at);
    }
    assert!(after.find(&deleted[0].1).is_none() && after.token(deleted[0].0).is_none());
    let names = |at: usize| after.token(live[at].0).unwrap().models.as_ref().unwrap().names().as_ptr();
    assert_eq!(names(2), names(3), "one list in memory for both");
}

/// A list that cannot be read must not widen what its token may do.
#[tokio::test]
async fn a_row_that_cannot_be_read_does_not_open() {
    for change in ["model_limits = 'a*b', model_limits_enabled = 1", "allow_ips = 'nowhere'"] {
        let site = Site::new();
        drop(site.open().await);
        raw(site.path()).execute(&format!("UPDATE tokens SET {change} WHERE id = 2"), []).unwrap();
        assert!(matches!(site.try_open().map(drop), Err(OpenFault::Failed(_))), "{change}");
    }
}

/// What each start asks of the tokens reads no table of a million rows from end to end.
#[tokio::test]
async fn a_start_looks_for_the_environments_token_by_an_index() {
    let site = Site::new();
    drop(site.open().await);
    let sql = raw(site.path());
    let explain = format!("EXPLAIN QUERY PLAN {}", tokens::BY_ORIGIN);
    let mut select = sql.prepare(&explain).unwrap();
    let plan: Vec<String> =
        select.query_map(["environment"], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
    assert!(plan[0].contains("tokens_by_origin"), "{plan:?}");
    assert!(!plan.iter().any(|step| step.starts_with("SCAN tokens")), "{plan:?}");
}
