//! The manual against the code; overrides; and what a mistake is answered with.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::catalogue::Provider;
use crate::channels::Channel;

const MANUAL: &str = include_str!("../../config.toml");
const KEY: &str = "sk-000000000000000000000000000000000000000000000000";

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    Config::parse(text, Path::new("c.toml"), &environment(variables)).map_err(|fault| fault.to_string())
}

fn channels(config: &Config) -> Vec<(&str, Provider)> {
    config.roster.channels().iter().map(|channel| (channel.name.as_str(), channel.provider)).collect()
}

/// A file of this process's own under the system's temporary directory.
fn temporary(name: &str, text: &str, mode: u32) -> PathBuf {
    let path = std::env::temp_dir().join(format!("tollgate-config-{}-{name}", std::process::id()));
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    path
}

/// Everything but the catalogue, to compare.
fn shown(config: &Config) -> String {
    let Config { server, database, accounting, limits, logging, groups, roster, .. } = config;
    format!("{server:#?}{database:#?}{accounting:#?}{limits:#?}{logging:#?}{groups:#?}{roster:#?}")
}

/// The manual with its examples alive.
fn uncommented() -> String {
    let alive = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest.to_owned(),
        _ => line.to_owned(),
    };
    MANUAL.lines().map(alive).collect::<Vec<_>>().join("\n")
}

fn paths(prefix: &str, table: &toml::Table, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        found.insert(path.clone());
        match value {
            toml::Value::Table(table) => paths(&path, table, found),
            toml::Value::Array(items) => {
                items.iter().filter_map(toml::Value::as_table).for_each(|table| paths(&path, table, found));
            }
            _ => {}
        }
    }
}

