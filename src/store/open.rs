//! Opens the database: the directory and its modes, the instance lock, the file's soundness, the pragmas, the schema.
//! The only place that makes a connection.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// What a commit survives.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: each commit is flushed.
    Power,
    /// The end of the process, also by `kill -9`; a power cut may lose the last moments.
    Process,
}

impl Durability {
    /// `power` or `process`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Process => "process",
        }
    }
}

/// Why a database does not open. Nothing of it was changed.
#[derive(Debug)]
pub enum OpenFault {
    /// Another instance has it open.
    Locked(PathBuf),
    /// The data directory is not safe to keep secrets in; what to do about it.
    Directory(String),
    /// It is damaged, newer than this program, or another program's.
    Damaged(String),
    /// The operating system or SQLite refuses.
    Failed(String),
}

impl OpenFault {
    /// The ledger's row `seq` does not follow from the one before it.
    pub fn broken_ledger(path: &Path, seq: i64) -> Self {
        Self::Damaged(format!(
            "the ledger in {} does not fit together at row {seq}: it was changed from outside; see `tollgate verify`",
            path.display()
        ))
    }
}

impl fmt::Display for OpenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked(path) => write!(
                f,
                "the database {} is in use by another instance of tollgate; stop that one first",
                path.display()
            ),
            Self::Directory(what) | Self::Damaged(what) | Self::Failed(what) => f.write_str(what),
        }
    }
}

/// `tgat`: marks a file as tollgate's (`PRAGMA application_id`).
pub const APPLICATION_ID: i32 = 0x7467_6174;

/// What makes a new database.
const SCHEMA: &str = include_str!("../../schema.sql");

/// What brings a database up to [`SCHEMA`]: one of version n, counted from 1, needs the steps from n - 1 on. A step is never
/// changed once released.
const UPGRADES: [&str; 1] = [include_str!("sql/upgrade_2.sql")];

/// The version of [`SCHEMA`].
pub const VERSION: usize = UPGRADES.len() + 1;

/// The first SQLite whose WAL is safe with several connections.
const SQLITE_NEEDED: i32 = 3_051_003;

/// How long a foreign lock is waited for.
const BUSY: Duration = Duration::from_secs(5);

/// Above this an unclean stop is not followed by a whole check of the file.
const QUICK_CHECK_MOST: u64 = 64 << 20;

/// The lock that makes a process the only writer; given back when it is dropped.
#[derive(Debug)]
pub struct InstanceLock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

/// Makes the data directory if it is not there, and refuses one that others may write to.
///
/// # Errors
/// When it cannot be made or is not safe.
pub fn prepare_directory(database: &Path) -> Result<(), OpenFault> {
    let directory = directory_of(database);
    fs::create_dir_all(&directory)
        .map_err(|error| failed("cannot make the data directory", &directory, &error))?;
    inspect_directory(database)
}

/// Refuses a data directory that others may write to, and a database that is a link.
fn inspect_directory(database: &Path) -> Result<(), OpenFault> {
    let directory = directory_of(database);
    let meta = fs::metadata(&directory).map_err(|error| failed("cannot look at", &directory, &error))?;
    if meta.mode() & 0o022 != 0 {
        return Err(OpenFault::Directory(format!(
            "the data directory {} may be written to by other users (mode {:o}); `chmod 700` it, or set [database] path to a \
             directory of its own",
            directory.display(),
            meta.mode() & 0o777
        )));
    }
    let link = fs::symlink_metadata(database).is_ok_and(|meta| meta.file_type().is_symlink());
    if link {
        return Err(OpenFault::Failed(format!(
            "{} is a symbolic link; name the file itself",
            database.display()
        )));
    }
    Ok(())
}

