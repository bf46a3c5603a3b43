//! The operator's side: configuration, commands, exit codes, files.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::harness::{Gateway, Mock, Settings, chat, printed_key};

/// A gateway that is not started, with exactly this file.
fn with_file(text: &str) -> Gateway {
    let mut gateway = Gateway::prepare(Settings::demo());
    gateway.leave_unchecked();
    std::fs::write(gateway.file("config.toml"), text).unwrap();
    gateway
}

/// OP-14: what is wrong with the file, where, and what it must contain of the message.
const BAD_FILES: &[(&str, &str, &str)] = &[
    ("[server]\nlisten = 5\n", "config.toml:2", "listen"),
    ("[server]\n\nlissten = \"127.0.0.1:0\"\n", "config.toml:3", "lissten"),
    ("[sever]\nlisten = \"127.0.0.1:0\"\n", "config.toml:1", "sever"),
    ("[server]\ntls = { cert = \"a\", key = \"b\" }\n", "config.toml:2", "tls"),
    ("[server]\nlisten = \"somewhere\"\n", "config.toml:2", "listen"),
    ("[server]\nlisten = \"127.0.0.1:0\nworkers = 1\n", "config.toml:2", ""),
    ("[server]\ntimeouts = { header = 5, boddy = 1 }\n", "config.toml:2", "boddy"),
    ("[server]\nmax_body_bytes = -1\n", "config.toml:2", "max_body_bytes"),
    ("[database]\ndurability = \"maybe\"\n", "config.toml:2", "durability"),
    ("[accounting]\ntimezone = \"Mars/Base\"\n", "config.toml:2", "timezone"),
    ("[accounting]\nrecovery = \"guess\"\n", "config.toml:2", "recovery"),
    ("[limits]\nmax_choices = \"many\"\n", "config.toml:2", "max_choices"),
    ("[logging]\nformat = \"xml\"\n", "config.toml:2", "format"),
    ("[[channels]]\nname = \"a\"\nprovider = \"nobody\"\n", "config.toml:3", "provider"),
    (
        "[[channels]]\nname = \"a\"\nprovider = \"openai\"\nbase_url = \"file:///etc\"\n",
        "config.toml:4",
        "base_url",
    ),
    (
        "[[channels]]\nname = \"a\"\nprovider = \"openai\"\nbase_url = \"https://u:p@h/v1\"\n",
        "config.toml:4",
        "base_url",
    ),
    (
        "[[channels]]\nname = \"a\"\nprovider = \"openai\"\napi_keys = [\"sk-literal-secret-key\"]\n",
        "config.toml:4",
        "api_keys",
    ),
    (
        "[[channels]]\nname = \"a\"\nprovider = \"openai\"\napi_keys = [\"env:NOT_SET\"]\n",
        "config.toml:4",
        "NOT_SET",
    ),
    (
        "[[channels]]\nname = \"a\"\nprovider = \"openai\"\napi_keys = [\"file:/no/such\"]\n",
        "config.toml:4",
        "/no/such",
    ),
    ("[[channels]]\nname = \"a\"\nprovider = \"demo\"\ngroups = [\"nope\"]\n", "config.toml:4", "nope"),
    ("[[prices]]\nmodel = \"m\"\ninput = \"-1\"\n", "config.toml:3", "input"),
    ("[[prices]]\nmodel = \"m\"\ninput = \"cheap\"\n", "config.toml:3", "input"),
    ("[[prices]]\nmodel = \"m\"\nimput = \"1\"\n", "config.toml:3", "imput"),
    ("[[groups]]\nname = \"g\"\nmultiplier = \"-2\"\n", "config.toml:3", "multiplier"),
];

#[test]
fn bad_files_are_named_by_line_and_key() {
    for (text, place, names) in BAD_FILES {
        let gateway = with_file(text);
        for command in ["serve", "check"] {
            let output = gateway.run(&[command]);
            assert_eq!(output.code, 3, "{text}: {}", output.stderr);
            assert!(
                output.stderr.contains(place) && output.stderr.contains(names),
                "{text}: {}",
                output.stderr
            );
            assert!(!output.stderr.contains("sk-literal-secret-key"), "{}", output.stderr);
        }
        assert!(!gateway.file("data").exists(), "{text}: nothing was made");
    }
    let twice =
        "[[channels]]\nname = \"a\"\nprovider = \"demo\"\n[[channels]]\nname = \"a\"\nprovider = \"demo\"\n";
    assert_eq!(with_file(twice).run(&["serve"]).code, 3);
}

