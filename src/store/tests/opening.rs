//! What does not open, why, and that it is left as it was.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// The schema of each older version, as it was.
const SCHEMAS: [&str; 2] = [include_str!("schema_1.sql"), include_str!("schema_2.sql")];

/// The bytes of the database and of what lies beside it, but for the lock.
fn bytes_of(site: &Site) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(&site.root).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_none_or(|end| end != "db.lock")).collect();
    files.retain(|path| !path.to_string_lossy().ends_with(".lock"));
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Opening says so, and changes nothing.
#[track_caller]
fn assert_damaged(site: &Site, word: &str) {
    let before = bytes_of(site);
    match site.try_open().map(drop) {
        Err(OpenFault::Damaged(what)) => assert!(what.contains(word), "{what}"),
        other => panic!("not found to be damaged: {other:?}"),
    }
    assert!(bytes_of(site) == before, "the file was changed");
    assert!(verify(site.path(), None).is_err(), "what does not open proves nothing");
}

/// A store that was used and closed.
async fn used(site: &Site) {
    let store = site.open().await;
    site.spend(&store, 0, 100, 50).await;
}

#[tokio::test]
async fn one_store_at_a_time() {
    let site = Site::new();
    let store = site.open().await;
    assert!(is_in_use(site.path()));
    assert!(matches!(site.try_open().map(drop), Err(OpenFault::Locked(_))));
    site.spend(&store, 0, 100, 50).await;
    drop(store);
    assert!(!is_in_use(site.path()));
    let store = site.open().await;
    site.assert_sound(&store);
}

#[tokio::test]
async fn another_programs_file_is_left_alone() {
    let site = Site::new();
    for journal in ["delete", "wal"] {
        drop(fs::remove_file(site.path()));
        let sql = raw(site.path());
        sql.pragma_update(None, "journal_mode", journal).unwrap();
        sql.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").unwrap();
        drop(sql);
        assert_damaged(&site, "another program");
    }
    fs::write(site.path(), "model = \"gpt\"\n".repeat(20)).unwrap();
    assert_damaged(&site, "is not a database");
    fs::write(site.path(), "short").unwrap();
    assert_damaged(&site, "is not a database");
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let site = Site::new();
    used(&site).await;
    let sql = raw(site.path());
    sql.pragma_update(None, "user_version", 99).unwrap();
    drop(sql);
    assert_damaged(&site, "newer");
}

#[tokio::test]
async fn a_newer_database_with_its_log_is_left_alone() {
    let site = Site::new();
    used(&site).await;
    let sql = raw(site.path());
    sql.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    sql.pragma_update(None, "user_version", 99).unwrap();
    let copy = copy_of(&site, &sql);
    let before = fs::read(copy.path()).unwrap();
    match copy.try_open().map(drop) {
        Err(OpenFault::Damaged(what)) => assert!(what.contains("newer"), "{what}"),
        other => panic!("it opened: {other:?}"),
    }
    assert!(fs::read(copy.path()).unwrap() == before, "the file was changed");
}

/// The files as a killed process would leave them: copied while `sql` is open.
fn copy_of(site: &Site, _sql: &Connection) -> Site {
    let copy = Site::new();
    for suffix in ["", "-wal"] {
        let (from, to) = (open::with_suffix(site.path(), suffix), open::with_suffix(copy.path(), suffix));
        fs::copy(from, to).unwrap();
    }
    copy
}

#[tokio::test]
async fn damage_is_found() {
    let site = Site::new();
    used(&site).await;
    let whole = fs::read(site.path()).unwrap();

    let mut magic = whole.clone();
    magic[3] ^= 0x20;
    fs::write(site.path(), &magic).unwrap();
    assert_damaged(&site, "first page is damaged");

    for length in [whole.len() - 1, whole.len() - 4096, 4096, 100] {
        fs::write(site.path(), &whole[..length]).unwrap();
        let before = fs::read(site.path()).unwrap();
        let opened = site.try_open().map(drop);
        assert!(matches!(&opened, Err(OpenFault::Damaged(what)) if what.contains("cut short")), "{opened:?}");
        assert!(fs::read(site.path()).unwrap() == before);
    }

    let mut schema = whole.clone();
    schema[100..300].fill(0xa5);
    fs::write(site.path(), &schema).unwrap();
    assert_damaged(&site, "damaged");

    fs::write(site.path(), &whole).unwrap();
    let store = site.open().await;
    site.assert_sound(&store);
}

