//! The command line as typed: what is understood, what is a usage error, and what a process would end with.

use super::*;

fn parse(line: &str) -> Result<CommandLine, clap::Error> {
    CommandLine::try_parse_from(std::iter::once("tollgate").chain(line.split_whitespace()))
}

#[test]
fn the_definition_is_sound() {
    CommandLine::command().debug_assert();
}

#[test]
fn the_configuration_is_named_before_or_after_the_command() {
    for (line, config) in [
        ("", None),
        ("--config a.toml", Some("a.toml")),
        ("--config a.toml serve", Some("a.toml")),
        ("serve --config a.toml", Some("a.toml")),
        ("serve --config=a.toml", Some("a.toml")),
        ("token list --config a.toml", Some("a.toml")),
        ("token --config a.toml list", Some("a.toml")),
        ("--config a.toml token list --json", Some("a.toml")),
        ("verify", None),
    ] {
        let parsed = parse(line).unwrap_or_else(|fault| panic!("{line}: {fault}"));
        assert_eq!(parsed.config, config.map(Into::into), "{line}");
    }
}

#[test]
fn without_a_command_it_serves() {
    assert!(parse("").unwrap().command.is_none());
    assert!(matches!(parse("serve").unwrap().command, Some(Command::Serve)));
}

#[test]
fn usage_errors_end_with_2_and_help_with_0() {
    let head = format!("verify --head 3:{}", "ab".repeat(32));
    for (line, code) in [
        ("--help", 0),
        ("--version", 0),
        ("token create --help", 0),
        ("bogus", 2),
        ("--bogus", 2),
        ("serve extra", 2),
        ("token", 2),
        ("token bogus", 2),
        ("user", 2),
        ("ledger", 2),
        ("--config", 2),
        ("verify --head 3", 2),
        ("verify --head -1:00", 2),
        ("completions", 2),
        ("completions tcsh", 2),
        ("admin-key extra", 2),
    ] {
        assert_eq!(parse(line).map(|_| ()).unwrap_err().exit_code(), code, "{line}");
    }
    assert!(parse(&head).is_ok());
}

fn carried_out(line: &str) -> (Result<(), Failed>, String) {
    let parsed = parse(line).unwrap_or_else(|fault| panic!("{line}: {fault}"));
    let mut out = Vec::new();
    let done = carry_out(parsed.command.unwrap(), parsed.config.as_deref(), &mut out);
    (done, String::from_utf8(out).unwrap())
}

#[test]
fn words_of_parts_to_come_say_so() {
    for line in ["backup x", "backup", "restore x --force", "import new-api x", "reload", "reload --json"] {
        let failed = carried_out(line).0.unwrap_err();
        assert_eq!(failed.exit, Exit::Usage, "{line}");
        assert!(failed.message.contains("is not built yet"), "{line}");
    }
}

#[test]
fn a_configuration_that_is_named_must_be_there() {
    for command in ["check", "verify", "token list", "admin-key"] {
        let failed = carried_out(&format!("{command} --config /nonexistent/c.toml")).0.unwrap_err();
        assert_eq!(failed.exit, Exit::Configuration, "{command}");
        assert!(failed.message.starts_with("/nonexistent/c.toml: cannot be read"), "{}", failed.message);
    }
}

#[test]
fn a_change_of_nothing_is_a_usage_error_before_anything_is_read() {
    let failed = carried_out("token update 5 --config /nonexistent/c.toml").0.unwrap_err();
    assert_eq!(failed.exit, Exit::Usage);
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (done, script) = carried_out(&format!("completions {shell}"));
        assert_eq!(done, Ok(()));
        assert!(script.contains("admin-key") && script.contains("remain-credits"), "{shell}");
    }
}

#[test]
fn a_closed_pipe_is_quiet_and_a_full_disk_is_not() {
    let quiet = Failed::from(io::Error::from(io::ErrorKind::BrokenPipe));
    assert_eq!(quiet, Failed::new(Exit::Failure, ""));
    let told = Failed::from(io::Error::from(io::ErrorKind::StorageFull));
    assert!(told.message.starts_with("cannot print: "));
}

/// A configuration whose database lies in a directory of its own.
fn configuration(name: &str) -> Config {
    let directory = std::env::temp_dir().join(format!("tollgate-cli-{}-{name}", std::process::id()));
    drop(std::fs::remove_dir_all(&directory));
    let text = format!("[database]\npath = {:?}\n", directory.join("data/tollgate.db"));
    Config::parse(&text, std::path::Path::new("config.toml"), &Environment::default()).unwrap()
}

fn work(line: &str) -> Work {
    match parse(line).unwrap().command.unwrap() {
        Command::Token(command) => Work::Plan(request::plan_token(command).unwrap()),
        Command::User(command) => Work::Plan(request::plan_user(command).unwrap()),
        Command::AdminKey(format) => Work::AdminKey(format),
        other => panic!("{other:?} makes no call"),
    }
}

#[tokio::test]
async fn a_command_that_makes_nothing_makes_no_database() {
    let config = configuration("none");
    for line in ["token list", "token show 1", "token delete 1", "user list"] {
        let failed = perform(&config, work(line), &mut io::sink()).await.map(|_| ()).unwrap_err();
        assert_eq!(failed.exit, Exit::Failure, "{line}");
        assert!(failed.message.starts_with("there is no database "), "{line}: {}", failed.message);
    }
    assert!(!config.database.path.parent().unwrap().exists());
}

#[tokio::test]
async fn without_a_server_commands_take_the_database_themselves() {
    let config = configuration("local");
    let shown = std::cell::RefCell::new(Vec::new());
    let done = async |line: &str| {
        let mut aside = Vec::new();
        let called = perform(&config, work(line), &mut aside).await;
        shown.borrow_mut().push(String::from_utf8(aside).unwrap());
        let (data, _) = called?;
        Ok::<serde_json::Value, Failed>(serde_json::from_str(&data).unwrap())
    };
    let token = done("token create --name n --remain-credits 12.5").await.unwrap();
    assert_eq!((&token["remain_quota"], &token["id"]), (&31_250.into(), &2.into()));
    assert_eq!(done("token credit 2 --quota -250").await.unwrap()["remain_quota"], 31_000);
    assert_eq!(done("token disable 2").await.unwrap()["status"], 2);
    let refused = done("token credit 2 --quota -31001").await.unwrap_err();
    assert_eq!(refused.exit, Exit::Failure);
    // The first admin is demoted: a new admin key belongs to one who is still an admin.
    let second = done("user create --name second --role admin").await.unwrap();
    done(&format!("token create --name m --scopes manage --user-id {}", second["id"])).await.unwrap();
    done("user update 1 --role member").await.unwrap();
    assert_eq!(done("admin-key").await.unwrap()["user_id"], second["id"]);
    let shown = shown.into_inner();
    assert!(
        shown[0].contains("sk-") && shown[1..].iter().all(String::is_empty),
        "the first key, once: {shown:?}"
    );
    let report = crate::store::verify(&config.database.path, None).unwrap();
    assert_eq!(report.drift, Vec::<String>::new());
    std::fs::remove_dir_all(config.database.path.ancestors().nth(2).unwrap()).unwrap();
}
