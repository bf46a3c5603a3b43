//! `[[channels]]`: from the file; else from the keys that providers' own tools use; and always the built-in one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::fault::At;
use super::reader::{Context, Found, Section};
use super::secrets::{Literal, secret};
use super::sections::channel_timeouts;
use crate::catalogue::Groups;
use crate::catalogue::Provider;
use crate::channels::client::tls_config;
use crate::channels::{BaseUrl, Channel, Responses, Roster, Timeouts};
use crate::ids::ChannelName;
use crate::secret::Secret;
use crate::tokens::{ListFault, ModelList};
use crate::wire::CAP_FIELDS;

const OPENAI: &str = "https://api.openai.com/v1";
const OPENAI_HOST: &str = "api.openai.com";
const ANTHROPIC: &str = "https://api.anthropic.com";
const ANTHROPIC_HOST: &str = "api.anthropic.com";

/// Where Google listens, as its SDKs take it.
const GEMINI: &str = "https://generativelanguage.googleapis.com";
const GEMINI_HOST: &str = "generativelanguage.googleapis.com";
/// The model that the built-in channel serves, and the channel's name.
const DEMO: &str = "demo";

/// Headers that a channel may not add: they belong to one connection, to the body, or to the channel's key.
const RESERVED_HEADERS: [&str; 17] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-client-request-id",
];

/// All channels, the built-in one last.
pub(super) fn roster(context: &Context<'_>, sections: Vec<Section<'_>>, groups: &Groups) -> Roster {
    let configured = !sections.is_empty();
    let mut names = BTreeSet::from([DEMO.to_owned()]);
    let mut channels: Vec<Arc<Channel>> = sections
        .into_iter()
        .filter_map(|section| channel(section, groups, &mut names))
        .map(Arc::new)
        .collect();
    if !configured {
        let made = FROM_ENVIRONMENT.iter().filter_map(|names| of_environment(context, groups, names));
        channels.extend(made.map(Arc::new));
    }
    channels.push(Arc::new(demo(groups)));
    Roster::new(channels)
}

fn channel(mut section: Section<'_>, groups: &Groups, names: &mut BTreeSet<String>) -> Option<Channel> {
    let name = name(&mut section, names);
    let provider = required(&section.parsed("provider", provider), &section, "provider");
    let models = models(&mut section);
    let served = served_groups(&mut section, groups);
    let mut channel = match provider? {
        Provider::Demo => demo(groups),
        Provider::Anthropic => anthropic(&mut section),
        Provider::Gemini => gemini(&mut section),
        Provider::OpenAi => openai(&mut section),
    };
    section.finish();
    channel.name = name?;
    channel.models = models;
    channel.groups = served;
    Some(channel)
}

/// What an OpenAI-compatible channel has besides what all have.
fn openai(section: &mut Section<'_>) -> Channel {
    let channel = remote(section, Provider::OpenAi, (OPENAI, OPENAI_HOST));
    Channel {
        output_cap_field: output_cap_field(section, &channel.base_url),
        stream_usage: section.flag("stream_usage").unwrap_or(true),
        responses: section.choice("responses", &[("native", Responses::Native), ("chat", Responses::Chat)]),
        ..channel
    }
}

/// A channel of Anthropic, whose API says by itself what was used and knows one cap.
fn anthropic(section: &mut Section<'_>) -> Channel {
    let channel = remote(section, Provider::Anthropic, (ANTHROPIC, ANTHROPIC_HOST));
    if channel.base_url.path.ends_with("/v1") {
        let message = "ends in /v1, which is added to it: Anthropic's own SDKs take the URL without it";
        section.context.warn(&section.at, &section.key("base_url"), message);
    }
    channel
}

/// A channel of Google's, whose API says by itself what was used and knows one cap.
fn gemini(section: &mut Section<'_>) -> Channel {
    let channel = remote(section, Provider::Gemini, (GEMINI, GEMINI_HOST));
    if ["/v1", "/v1beta"].iter().any(|version| channel.base_url.path.ends_with(version)) {
        let message = "ends in a version, which is added to it: Google's own SDKs take the URL without it";
        section.context.warn(&section.at, &section.key("base_url"), message);
    }
    channel
}