#[tokio::test]
async fn damage_behind_an_unclean_stop_is_found() {
    let site = Site::new();
    let store = site.open().await;
    for _ in 0..50 {
        site.spend(&store, 0, 100, 50).await;
    }
    drop(store);
    let store = site.open().await;
    site.spend(&store, 0, 100, 50).await;
    let paused = pause(&store);
    let copy = copy_of(&site, &raw(site.path()));
    drop(paused);
    let root: i64 = raw(site.path())
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'ledger_by_id'", [], |row| row.get(0))
        .unwrap();
    let mut bytes = fs::read(copy.path()).unwrap();
    let at = usize::try_from(root - 1).unwrap() * 4096;
    bytes[at..at + 64].fill(0xff);
    fs::write(copy.path(), &bytes).unwrap();
    // The page may stand in the log as it was; without the log's copy of it the damage shows.
    let opened = copy.try_open();
    match opened {
        Err(OpenFault::Damaged(what)) => assert!(what.contains("damaged"), "{what}"),
        Ok(_) => assert_clean(copy.path()),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_changed_end_of_the_ledger_does_not_open() {
    let site = Site::new();
    used(&site).await;
    let sql = raw(site.path());
    sql.execute_batch("DROP TRIGGER ledger_is_append_only; UPDATE ledger SET charged = 1 WHERE charged = 50")
        .unwrap();
    drop(sql);
    match site.try_open().map(drop) {
        Err(OpenFault::Damaged(what)) => assert!(what.contains("row 6") && what.contains("verify"), "{what}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_unsafe_place_is_refused() {
    let site = Site::new();
    for mode in [0o720, 0o702, 0o777] {
        fs::set_permissions(&site.root, fs::Permissions::from_mode(mode)).unwrap();
        let opened = site.try_open().map(drop);
        assert!(
            matches!(&opened, Err(OpenFault::Directory(what)) if what.contains("chmod 700")),
            "{opened:?}"
        );
    }
    fs::set_permissions(&site.root, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(!site.path().exists(), "nothing was made there");

    let elsewhere = Site::new();
    used(&elsewhere).await;
    std::os::unix::fs::symlink(elsewhere.path(), site.path()).unwrap();
    let opened = site.try_open().map(drop);
    assert!(matches!(&opened, Err(OpenFault::Failed(what)) if what.contains("symbolic link")), "{opened:?}");
    fs::remove_file(site.path()).unwrap();

    fs::create_dir(site.path()).unwrap();
    let opened = site.try_open().map(drop);
    assert!(matches!(&opened, Err(OpenFault::Failed(what)) if what.contains("not a file")), "{opened:?}");
    assert!(verify(site.path(), None).is_err());
    assert!(verify(&site.root.join("none.db"), None).is_err());
}

#[tokio::test]
async fn files_are_the_owners_alone() {
    let site = Site::new();
    let store = site.open().await;
    site.spend(&store, 0, 100, 50).await;
    for entry in fs::read_dir(&site.root).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        // The process sets its umask to 077 before it opens anything; a test does not, so the lock alone is looked at.
        if entry.path().to_string_lossy().ends_with(".lock") {
            assert_eq!(mode & 0o077, 0, "{:?}", entry.path());
        }
    }
}

/// The tables and indexes of a database, without comments, blanks and quotes.
fn schema(path: &Path) -> Vec<(String, String)> {
    let sql = raw(path);
    let mut select = sql.prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name").unwrap();
    let bare = |text: String| -> String {
        let lines = text.lines().filter_map(|line| line.split("--").next());
        lines.flat_map(str::chars).filter(|letter| !letter.is_whitespace() && *letter != '"').collect()
    };
    let rows = select.query_map([], |row| Ok((row.get(0)?, bare(row.get(1)?)))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn an_upgraded_schema_is_a_fresh_one() {
    let fresh = Site::new();
    drop(fresh.open().await);
    let want = schema(fresh.path());
    for (version, made_by) in [(1, SCHEMAS[0]), (2, SCHEMAS[1])] {
        let old = Site::new();
        let sql = raw(old.path());
        sql.execute_batch(made_by).unwrap();
        sql.pragma_update(None, "application_id", open::APPLICATION_ID).unwrap();
        sql.pragma_update(None, "user_version", version).unwrap();
        drop(sql);
        drop(old.open().await);
        assert_eq!(schema(old.path()), want, "from version {version}");
        assert_clean(old.path());
    }
}

/// A database of an older version, with what `new` has.
fn older(version: usize, new: &Site) -> Site {
    let old = Site::new();
    let sql = raw(old.path());
    sql.execute_batch(SCHEMAS[version - 1]).unwrap();
    sql.execute("ATTACH ?1 AS new", [new.path().to_str().unwrap()]).unwrap();
    for table in ["users", "tokens", "keys", "ledger", "usage", "anchor"] {
        sql.execute_batch(&format!("INSERT OR REPLACE INTO main.{table} SELECT * FROM new.{table}")).unwrap();
    }
    let spent = if version == 1 {
        "UPDATE main.tokens SET used = used + coalesce((SELECT charged FROM new.spent WHERE token_id = id), 0)"
    } else {
        "INSERT INTO main.spent SELECT * FROM new.spent"
    };
    sql.execute_batch(&format!("{spent}; DETACH new")).unwrap();
    sql.pragma_update(None, "application_id", open::APPLICATION_ID).unwrap();
    sql.pragma_update(None, "user_version", i64::try_from(version).unwrap()).unwrap();
    old
}

/// A proof takes a database as it is, before its upgrade and after it; the upgrade changes nothing that is proved.
#[tokio::test]
async fn an_old_database_is_proved_before_its_upgrade_and_after() {
    let new = Site::new();
    used(&new).await;
    for version in [1, 2] {
        let old = older(version, &new);
        let before = verify(old.path(), None).unwrap();
        assert!(before.rows > 1 && before.drift.is_empty(), "{:?}", before.drift);
        // What an earlier upgrade kept, after which somebody went back.
        let copy = open::with_suffix(old.path(), &format!(".version-{version}"));
        fs::write(&copy, "older").unwrap();
        let store = old.open().await;
        old.spend(&store, 0, 100, 50).await;
        drop(store);
        // Both it and the copy that is kept, which an older program can open.
        for (path, more) in [(old.path(), 1), (copy.as_path(), 0)] {
            let after = verify(path, Some(before.head)).unwrap();
            assert_eq!((after.rows, after.drift.as_slice()), (before.rows + more, [].as_slice()));
        }
        let versions = [old.path(), &copy].map(|path| {
            raw(path).pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap()
        });
        assert_eq!(versions, [3, i64::try_from(version).unwrap()]);
    }
}

/// A start that is killed in the middle of an upgrade leaves the database as it was.
#[tokio::test]
async fn an_upgrade_that_fails_changes_nothing() {
    let new = Site::new();
    used(&new).await;
    let old = older(2, &new);
    let sql = raw(old.path());
    // The last statement of the step finds its name taken.
    sql.execute_batch("CREATE INDEX responses_by_age ON ledger (at)").unwrap();
    let fault = old.try_open().err().map(|fault| fault.to_string()).unwrap_or_default();
    assert!(fault.contains("responses_by_age"), "{fault}");
    assert!(!sql.table_exists(None, "responses").unwrap());
    let version: i64 = sql.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 2);
    sql.execute_batch("DROP INDEX responses_by_age").unwrap();
    drop(sql);
    let store = old.open().await;
    old.assert_sound(&store);
}

#[tokio::test]
async fn without_a_copy_nothing_is_upgraded() {
    let old = Site::new();
    let sql = raw(old.path());
    sql.execute_batch(SCHEMAS[0]).unwrap();
    sql.pragma_update(None, "application_id", open::APPLICATION_ID).unwrap();
    sql.pragma_update(None, "user_version", 1).unwrap();
    drop(sql);
    // Where the copy would be written something lies that is no file.
    let partial = open::with_suffix(old.path(), ".copy");
    fs::create_dir(&partial).unwrap();
    let fault = old.try_open().err().map(|fault| fault.to_string()).unwrap_or_default();
    assert!(fault.contains("copy"), "{fault}");
    let version: i64 = raw(old.path()).pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
}

/// POSIX locks belong to the process: whoever closes a file of its own on the database gives the store's away, and the
/// next program that opens it would remove the log under the store's hands (R7).
#[tokio::test]
async fn reading_does_not_give_the_databases_lock_away() {
    use std::os::unix::fs::MetadataExt;
    let Ok(_) = fs::read_to_string("/proc/locks") else {
        println!("skipped: this system does not tell its locks");
        return;
    };
    let site = Site::new();
    // Everything here that opens the file by hand would do the damage itself: no `raw`, no copies.
    let store = site.try_open().unwrap();
    let inode = fs::metadata(site.path()).unwrap().ino();
    let is_locked = || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.split_whitespace().any(|word| word.ends_with(&format!(":{inode}"))))
    };
    if !is_locked() {
        println!("skipped: this system does not tell its locks");
        return;
    }
    let version =
        store.read(|sql| sql.query_row("SELECT count(*) FROM users", [], |row| row.get::<_, i64>(0))).await;
    assert_eq!(version.unwrap(), 0);
    assert!(is_locked(), "a question gave the lock away");
    verify(site.path(), None).unwrap();
    assert!(is_locked(), "a proof gave the lock away");
    assert!(is_in_use(site.path()) && site.try_open().is_err());
    assert!(is_locked(), "another start gave the lock away");
}

/// Whether an instance has the lock.
fn is_in_use(path: &Path) -> bool {
    matches!(crate::store::open::lock_instance(path), Err(OpenFault::Locked(_)))
}
