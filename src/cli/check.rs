//! `tollgate check`: what a start would find in the configuration and the database. Changes neither.

use std::collections::BTreeMap;

use serde::Serialize;

use super::args::Format;
use super::failed::Failed;
use super::screen::{Out, Table, safe, safe_json};
use crate::catalogue::Provider;
use crate::channels::Channel;
use crate::config::Config;
use crate::directory::Unpriced;
use crate::store::{self, Examined};

#[derive(Debug, Serialize)]
struct Findings<'a> {
    source: Option<String>,
    warnings: Vec<String>,
    /// Provider → the models with a price.
    priced_models: BTreeMap<&'static str, usize>,
    channels: Vec<ShownChannel<'a>>,
    database: ShownDatabase,
}

#[derive(Debug, Serialize)]
struct ShownChannel<'a> {
    name: &'a str,
    provider: &'static str,
    /// `None`: the built-in provider has none.
    base_url: Option<String>,
    api_keys: usize,
    /// `None`: every priced model of the provider.
    models: Option<&'a [String]>,
    groups: &'a [String],
}

#[derive(Debug, Serialize)]
struct ShownDatabase {
    path: String,
    /// `sound`, or `absent`; `None`: it does not open, as standard error says.
    state: Option<&'static str>,
}

/// Looks at everything and prints what there is. The configuration was read already, so it has no fault.
///
/// # Errors
/// When the database is one that a server would not start on.
pub fn check(config: &Config, format: Format, out: Out<'_>) -> Result<(), Failed> {
    let examined = store::examine(&config.database.path);
    let findings = find(config, examined.as_ref().ok().copied());
    if format.json {
        let json = serde_json::to_string(&findings)
            .expect("findings have string keys and cannot fail to be written");
        writeln!(out, "{}", safe_json(&json))?;
    } else {
        print(&findings, out)?;
        match examined {
            Ok(Examined::Sound) => writeln!(out, "it opens; `tollgate verify` proves what is in it")?,
            Ok(Examined::Absent) => writeln!(out, "there is none yet: the first start makes it")?,
            Err(_) => {}
        }
    }
    examined.map(drop).map_err(|fault| Failed::of_open(&fault))
}

fn find(config: &Config, examined: Option<Examined>) -> Findings<'_> {
    let mut warnings = config.warnings.clone();
    warnings.extend(unpriced(config));
    let priced = Provider::ALL.map(|provider| (provider.as_str(), config.catalogue.models(provider).count()));
    Findings {
        source: config.source.as_ref().map(|path| path.display().to_string()),
        warnings,
        priced_models: priced.into_iter().collect(),
        channels: config.roster.channels().iter().map(|channel| shown(channel)).collect(),
        database: ShownDatabase {
            path: config.database.path.display().to_string(),
            state: examined.map(|examined| match examined {
                Examined::Absent => "absent",
                Examined::Sound => "sound",
            }),
        },
    }
}

fn shown(channel: &Channel) -> ShownChannel<'_> {
    let url = &channel.base_url;
    let scheme = if url.tls { "https" } else { "http" };
    let base_url = format!("{scheme}://{}{}", url.host_header(), url.path);
    ShownChannel {
        name: channel.name.as_str(),
        provider: channel.provider.as_str(),
        base_url: (channel.provider != Provider::Demo).then_some(base_url),
        api_keys: channel.api_keys.len(),
        models: channel.models.as_ref().map(|list| list.names()),
        groups: &channel.groups,
    }
}

/// Models that a channel lists, but that no entry prices.
fn unpriced(config: &Config) -> Vec<String> {
    let becomes = match config.accounting.unpriced_models {
        Unpriced::Refused => "requests for it are refused; add it to [[prices]]",
        Unpriced::Free => "requests for it cost nothing",
    };
    let mut warnings = Vec::new();
    for channel in config.roster.channels() {
        let names = channel.models.as_ref().map(|list| list.names()).unwrap_or_default();
        let exact = names.iter().filter(|name| !name.ends_with('*'));
        for model in exact.filter(|model| config.catalogue.entry(channel.provider, model).is_none()) {
            warnings.push(format!("channel {}: {model:?} has no price: {becomes}", channel.name));
        }
    }
    warnings
}

fn print(findings: &Findings<'_>, out: Out<'_>) -> std::io::Result<()> {
    let source = findings.source.as_deref().unwrap_or("built-in defaults and the environment");
    writeln!(out, "configuration: {}", safe(source))?;
    for warning in &findings.warnings {
        writeln!(out, "warning: {}", safe(warning))?;
    }
    let priced: Vec<String> =
        findings.priced_models.iter().map(|(provider, count)| format!("{provider} {count}")).collect();
    writeln!(out, "priced models: {}\n", priced.join(", "))?;
    let mut table = Table::headed(["CHANNEL", "PROVIDER", "BASE URL", "KEYS", "GROUPS", "MODELS"]);
    for channel in &findings.channels {
        table.row([
            channel.name.to_owned(),
            channel.provider.to_owned(),
            channel.base_url.clone().unwrap_or_else(|| "-".to_owned()),
            channel.api_keys.to_string(),
            channel.groups.join(", "),
            channel.models.map_or_else(|| "every priced one".to_owned(), |models| models.join(", ")),
        ]);
    }
    table.print(out)?;
    writeln!(out, "\ndatabase: {}", safe(&findings.database.path))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Environment;

    fn checked(extra: &str, format: Format) -> (Result<(), Failed>, String) {
        let text = format!("[database]\npath = \"/nonexistent/tollgate.db\"\n{extra}");
        let environment: Environment = [("K", "secret-of-the-provider")].into_iter().collect();
        let config = Config::parse(&text, Path::new("c.toml"), &environment).unwrap();
        let mut out = Vec::new();
        let result = check(&config, format, &mut out);
        (result, String::from_utf8(out).unwrap())
    }

    const CHANNEL: &str = "[[channels]]\nname = \"a\"\nprovider = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\n\
        api_keys = [\"env:K\"]\nmodels = [\"no-such-model\", \"gpt-*\"]\n";

    #[test]
    fn a_sound_configuration_without_a_database_is_fine() {
        let (result, text) = checked(CHANNEL, Format::default());
        assert_eq!(result, Ok(()));
        for part in [
            "configuration: c.toml\n",
            "warning: channel a: \"no-such-model\" has no price",
            "http://127.0.0.1:9/v1",
            "no-such-model, gpt-*",
            "database: /nonexistent/tollgate.db\nthere is none yet",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("secret-of-the-provider"), "{text}");
    }

    #[test]
    fn findings_are_json_too() {
        let (_, text) = checked(CHANNEL, Format { json: true });
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["channels"][0]["api_keys"], 1);
        assert_eq!(json["database"]["state"], "absent");
        assert!(!text.contains("secret-of-the-provider"), "{text}");
    }
}