/// What all channels with a network have besides what all have; where it is by default, and who refuses those without a key.
fn remote(section: &mut Section<'_>, provider: Provider, (at, host): (&str, &str)) -> Channel {
    let base_url = section.parsed("base_url", BaseUrl::parse).unwrap_or_else(|| url(at));
    let api_keys = api_keys(section);
    if api_keys.is_empty() && base_url.host == host {
        section.context.warn(
            &section.at,
            &section.key("api_keys"),
            "has no key, which this host will refuse",
        );
    }
    Channel {
        model_map: model_map(section),
        timeouts: channel_timeouts(section.section("timeouts")),
        proxy: section.parsed("proxy", proxy),
        headers: headers(section),
        ca_pem: section.parsed("ca_file", ca_file),
        ..plain(provider, base_url, api_keys)
    }
}

/// A channel whose every other key is absent.
fn plain(provider: Provider, base_url: BaseUrl, api_keys: Vec<Secret<String>>) -> Channel {
    Channel {
        name: ChannelName(provider.as_str().into()),
        provider,
        output_cap_field: default_cap_field(&base_url).to_owned(),
        base_url,
        api_keys,
        models: None,
        model_map: BTreeMap::new(),
        groups: Vec::new(),
        timeouts: Timeouts {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(120),
            idle: Duration::from_secs(300),
            total: Duration::from_secs(1_800),
        },
        headers: Vec::new(),
        ca_pem: None,
        proxy: None,
        stream_usage: true,
        responses: Responses::Native,
    }
}

/// The built-in channel: one model, all groups, no network.
fn demo(groups: &Groups) -> Channel {
    Channel {
        models: ModelList::from_names([DEMO.to_owned()]).ok(),
        groups: groups.names().map(str::to_owned).collect(),
        ..plain(Provider::Demo, url("http://demo.invalid"), Vec::new())
    }
}

/// What a provider's own tools read of the environment.
struct Names {
    provider: Provider,
    key: &'static str,
    base_url: &'static str,
    default_url: &'static str,
}

const FROM_ENVIRONMENT: [Names; 3] = [
    Names {
        provider: Provider::OpenAi,
        key: "OPENAI_API_KEY",
        base_url: "OPENAI_BASE_URL",
        default_url: OPENAI,
    },
    Names {
        provider: Provider::Anthropic,
        key: "ANTHROPIC_API_KEY",
        base_url: "ANTHROPIC_BASE_URL",
        default_url: ANTHROPIC,
    },
    Names {
        provider: Provider::Gemini,
        key: "GEMINI_API_KEY",
        base_url: "GOOGLE_GEMINI_BASE_URL",
        default_url: GEMINI,
    },
];

/// The channel that a provider's key in the environment makes when the file has none.
fn of_environment(context: &Context<'_>, groups: &Groups, names: &Names) -> Option<Channel> {
    context.environment.filled(names.key)?;
    let at = At::Variable(names.key.into());
    let reference = Found { at, key: String::new(), value: format!("env:{}", names.key) };
    let key = secret(context, &reference, Literal::Refused)?;
    let base_url = context.environment.filled(names.base_url).unwrap_or(names.default_url);
    let base_url = BaseUrl::parse(base_url)
        .map_err(|message| context.fault(&At::Variable(names.base_url.into()), "", message))
        .ok()?;
    let groups = groups.names().map(str::to_owned).collect();
    Some(Channel { groups, ..plain(names.provider, base_url, vec![key]) })
}

fn url(text: &str) -> BaseUrl {
    BaseUrl::parse(text).expect("a constant of this file, and a URL")
}

/// What is required; its absence is a fault of the section (a bad value has been noted already).
fn required<T: Clone>(value: &Option<T>, section: &Section<'_>, key: &str) -> Option<T> {
    if value.is_none() && !section.has_read(key) {
        section.context.fault(&section.at, &section.key(key), "is missing");
    }
    value.clone()
}

fn name(section: &mut Section<'_>, names: &mut BTreeSet<String>) -> Option<ChannelName> {
    let name = section.parsed("name", |name| {
        check_name(name)?;
        if names.insert(name.to_owned()) {
            Ok(ChannelName(name.into()))
        } else if name == DEMO {
            Err("must be another: \"demo\" is the built-in channel")
        } else {
            Err("must be another: a channel above has this name")
        }
    });
    required(&name, section, "name")
}

/// Names of channels and groups.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    let printable = !name.chars().any(|c| c.is_control() || c == ',') && name.trim() == name;
    if printable && name.chars().count() <= 64 {
        return Ok(());
    }
    Err("must be a name of 1 to 64 characters without commas, control characters and blanks around it")
}

fn provider(name: &str) -> Result<Provider, &'static str> {
    let message =
        "must be \"openai\" (also for any server that speaks its API), \"anthropic\", \"gemini\" or \"demo\"";
    Provider::parse(name).ok_or(message)
}