/// The directory that `database` lies in.
pub fn directory_of(database: &Path) -> PathBuf {
    let parent = database.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Takes the lock, on a file of its own beside the database.
///
/// # Errors
/// When another process has it.
pub fn lock_instance(database: &Path) -> Result<InstanceLock, OpenFault> {
    let path = with_suffix(database, ".lock");
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = opened.map_err(|error| failed("cannot open the lock", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(InstanceLock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenFault::Locked(database.to_path_buf())),
        Err(TryLockError::Error(error)) => Err(failed("cannot lock", &path, &error)),
    }
}

/// `path` with `suffix` behind its name.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens the database to write it, making or upgrading it as needed. The caller holds the instance lock.
///
/// # Errors
/// When it is damaged, newer, or the system refuses.
pub fn open_writer(path: &Path, durability: Durability) -> Result<Connection, OpenFault> {
    if rusqlite::version_number() < SQLITE_NEEDED {
        return Err(OpenFault::Failed(format!("SQLite {} is too old", rusqlite::version())));
    }
    let unclean = fs::metadata(with_suffix(path, "-wal")).is_ok_and(|meta| meta.len() > 0);
    check_header(path, if unclean { LogBeside::Some } else { LogBeside::None })?;
    let sql = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    sql.set_prepared_statement_cache_capacity(128);
    #[cfg(test)]
    let sql = crate::store::tests::watched(sql);
    // Until it is known to be ours and sound, nothing of it may change: closing must not move a log that was left over.
    let keep_log = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    sql.set_db_config(keep_log, unclean).map_err(|error| sql_failed(path, &error))?;
    check_identity(&sql, path)?;
    if unclean {
        quick_check(&sql, path)?;
    }
    make_private(path);
    let set_up = || -> rusqlite::Result<()> {
        sql.set_db_config(keep_log, false)?;
        sql.pragma_update(None, "journal_mode", "wal")?;
        let synchronous = match durability {
            Durability::Power => "full",
            Durability::Process => "normal",
        };
        sql.pragma_update(None, "synchronous", synchronous)?;
        sql.pragma_update(None, "wal_autocheckpoint", 0)?;
        sql.pragma_update(None, "journal_size_limit", 32 << 20)?;
        sql.pragma_update(None, "foreign_keys", true)
    };
    set_up().map_err(|error| sql_failed(path, &error))?;
    migrate(&sql).map_err(|error| sql_failed(path, &error))?;
    Ok(sql)
}

/// Opens an existing database to read it: never writes, never locks, works beside a running server.
///
/// # Errors
/// When there is none, it is damaged, newer, or the system refuses.
pub fn open_reader(path: &Path) -> Result<Connection, OpenFault> {
    // The file is not opened by hand here: closing it would give away the locks that a writer in this process has (R7).
    if !fs::metadata(path).is_ok_and(|meta| meta.is_file()) {
        return Err(OpenFault::Failed(format!("there is no database {}", path.display())));
    }
    let sql = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    sql.pragma_update(None, "query_only", true).map_err(|error| sql_failed(path, &error))?;
    check_identity(&sql, path)?;
    sql.set_prepared_statement_cache_capacity(64);
    Ok(sql)
}

/// Opens a database to read it, once it has passed all that a start looks at; `None` where a start would make it. Not for a
/// process that writes to it: looking at the file gives the writer's locks away (R7).
///
/// # Errors
/// What a start would refuse.
pub fn open_inspected(path: &Path) -> Result<Option<Connection>, OpenFault> {
    if !directory_of(path).exists() {
        return Ok(None);
    }
    inspect_directory(path)?;
    let has_log = fs::metadata(with_suffix(path, "-wal")).is_ok_and(|meta| meta.len() > 0);
    check_header(path, if has_log { LogBeside::Some } else { LogBeside::None })?;
    if !fs::metadata(path).is_ok_and(|meta| meta.len() > 0) {
        return Ok(None);
    }
    let sql = open_reader(path)?;
    quick_check(&sql, path)?;
    Ok(Some(sql))
}

#[expect(clippy::disallowed_methods, reason = "this is the room that opens connections")]
fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, OpenFault> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sql = Connection::open_with_flags(path, flags).map_err(|error| sql_failed(path, &error))?;
    let set_up = || -> rusqlite::Result<()> {
        sql.busy_timeout(BUSY)?;
        sql.pragma_update(None, "trusted_schema", false)?;
        sql.pragma_update(None, "temp_store", "memory")
    };
    set_up().map_err(|error| sql_failed(path, &error))?;
    Ok(sql)
}

/// Takes other users' rights away from a database that is ours, such as a copied one. Files of SQLite's beside it follow it.
fn make_private(database: &Path) {
    for path in ["", "-wal", "-shm"].map(|suffix| with_suffix(database, suffix)) {
        if !fs::metadata(&path).is_ok_and(|meta| meta.mode() & 0o077 != 0) {
            continue;
        }
        if let Err(error) = fs::set_permissions(&path, Permissions::from_mode(0o600)) {
            log::warn!("other users may read {}, and its mode cannot be changed: {error}", path.display());
        }
    }
}

/// Whether a log with something in it lies beside the database.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum LogBeside {
    None,
    Some,
}