#[test]
fn the_environment_overrides_and_is_checked() {
    for (name, value) in [
        ("TOLLGATE_SERVER__LISTEN", "nowhere"),
        ("TOLLGATE_SEVER__LISTEN", "127.0.0.1:0"),
        ("TOLLGATE_UNKNOWN", "x"),
        ("TOLLGATE_ADMIN_KEY_FILE", "/no/such/file"),
    ] {
        let mut gateway = Gateway::prepare(Settings::demo().without_admin_key().env(name, value));
        gateway.leave_unchecked();
        let output = gateway.run(&[]);
        assert_eq!(output.code, 3, "{name}: {}", output.stderr);
        assert!(output.stderr.contains(name), "{name}: {}", output.stderr);
    }
    // Without any file: the built-in defaults, overridden.
    let settings = Settings::demo()
        .env("TOLLGATE_SERVER__LISTEN", "127.0.0.1:0")
        .env("TOLLGATE_DATABASE__PATH", "else/where.db");
    let mut gateway = Gateway::prepare(settings);
    std::fs::remove_file(gateway.file("config.toml")).unwrap();
    gateway.restart();
    assert!(gateway.file("else/where.db").exists());
    gateway.chat(gateway.admin(), &chat("demo", &json!({}))).expect(200);
}

/// The key of the environment's admin token: changed, it replaces the old one.
#[test]
fn the_environments_admin_key_follows_it() {
    let mut gateway = Gateway::start(Settings::demo());
    let first = gateway.admin().to_owned();
    gateway.terminate();
    let file = gateway.file("admin.key");
    let second = format!("sk-{}", "9".repeat(48));
    std::fs::write(&file, format!("{second}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings =
        Settings::demo().without_admin_key().env("TOLLGATE_ADMIN_KEY_FILE", file.to_str().unwrap());
    gateway.configure(settings);
    gateway.adopt_admin(&second);
    gateway.restart();
    gateway.get(&first, "/v1/tokens").expect(401);
    assert_eq!(gateway.get(&second, "/v1/tokens").expect(200).json()["data"]["total"], 1);
}

/// With no channel configured, the usual variables make one.
#[test]
fn a_channel_from_the_environment() {
    let mock = Mock::answering(10, 5);
    let settings =
        Settings::demo().env("OPENAI_API_KEY", mock.key()).env("OPENAI_BASE_URL", &mock.base_url());
    let gateway = Gateway::start(settings);
    let token = gateway.create(json!({"remain_credits": 10}));
    let list = gateway.get(&token.key, "/v1/models").expect(200).json();
    assert!(list["data"].as_array().unwrap().iter().any(|model| model["id"] == "gpt-4o-mini"), "{list}");
    let answer = gateway.chat(&token.key, &chat("gpt-4o-mini", &json!({"max_tokens": 50}))).expect(200);
    // 10 × $0.15 + 5 × $0.60 per million.
    assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.0000045"));
    assert_eq!(mock.received()[0].json()["model"], "gpt-4o-mini");
}

#[test]
fn commands_and_exit_codes() {
    let gateway = Gateway::prepare(Settings::demo());
    for bad in [
        &["nope"][..],
        &["backup", "x"],
        &["restore", "x"],
        &["import"],
        &["reload"],
        &["serve", "extra"],
        &["token"],
        &["token", "create", "--nme", "x"],
        &["--nope"],
    ] {
        let output = gateway.run(bad);
        assert_eq!(output.code, 2, "{bad:?}: {}{}", output.stdout, output.stderr);
    }
    for good in [
        &["--help"][..],
        &["--version"],
        &["token", "--help"],
        &["serve", "--help"],
        &["completions", "bash"],
    ] {
        assert!(!gateway.cli(good).is_empty(), "{good:?}");
    }
    assert!(!gateway.file("data").exists());
    assert_eq!(gateway.run(&["--config", "no/such.toml", "check"]).code, 3);
    std::fs::rename(gateway.file("config.toml"), gateway.file("other.toml")).unwrap();
    gateway.cli(&["--config", "other.toml", "check"]);
    gateway.cli(&["check", "--config", "other.toml"]);
}

/// `check` refuses what `serve` refuses, with its exit code, and makes nothing.
#[test]
fn check_sees_what_a_start_would_refuse() {
    use std::fs::{create_dir, remove_dir_all, remove_file, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    let mut gateway = Gateway::start(Settings::demo());
    gateway.create(json!({"remain_credits": 1}));
    assert!(gateway.cli(&["check"]).contains("it opens"), "beside a server");
    gateway.terminate();
    assert_eq!(data(&gateway.cli(&["check", "--json"]))["database"]["state"], "sound");
    let (database, directory) = (gateway.database(), gateway.file("data"));
    let refused = |code: i32, words: &str| {
        for command in ["serve", "check"] {
            let output = gateway.run(&[command]);
            assert_eq!(output.code, code, "{command}: {}{}", output.stdout, output.stderr);
            assert!(output.stderr.contains(words), "{command}: {}", output.stderr);
        }
    };
    for mode in [0o770, 0o707] {
        set_permissions(&directory, PermissionsExt::from_mode(mode)).unwrap();
        refused(3, "chmod 700");
    }
    set_permissions(&directory, PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::rename(&database, gateway.file("data/real.db")).unwrap();
    for target in ["real.db", "nothing.db"] {
        symlink(target, &database).unwrap();
        refused(1, "symbolic link");
        remove_file(&database).unwrap();
    }
    create_dir(&database).unwrap();
    refused(1, "is not a file");
    remove_dir_all(&directory).unwrap();
    assert_eq!(data(&gateway.cli(&["check", "--json"]))["database"]["state"], "absent");
    assert!(!directory.exists());
    gateway.leave_unchecked();
}

/// What a command printed as JSON, with or without the envelope.
fn data(text: &str) -> Value {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    if value["data"].is_null() { value } else { value["data"].clone() }
}

/// The life of a token by commands, with a server running and without.
#[test]
fn token_commands() {
    let mut gateway = Gateway::start(Settings::demo());
    for running in ["running", "stopped"] {
        if running == "stopped" {
            gateway.terminate();
        }
        let made = data(&gateway.cli(&[
            "token",
            "create",
            "--name",
            "by hand",
            "--remain-credits",
            "5",
            "--rpm",
            "7",
            "--json",
        ]));
        let token = gateway.token_of(&made);
        assert_eq!(
            (&made["name"], &made["remain_quota"], &made["rpm"]),
            (&json!("by hand"), &json!(12_500), &json!(7))
        );
        let id = token.id.to_string();
        let show = || data(&gateway.cli(&["token", "show", &id, "--json"]));
        assert!(show()["key"].is_null());
        gateway.cli(&["token", "update", &id, "--name", "new name", "--daily-credits", "2"]);
        gateway.cli(&["token", "credit", &id, "--credits", "1.5"]);
        let shown = show();
        assert_eq!(
            (&shown["name"], &shown["daily_quota"], &shown["remain_credits"]),
            (&json!("new name"), &json!(5000), &json!(6.5))
        );
        let list = data(&gateway.cli(&["token", "list", "--json"]));
        assert!(list["items"].as_array().unwrap().iter().any(|item| item["id"] == token.id), "{list}");
        assert!(gateway.cli(&["token", "list"]).contains("new name"));
        let rotated = gateway.token_of(&data(&gateway.cli(&["token", "rotate", &id, "--json"])));
        if running == "running" {
            gateway.get(&token.key, "/v1/balance").expect(401);
            gateway.get(&rotated.key, "/v1/balance").expect(200);
        }
        gateway.cli(&["token", "disable", &id]);
        assert_eq!(show()["status"], 2);
        gateway.cli(&["token", "delete", &id]);
        assert_eq!(gateway.run(&["token", "show", &id]).code, 1);
        let refused = gateway.run(&["token", "create", "--name", "x", "--remain-credits", "-5"]);
        assert!([1, 2].contains(&refused.code) && refused.stderr.contains("remain"), "{}", refused.stderr);
        assert!(gateway.cli(&["ledger", "list", "--json"]).contains("credit"));
        gateway.cli(&["user", "list", "--json"]);
    }
}

/// A lost key is replaced by a command, with a server running and without.
#[test]
fn admin_key() {
    let mut gateway = Gateway::start(Settings::demo());
    let first = printed_key(&gateway.cli(&["admin-key"])).expect("a key");
    gateway.get(&first, "/v1/users").expect(200);
    gateway.terminate();
    let second = printed_key(&gateway.cli(&["admin-key"])).expect("a key");
    gateway.restart();
    [&first, &second].iter().for_each(|key| gateway.learn(key));
    gateway.get(&second, "/v1/users").expect(200);
}

#[expect(clippy::disallowed_methods, reason = "a stranger's hand on the file, which the program must notice")]
fn tamper(gateway: &Gateway, sql: &str) {
    let connection = rusqlite::Connection::open(gateway.database()).unwrap();
    connection.busy_timeout(crate::harness::SOON).unwrap();
    assert!(connection.execute(sql, []).unwrap() > 0, "{sql}");
}

/// `verify` proves, beside a running server too; a counter or row changed from outside is drift.
#[test]
fn verify() {
    let mut gateway = Gateway::start(Settings::demo());
    let token = gateway.create(json!({"remain_credits": 5}));
    gateway.chat(&token.key, &chat("demo", &json!({}))).expect(200);
    let printed = gateway.cli(&["verify"]);
    let is_head = |word: &str| {
        word.split_once(':').is_some_and(|(seq, hash)| seq.parse::<u64>().is_ok() && hash.len() == 64)
    };
    let trim = |word: &str| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned();
    let head = printed
        .split_whitespace()
        .map(trim)
        .find(|word| is_head(word))
        .unwrap_or_else(|| panic!("no head: {printed}"));
    gateway.chat(&token.key, &chat("demo", &json!({}))).expect(200);
    gateway.cli(&["verify", "--head", &head]);
    let forged = format!("{}:{}", head.split_once(':').unwrap().0, "0".repeat(64));
    assert_eq!(gateway.run(&["verify", "--head", &forged]).code, 1);
    assert_eq!(gateway.run(&["verify", "--head", "nonsense"]).code, 2);
    gateway.terminate();
    gateway.leave_unchecked();
    tamper(&gateway, "UPDATE tokens SET used = used + 1");
    let output = gateway.run(&["verify"]);
    assert_eq!(output.code, 1, "{}", output.stdout);
    tamper(&gateway, "UPDATE tokens SET used = used - 1");
    gateway.cli(&["verify"]);
    tamper(&gateway, "UPDATE usage SET charged = charged + 1");
    assert_eq!(gateway.run(&["verify"]).code, 1);
}

fn mode(gateway: &Gateway, name: &str) -> Option<u32> {
    std::fs::metadata(gateway.file(name)).ok().map(|file| file.permissions().mode() & 0o777)
}

/// OP-11, T30: nobody else reads the data; a directory that others may write to is refused.
#[test]
fn file_modes() {
    let gateway = Gateway::start(Settings::demo());
    assert_eq!(mode(&gateway, "data"), Some(0o700));
    for entry in std::fs::read_dir(gateway.file("data")).unwrap() {
        let name = format!("data/{}", entry.unwrap().file_name().to_str().unwrap());
        assert_eq!(mode(&gateway, &name).map(|mode| mode & 0o077), Some(0), "{name}");
    }
    assert!(mode(&gateway, "data/tollgate.sock").is_some());
    let open = Gateway::prepare(Settings::demo());
    std::fs::create_dir(open.file("data")).unwrap();
    std::fs::set_permissions(open.file("data"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let output = open.run(&[]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert_eq!(mode(&open, "data"), Some(0o777), "not changed behind the operator's back");
}

/// A database that was copied with the rights of any file is private again once it is opened.
#[test]
fn a_copied_database_becomes_private() {
    let mut gateway = Gateway::start(Settings::demo());
    gateway.terminate();
    let readable = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(gateway.database(), readable).unwrap();
    gateway.restart();
    gateway.create(json!({"remain_credits": 1}));
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("data/tollgate.db{suffix}");
        assert_eq!(mode(&gateway, &name).map(|mode| mode & 0o077), Some(0), "{name}");
    }
}

/// OP-14: a secret that the world may read is warned of.
#[test]
fn secret_files() {
    let mock = Mock::answering(1, 1);
    let mut gateway = Gateway::prepare(Settings::demo());
    std::fs::write(gateway.file("provider.key"), format!("{}\n", mock.key())).unwrap();
    std::fs::set_permissions(gateway.file("provider.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let channel = format!(
        "[[channels]]\nname = \"mock\"\nprovider = \"openai\"\nbase_url = \"{}\"\napi_keys = [\"file:provider.key\"]\nmodels = [\"m-ok\"]\n",
        mock.base_url()
    );
    gateway.configure(Settings::demo().append(&channel).price("m-ok", "1", "1"));
    gateway.learn(mock.key());
    gateway.restart();
    assert!(gateway.log_shows("provider.key"), "a warning names the file");
    gateway.chat(gateway.admin(), &chat("m-ok", &json!({}))).expect(200);
    assert_eq!(mock.received()[0].header("authorization"), Some(format!("Bearer {}", mock.key()).as_str()));
}

/// OP-15: no log level shows a secret or a prompt (asserted at the end of every test). One line per request.
#[test]
fn logs() {
    for format in ["text", "json"] {
        let mock = Mock::answering(3, 4);
        let settings =
            Settings::with(&mock).set("logging", "format", &format!("\"{format}\"")).env("RUST_LOG", "trace");
        let gateway = Gateway::start(settings);
        let token = gateway.create(json!({"remain_credits": 5}));
        let ids: Vec<_> = [json!(false), json!(true)]
            .iter()
            .map(|stream| {
                let answer = gateway
                    .chat(&token.key, &chat("m-ok", &json!({"stream": stream, "max_tokens": 50})))
                    .expect(200);
                answer.header("x-request-id").unwrap().to_owned()
            })
            .collect();
        gateway.settled(&token);
        for id in ids {
            assert!(gateway.log_shows(&id), "{format}: {id}");
        }
        if format == "json" {
            let (_, log) = gateway.printed();
            assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
        }
    }
}
