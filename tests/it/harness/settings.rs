//! The configuration and environment a test starts the gateway with. Must not know processes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Mock;

/// A `config.toml`, written key by key, and the environment beside it. Models of [`Settings::with`]: `m-*` costs one
/// quota per token in and out, `m-out` one quota per token out and nothing in (so its hold is exactly its cap),
/// `fast` is `m-bad` at the provider, `unpriced` has no price.
#[derive(Clone, Debug)]
pub struct Settings {
    sections: BTreeMap<String, BTreeMap<String, String>>,
    tail: String,
    /// Extra environment variables.
    pub env: Vec<(String, String)>,
    /// Whether the environment names the admin's key.
    pub admin_key_given: bool,
    /// A shell script that ends in the server's start, `exec "$@"`: for what a process inherits.
    pub script: Option<String>,
}

impl Settings {
    /// No channel at all: only the built-in demo model answers.
    pub fn demo() -> Self {
        let bare = Self {
            sections: BTreeMap::new(),
            tail: String::new(),
            env: Vec::new(),
            admin_key_given: true,
            script: None,
        };
        bare.set("server", "listen", "\"127.0.0.1:0\"")
            // A head may be late where many tests share a machine: 5 s, the default, is not for that.
            .set("server", "timeouts", "{ header = 30, body = 30, write = 30 }")
            .set("limits", "management_rpm", "0")
    }

    /// One channel, `mock`, and the prices above.
    pub fn with(mock: &Mock) -> Self {
        let channel = "models = [\"m-*\", \"fast\", \"unpriced\"]\nmodel_map = { fast = \"m-bad\" }";
        Self::demo()
            .channel("mock", mock, channel)
            .price("m-*", "2", "2")
            .price("m-out", "0", "2")
            .price("fast", "2", "2")
    }

    /// Sets one key of a section, in TOML's spelling.
    pub fn set(mut self, section: &str, key: &str, value: &str) -> Self {
        self.sections.entry(section.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
        self
    }

    /// Appends text behind all sections: more channels, prices, groups.
    pub fn append(mut self, text: &str) -> Self {
        self.tail.push_str(text);
        self.tail.push('\n');
        self
    }

    /// Appends a channel that speaks OpenAI's dialect with `mock`; `more` are further lines of it.
    pub fn channel(self, name: &str, mock: &Mock, more: &str) -> Self {
        let variable = format!("PROVIDER_KEY_{}", name.to_uppercase().replace('-', "_"));
        self.env(&variable, mock.key()).append(&format!(
            "[[channels]]\nname = \"{name}\"\nprovider = \"openai\"\nbase_url = \"{}\"\napi_keys = [\"env:{variable}\"]\n{more}\n",
            mock.base_url()
        ))
    }

    /// Appends a price, in dollars per million tokens.
    pub fn price(self, model: &str, input: &str, output: &str) -> Self {
        self.append(&format!(
            "[[prices]]\nmodel = \"{model}\"\ninput = \"{input}\"\noutput = \"{output}\"\nmax_output_tokens = 16384\nmax_input_tokens = 128000\n"
        ))
    }

    /// Sets an environment variable of the gateway.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the server by a shell script that ends in `exec "$@"`; other commands start as they are.
    pub fn started_by(mut self, script: &str) -> Self {
        self.script = Some(script.to_owned());
        self
    }

    /// Leaves the admin's key to the first start, which prints one.
    pub fn without_admin_key(mut self) -> Self {
        self.admin_key_given = false;
        self
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (section, keys) in &self.sections {
            writeln!(text, "[{section}]").unwrap();
            keys.iter().for_each(|(key, value)| writeln!(text, "{key} = {value}").unwrap());
            text.push('\n');
        }
        text + &self.tail
    }
}