#[test]
fn the_manual_says_the_defaults() {
    let empty = parse("", &[]).unwrap();
    let manual = parse(MANUAL, &[]).unwrap();
    assert_eq!(shown(&manual), shown(&empty));
    assert_eq!(manual.warnings, Vec::<String>::new());
    assert_eq!(channels(&manual), [("demo", Provider::Demo)]);
    assert_eq!(empty.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(empty.server.metrics_listen, None);
    assert_eq!(empty.server.max_buffered_bytes, 1 << 30);
    assert_eq!(empty.server.control_socket, Path::new("data/tollgate.sock"));
    assert_eq!(empty.groups.names().collect::<Vec<_>>(), ["default"]);
}

#[test]
fn the_manual_holds_every_key() {
    let text = uncommented();
    let environment = environment(&[("OPENAI_API_KEY", "sk-x")]);
    let context = Context::new(None, &environment);
    let config = read(&context, tree::parse_file(&text).unwrap()).unwrap();
    let findings = context.into_findings();
    let faults: Vec<&str> = findings.faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(faults, ["channels[0].ca_file"], "the example's file is not there; all else is right");
    let mut standing = BTreeSet::new();
    paths("", &text.parse().unwrap(), &mut standing);
    let missing: Vec<_> = findings.known.difference(&standing).collect();
    assert!(missing.is_empty(), "not in config.toml: {missing:?}");
    // What the examples claim to be defaults.
    let example = &config.roster.channels()[0];
    let plain = parse("[[channels]]\nname = \"openai\"\nprovider = \"openai\"", &[]).unwrap();
    let plain = &plain.roster.channels()[0];
    let claimed = |channel: &Channel| {
        (
            channel.base_url.clone(),
            channel.timeouts,
            channel.output_cap_field.clone(),
            channel.stream_usage,
            channel.responses,
        )
    };
    assert_eq!(claimed(example), claimed(plain));
    assert_eq!(example.provider_model("fast"), "gpt-4.1-mini");
    assert_eq!(example.headers.len(), 1);
    assert_eq!(config.server.control_socket, Path::new("data/tollgate.sock"));
}

/// What stands in the file, and what is told of it.
const MISTAKES: &[(&str, &str)] = &[
    ("[server]\nlistn = \"x\"", "c.toml:2: server.listn: unknown key; did you mean server.listen?"),
    ("\n[serve]\nlisten = \"x\"", "c.toml:2: serve: unknown key; did you mean server?"),
    ("[server.tls]\ncert = \"x\"", "c.toml:1: server.tls: unknown key; known here are listen,"),
    ("[server]\ntrusted_proxies = []", "c.toml:2: server.trusted_proxies: unknown key"),
    ("[server]\nmetrics_listen = \"x\"", "c.toml:2: server.metrics_listen: must be an IP address and a port"),
    ("[retries]\nmax_attempts = 3", "c.toml:1: retries: unknown key"),
    ("[breaker]\nfailures = 3", "c.toml:1: breaker: unknown key"),
    ("[server]\n\nworkers = \"two\"", "c.toml:3: server.workers: must be a whole number, 0 to 1024"),
    ("[server]\nworkers = 2.0", "c.toml:2: server.workers: must be a whole number"),
    ("[server]\nworkers = 99999999999999999999", "c.toml:2: server.workers: must be a whole number"),
    ("server = 1", "c.toml:1: server: must be a section"),
    ("[server]\nlisten = \"localhost\"", "c.toml:2: server.listen: must be an IP address and a port"),
    ("[server]\nlisten = 8080", "c.toml:2: server.listen: must be a text in quotes"),
    ("[server]\nready_needs_channel = 1", "c.toml:2: server.ready_needs_channel: must be true or false"),
    ("[server]\ntimeouts = { header = 0 }", "c.toml:2: server.timeouts.header: must be a number of seconds"),
    (
        "[server.timeouts]\nhead = 1",
        "c.toml:2: server.timeouts.head: unknown key; did you mean server.timeouts.header?",
    ),
    (
        "[database]\ndurability = \"disk\"",
        "c.toml:2: database.durability: must be one of \"power\", \"process\"",
    ),
    ("[database]\npath = \"\"", "c.toml:2: database.path: must not be empty"),
    ("[accounting]\ntimezone = \"Berlin\"", "c.toml:2: accounting.timezone: must be the name of a time zone"),
    ("[limits]\nmax_choices = 0", "c.toml:2: limits.max_choices: must be a whole number, 1 to 1024"),
    ("[logging]\nlevel = \"loud\"", "c.toml:2: logging.level: must be one of"),
    ("a = ", "c.toml:1: "),
    ("[server]\nlisten = \"a\"\nlisten = \"b\"", "c.toml:3: duplicate key"),
    ("[[groups]]\nmultiplier = 1", "c.toml:1: groups[0].name: is missing"),
    ("[[groups]]\nname = \"g\"\nmultiplier = -1", "c.toml:3: groups[0].multiplier: must not be negative"),
    ("[[groups]]\nname = \"g\"\n[[groups]]\nname = \"g\"", "c.toml:4: groups[1].name: must be another"),
    ("[groups]\nname = \"g\"", "c.toml:1: groups: must be a list"),
    ("[[prices]]\nmodel = \"m\"\ninptu = 1", "c.toml:3: prices[0].inptu: is no key here"),
    ("[[prices]]\nmodel = \"m\"\ninput = -1", "c.toml:3: prices[0].input: must not be negative"),
    (
        "[[prices]]\nmodel = \"m\"\ninput = 1\n[prices.tiers.flex]\ninput = true",
        "c.toml:5: prices[0].tiers.flex.input: ",
    ),
    ("[[prices]]\nmodel = \"m\"", "c.toml:1: prices[0]: names no price"),
    ("prices = [1]", "c.toml:1: prices[0]: must be a table"),
    ("[[prices]]\nmodel=\"m\"\ninput=1\n[[prices]]\nmodel=\"m\"\ninput=2", "c.toml:4: prices[1]: "),
    ("[[channels]]\nprovider = \"openai\"", "c.toml:1: channels[0].name: is missing"),
    ("[[channels]]\nname = \"a\"", "c.toml:1: channels[0].provider: is missing"),
    ("[[channels]]\nname = \"demo\"\nprovider = \"openai\"", "c.toml:2: channels[0].name: must be another"),
    (
        "[[channels]]\nname = \"a\"\nprovider = \"azure\"",
        "c.toml:3: channels[0].provider: must be \"openai\"",
    ),
];

/// The same, after three lines of a channel.
const CHANNEL_MISTAKES: &[(&str, &str)] = &[
    ("priority = 1", "c.toml:4: channels[0].priority: unknown key"),
    ("weight = 1", "c.toml:4: channels[0].weight: unknown key"),
    ("probe_seconds = 1", "c.toml:4: channels[0].probe_seconds: unknown key"),
    ("base_url = \"api.openai.com\"", "c.toml:4: channels[0].base_url: must begin with"),
    (
        "api_keys = [\n  \"env:NO_SUCH\",\n]",
        "c.toml:5: channels[0].api_keys[0]: the environment variable \"NO_SUCH\" is not set",
    ),
    ("api_keys = [\"file:/no/such\"]", "c.toml:4: channels[0].api_keys[0]: /no/such cannot be read"),
    ("api_keys = [\"sk-live\"]", "c.toml:4: channels[0].api_keys[0]: must be \"env:NAME\""),
    ("api_keys = \"env:K\"", "c.toml:4: channels[0].api_keys: must be a list"),
    ("models = []", "channels[0].models: is empty"),
    ("models = [\"a*b\"]", "c.toml:4: channels[0].models: holds \"a*b\""),
    ("groups = [\"vip\"]", "c.toml:4: channels[0].groups[0]: there is no group \"vip\""),
    ("headers = { Host = \"x\" }", "c.toml:4: channels[0].headers.Host: is a header that"),
    ("headers = { \"a b\" = \"x\" }", "c.toml:4: channels[0].headers.a b: is no name"),
    ("headers = { X = \"a\\nb\" }", "c.toml:4: channels[0].headers.X: holds more than one"),
    ("proxy = \"https://p\"", "c.toml:4: channels[0].proxy: must be http://HOST:PORT"),
    ("ca_file = \"/no/such\"", "c.toml:4: channels[0].ca_file: /no/such cannot be read"),
    ("output_cap_field = \"n\"", "c.toml:4: channels[0].output_cap_field: must be"),
    ("responses = \"messages\"", "c.toml:4: channels[0].responses: must be"),
    ("timeouts = { total = \"1\" }", "c.toml:4: channels[0].timeouts.total: must be a number"),
];

#[test]
fn mistakes_are_told_with_file_line_and_key() {
    let plain = MISTAKES.iter().map(|(text, want)| ((*text).to_owned(), *want));
    let of_channels = CHANNEL_MISTAKES
        .iter()
        .map(|(text, want)| (format!("[[channels]]\nname = \"a\"\nprovider = \"openai\"\n{text}"), *want));
    for (text, want) in plain.chain(of_channels) {
        let told = parse(&text, &[]).expect_err(&text);
        assert!(told.contains(want), "{text}\ntold: {told}\nwant: {want}");
        assert!(!told.contains("sk-live"), "{told}");
        assert_eq!(told.lines().count(), 1, "{text}\ntold: {told}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_files_order() {
    let told = parse("[limits]\nmax_choices = 0\n[server]\nworkers = -1\nx = 1", &[("TOLLGATE_Y", "1")]);
    let told = told.unwrap_err();
    let places: Vec<&str> = told.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["c.toml:2", "c.toml:4", "c.toml:5", "TOLLGATE_Y"]);
}

#[test]
fn the_environment_overrides() {
    let text = "[server]\nlisten = \"127.0.0.1:1\"\nworkers = 1\ntimeouts = { body = 7 }";
    let config = parse(
        text,
        &[
            ("TOLLGATE_SERVER__LISTEN", "[::1]:9"),
            ("TOLLGATE_SERVER__TIMEOUTS__HEADER", "0.25"),
            ("TOLLGATE_SERVER__READY_NEEDS_CHANNEL", "true"),
            ("TOLLGATE_DATABASE__PATH", "/x/y.db"),
            ("TOLLGATE_ACCOUNTING", "{ timezone = \"Europe/Berlin\" }"),
            ("TOLLGATE_ACCOUNTING__RETENTION_DAYS", "30"),
            ("TOLLGATE_GROUPS", "[{\"name\": \"vip\", \"multiplier\": \"1.5\"}]"),
            ("TOLLGATE_PRICES", "[{ model = \"m\", input = 1, output = 2 }]"),
            ("OTHER", "1"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.listen.to_string(), "[::1]:9");
    assert_eq!(config.server.workers, 1);
    assert_eq!(config.server.timeouts.header, Duration::from_millis(250));
    assert_eq!(config.server.timeouts.body, Duration::from_secs(7));
    assert!(config.server.ready_needs_channel);
    assert_eq!(config.server.control_socket, Path::new("/x/tollgate.sock"));
    assert_eq!((config.accounting.timezone.name(), config.accounting.retention_days), ("Europe/Berlin", 30));
    assert_eq!(config.groups.multiplier("vip"), Some(Multiplier::parse("1.5").unwrap()));
    assert!(config.catalogue.offers(Provider::OpenAi, "m"));
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    let text = "[[channels]]\nname = \"a\"\nprovider = \"openai\"";
    for (name, value, want) in [
        ("TOLLGATE_SERVER__LISTN", "x", "server.listn: unknown key; did you mean server.listen?"),
        ("TOLLGATE_SERVER_LISTEN", "x", "server_listen: unknown key; two underscores"),
        ("TOLLGATE_TYPO__X__Y", "x", "typo: unknown key"),
        ("TOLLGATE_", "x", "unknown key"),
        ("TOLLGATE_SERVER__WORKERS", "two", "server.workers: must be a whole number"),
        ("TOLLGATE_SERVER__WORKERS", "", "server.workers: must be a whole number"),
        ("TOLLGATE_SERVER__LISTEN", "", "server.listen: must not be empty"),
        ("TOLLGATE_SERVER__LISTEN__X", "1", "unknown"),
        ("TOLLGATE_SERVER", "1", "server: must be a section"),
        ("TOLLGATE_CHANNELS", "nonsense", "channels: is neither"),
        ("TOLLGATE_CHANNELS__0__NAME", "b", "channels is a list"),
        ("TOLLGATE_CHANNELS", "[{name=\"b\"}]", "channels[0].provider: is missing"),
        ("TOLLGATE_ADMIN_KEY", "hunter2", "must be sk- and 48 characters"),
        ("TOLLGATE_ADMIN_KEY", "", "must be sk- and 48 characters"),
        ("TOLLGATE_ADMIN_KEY", &KEY[3..], "must be sk- and 48 characters"),
        ("TOLLGATE_ADMIN_KEY_FILE", "/no/such", "cannot be read"),
        ("TOLLGATE_ADMIN_KEYS", "x", "admin_keys: unknown key"),
    ] {
        let told = parse(text, &[(name, value)]).expect_err(name);
        let rest = told.strip_prefix(&format!("{name}: "));
        let named = rest.is_some_and(|rest| rest.contains(want)) || (want == "unknown" && rest.is_some());
        assert!(named && !told.contains("hunter2"), "{name}\ntold: {told}\nwant: {want}");
    }
}

#[test]
fn the_admin_key_comes_by_value_or_by_file() {
    let file = temporary("admin", &format!("{KEY}\n"), 0o600);
    let path = file.to_str().unwrap();
    let by_value = parse("", &[("TOLLGATE_ADMIN_KEY", KEY)]).unwrap();
    let by_file = parse("", &[("TOLLGATE_ADMIN_KEY_FILE", path)]).unwrap();
    assert_eq!(by_value.admin_key, Key::parse(KEY.as_bytes()));
    assert_eq!(by_file.admin_key, by_value.admin_key);
    assert_eq!(by_file.warnings, Vec::<String>::new());
    assert!(!format!("{by_value:?}").contains("000000000000000000000000"));
    assert!(parse("", &[("TOLLGATE_ADMIN_KEY", KEY), ("TOLLGATE_ADMIN_KEY_FILE", path)]).is_err());
    fs::remove_file(file).unwrap();
}

#[test]
fn secrets_come_from_files_and_open_ones_are_warned_of() {
    let (closed, open) = (temporary("closed", " k1 \n", 0o600), temporary("open", "k2", 0o644));
    let empty = temporary("empty", " \n", 0o600);
    let channel = |path: &Path| {
        format!("[[channels]]\nname = \"a\"\nprovider = \"openai\"\napi_keys = [\"file:{}\"]", path.display())
    };
    let config = parse(&channel(&closed), &[]).unwrap();
    assert_eq!(config.roster.channels()[0].api_keys[0].reveal(), "k1");
    assert_eq!(config.warnings, Vec::<String>::new());
    let config = parse(&channel(&open), &[]).unwrap();
    assert!(
        config.warnings[0].starts_with("c.toml:4: channels[0].api_keys[0]: everyone"),
        "{:?}",
        config.warnings
    );
    assert!(!config.warnings[0].contains("k2"));
    let told = parse(&channel(&empty), &[]).unwrap_err();
    assert!(told.starts_with("c.toml:4: channels[0].api_keys[0]: ") && told.ends_with("is empty"), "{told}");
    for file in [closed, open, empty] {
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn keys_of_the_environment_make_channels_when_the_file_has_none() {
    let config = parse("", &[("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")]).unwrap();
    assert_eq!(channels(&config), [("openai", Provider::OpenAi), ("demo", Provider::Demo)]);
    let openai = &config.roster.channels()[0];
    assert_eq!((openai.base_url.port, openai.output_cap_field.as_str()), (9, "max_tokens"));
    assert_eq!(openai.api_keys[0].reveal(), "k");
    assert!(openai.models.is_none());
    assert_eq!(channels(&parse("", &[("OPENAI_API_KEY", "")]).unwrap()), [("demo", Provider::Demo)]);
    let own = "[[channels]]\nname = \"a\"\nprovider = \"openai\"\nbase_url = \"http://localhost:1\"";
    let config = parse(own, &[("OPENAI_API_KEY", "k"), ("ANTHROPIC_API_KEY", "k")]).unwrap();
    assert_eq!(channels(&config), [("a", Provider::OpenAi), ("demo", Provider::Demo)]);
    assert_eq!(config.warnings, Vec::<String>::new());
    let config = parse("", &[("ANTHROPIC_API_KEY", "k"), ("OPENAI_API_KEY", "k")]).unwrap();
    let both = [("openai", Provider::OpenAi), ("anthropic", Provider::Anthropic), ("demo", Provider::Demo)];
    assert_eq!(channels(&config), both);
    let anthropic = &config.roster.channels()[1];
    assert_eq!(
        (anthropic.base_url.host.as_str(), anthropic.base_url.path.as_str()),
        ("api.anthropic.com", "")
    );
    let config = parse("", &[("GEMINI_API_KEY", "k")]).unwrap();
    assert_eq!(channels(&config), [("gemini", Provider::Gemini), ("demo", Provider::Demo)]);
    assert_eq!(config.roster.channels()[0].base_url.host, "generativelanguage.googleapis.com");
    assert_eq!(config.warnings, Vec::<String>::new());
    let told = parse("", &[("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", "x")]).unwrap_err();
    assert!(told.starts_with("OPENAI_BASE_URL: must begin with"), "{told}");
}

#[test]
fn the_demo_channel_serves_all_groups_and_stands_last() {
    let text =
        "[[groups]]\nname = \"vip\"\nmultiplier = 1.10\n[[channels]]\nname = \"fake\"\nprovider = \"demo\"
        models = [\"m-*\"]\ngroups = [\"vip\"]";
    let config = parse(text, &[]).unwrap();
    assert_eq!(channels(&config), [("fake", Provider::Demo), ("demo", Provider::Demo)]);
    let demo = &config.roster.channels()[1];
    assert_eq!(demo.groups, ["vip", "default"]);
    assert!(demo.models.as_ref().unwrap().permits("demo") && !demo.models.as_ref().unwrap().permits("m-1"));
    assert!(config.roster.channels()[0].models.as_ref().unwrap().permits("m-1"));
    assert_eq!(config.groups.multiplier("vip").unwrap().to_string(), "1.1");
}

#[test]
fn a_named_file_must_be_there() {
    let told =
        Config::load(Some(Path::new("/no/such.toml")), &Environment::default()).unwrap_err().to_string();
    assert!(told.starts_with("/no/such.toml: cannot be read"), "{told}");
    let file = temporary("load", "[server]\nworkers = 3", 0o644);
    let config = Config::load(Some(&file), &Environment::default()).unwrap();
    assert_eq!((config.server.workers, config.source.as_deref()), (3, Some(file.as_path())));
    fs::remove_file(file).unwrap();
}