fn api_keys(section: &mut Section<'_>) -> Vec<Secret<String>> {
    let references = section.texts("api_keys").unwrap_or_default();
    references.iter().filter_map(|reference| secret(section.context, reference, Literal::Refused)).collect()
}

fn models(section: &mut Section<'_>) -> Option<ModelList> {
    let names = section.texts("models")?;
    let key = section.key("models");
    let at = names.first().map_or_else(|| section.at.clone(), |first| first.at.clone());
    if names.is_empty() {
        section.context.fault(
            &at,
            &key,
            "is empty; leave the key out for every priced model of the provider",
        );
    }
    let list = ModelList::from_names(names.into_iter().map(|name| name.value)).map_err(|fault| match fault {
        ListFault::TooMany(most) => format!("must have at most {most} names"),
        ListFault::TooLong(most) => format!("must have names of at most {most} bytes"),
        ListFault::Malformed(name) => format!("holds {name:?}; a * may stand at a name's end only"),
    });
    list.map_err(|message| section.context.fault(&at, &key, message)).ok()
}

fn model_map(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let key = section.key("model_map");
    let mut map = BTreeMap::new();
    for (name, node) in section.entries("model_map") {
        let found = Found { at: node.at.clone(), key: format!("{key}.{name}"), value: node };
        if let Some(text) = section.text_of(found) {
            map.insert(name, text.value);
        }
    }
    map
}

fn served_groups(section: &mut Section<'_>, groups: &Groups) -> Vec<String> {
    let Some(names) = section.texts("groups") else {
        return vec![crate::catalogue::DEFAULT_GROUP.to_owned()];
    };
    for name in names.iter().filter(|name| !groups.contains(&name.value)) {
        let known = groups.names().map(|group| format!("{group:?}")).collect::<Vec<_>>().join(", ");
        let message = format!("there is no group {:?}; there are {known}", name.value);
        section.context.fault(&name.at, &name.key, message);
    }
    names.into_iter().map(|name| name.value).collect()
}

fn headers(section: &mut Section<'_>) -> Vec<(String, Secret<String>)> {
    let key = section.key("headers");
    let mut headers: Vec<(String, Secret<String>)> = Vec::new();
    for (name, node) in section.entries("headers") {
        let found = Found { at: node.at.clone(), key: format!("{key}.{name}"), value: node };
        let (at, path) = (found.at.clone(), found.key.clone());
        let Some(reference) = section.text_of(found) else { continue };
        let Some(value) = secret(section.context, &reference, Literal::Accepted) else { continue };
        let lower = name.to_ascii_lowercase();
        let message = if !is_header_name(&lower) {
            "is no name of a header"
        } else if RESERVED_HEADERS.contains(&lower.as_str()) {
            "is a header that a channel may not set: it belongs to the connection, the body or api_keys"
        } else if headers.iter().any(|(other, _)| *other == lower) {
            "stands twice"
        } else {
            headers.push((lower, value));
            continue;
        };
        section.context.fault(&at, &path, message);
    }
    headers
}

/// RFC 9110's token, in lower case.
fn is_header_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}

fn proxy(text: &str) -> Result<BaseUrl, String> {
    let url = BaseUrl::parse(text)?;
    if url.tls || !url.path.is_empty() {
        return Err("must be http://HOST:PORT".to_owned());
    }
    Ok(url)
}

fn ca_file(path: &str) -> Result<Vec<u8>, String> {
    let pem = fs::read(path).map_err(|fault| format!("{path} cannot be read: {fault}"))?;
    // What the client could not use later stops the start now.
    tls_config(Some(&pem))
        .map_err(|reason| format!("{path} holds no usable certificate in PEM form: {reason}"))?;
    Ok(pem)
}

/// The field for an output cap where the client named none: OpenAI's own API takes the newer name.
fn default_cap_field(base_url: &BaseUrl) -> &'static str {
    if base_url.host == OPENAI_HOST { "max_completion_tokens" } else { "max_tokens" }
}

fn output_cap_field(section: &mut Section<'_>, base_url: &BaseUrl) -> String {
    let field = section.parsed("output_cap_field", |text| match text {
        text if CAP_FIELDS.contains(&text) => Ok(text.to_owned()),
        _ => Err("must be \"max_tokens\" or \"max_completion_tokens\""),
    });
    field.unwrap_or_else(|| default_cap_field(base_url).to_owned())
}