/// Looks at the file before SQLite does, while no lock of ours can be lost by closing it.
fn check_header(path: &Path, log: LogBeside) -> Result<(), OpenFault> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("cannot open", path, &error)),
    };
    let meta = file.metadata().map_err(|error| failed("cannot look at", path, &error))?;
    if !meta.is_file() {
        return Err(OpenFault::Failed(format!(
            "{} is not a file; [database] path names the database file",
            path.display()
        )));
    }
    if meta.len() == 0 {
        return Ok(());
    }
    let mut header = [0; 100];
    let damaged = |what: &str| OpenFault::Damaged(format!("{} {what}; it was left as it is", path.display()));
    file.read_exact(&mut header).map_err(|_| damaged("is not a database"))?;
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(damaged("is not a database, or its first page is damaged"));
    }
    let page_size = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
        1 => 65_536,
        size => size,
    };
    let pages = u64::from(u32::from_be_bytes([header[28], header[29], header[30], header[31]]));
    // With a log beside it the file may lag behind its own page count.
    if log == LogBeside::None && pages.saturating_mul(page_size) > meta.len() {
        return Err(damaged("is cut short"));
    }
    Ok(())
}

fn check_identity(sql: &Connection, path: &Path) -> Result<(), OpenFault> {
    let ask = || -> rusqlite::Result<(i32, i32, i64)> {
        let version = sql.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let application = sql.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let tables = sql.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((version, application, tables))
    };
    let (version, application, tables) = ask().map_err(|error| sql_failed(path, &error))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(OpenFault::Damaged(format!(
            "{} is another program's database; it was left as it is",
            path.display()
        )));
    }
    if usize::try_from(version).is_ok_and(|version| version > VERSION) {
        return Err(OpenFault::Damaged(format!(
            "{} was written by a newer tollgate (schema {version}; this one knows up to {}); it was left as it is",
            path.display(),
            VERSION
        )));
    }
    Ok(())
}

fn quick_check(sql: &Connection, path: &Path) -> Result<(), OpenFault> {
    if fs::metadata(path).map_or(0, |meta| meta.len()) > QUICK_CHECK_MOST {
        return Ok(());
    }
    let verdict: String = sql
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| sql_failed(path, &error))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(OpenFault::Damaged(format!("{} is damaged ({verdict}); restore a backup", path.display())))
}

/// Makes the tables, or runs the steps that are missing, each in one transaction.
fn migrate(sql: &Connection) -> rusqlite::Result<()> {
    let version: i32 = sql.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let Some(done) = usize::try_from(version).ok().filter(|version| *version > 0) else {
        return step_to(sql, VERSION, SCHEMA);
    };
    for (at, step) in UPGRADES.iter().enumerate().skip(done - 1) {
        log::info!("the database is brought to version {}", at + 2);
        step_to(sql, at + 2, step)?;
    }
    Ok(())
}

fn step_to(sql: &Connection, version: usize, step: &str) -> rusqlite::Result<()> {
    sql.execute_batch("BEGIN IMMEDIATE")?;
    let run = || -> rusqlite::Result<()> {
        sql.execute_batch(step)?;
        sql.pragma_update(None, "application_id", APPLICATION_ID)?;
        sql.pragma_update(None, "user_version", i64::try_from(version).unwrap_or(i64::MAX))?;
        sql.execute_batch("COMMIT")
    };
    run().inspect_err(|_| drop(sql.execute_batch("ROLLBACK")))
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> OpenFault {
    OpenFault::Failed(format!("{what} {}: {error}", path.display()))
}

/// SQLite's word on a file, with what it means for the operator.
pub fn sql_failed(path: &Path, error: &rusqlite::Error) -> OpenFault {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => {
            OpenFault::Damaged(format!("{} is damaged ({error}); it was left as it is", path.display()))
        }
        _ => OpenFault::Failed(format!("cannot use the database {}: {error}", path.display())),
    }
}
