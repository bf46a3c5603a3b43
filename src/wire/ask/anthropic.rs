//! Reads the body of `POST /v1/messages` and of `/v1/messages/count_tokens`, in one pass.

use super::ServiceTier;
use super::blocks::{walk_content, walk_messages};
use super::reader::Reader;
use super::tools::UNBOUNDED_CALLS;
use crate::wire::json::{Cursor, JsonFault, Kind, Text};

/// What is read at the top level.
const READ: [&str; 18] = [
    "model",
    "messages",
    "system",
    "stream",
    "max_tokens",
    "tools",
    "tool_choice",
    "thinking",
    "service_tier",
    "speed",
    "inference_geo",
    "output_config",
    "output_format",
    "mcp_servers",
    "container",
    "context_management",
    "models",
    "fallbacks",
];

/// What steers the provider and never reaches the model as input.
const CONTROLS: [&str; 8] = [
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "metadata",
    "cache_control",
    "tool_choice",
    "anthropic_version",
];

/// Units of input that the provider adds at most for itself once there are tools: its own words about how to call them,
/// which depend on the model.
const TOOLS_ADD: i64 = 1_024;

/// Units of input that it adds at most for each tool whose schema is its own.
const OWN_SCHEMA_ADDS: i64 = 1_024;

/// Units of input that it adds at most for itself where the answer is to have the form of a schema.
const FORMAT_ADDS: i64 = 1_024;

/// Beginnings of the types of tools whose schema is Anthropic's, and which the client runs.
const CLIENT_RUN: [&str; 4] = ["bash_", "text_editor_", "computer_", "memory_"];

/// Reads the whole body.
///
/// # Errors
/// When it is not one strict JSON object.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(), JsonFault> {
    let (mut has_messages, mut has_format) = (false, false);
    reader.body(&READ, |reader, key, name| {
        has_messages |= name == "messages";
        let start = reader.cursor.offset();
        member(reader, key, name)?;
        if matches!(name, "output_config" | "output_format") {
            has_format |= names_schema(reader.cursor.since(start));
        }
        Ok(())
    })?;
    reader.require_model("claude-haiku-4-5");
    if !has_messages {
        reader.refuse("messages", "messages is missing; it must be an array of messages");
    }
    if reader.fields.tally.tools > 0 {
        let schemas = reader.fields.tally.tools.saturating_mul(OWN_SCHEMA_ADDS);
        reader.fields.added = reader.fields.added.min(schemas).saturating_add(TOOLS_ADD);
    }
    if has_format {
        reader.fields.added = reader.fields.added.saturating_add(FORMAT_ADDS);
    }
    reader.fields.choices = 1;
    Ok(())
}

/// Whether JSON names a schema; an escape may hide that it does.
fn names_schema(json: &str) -> bool {
    json.contains("schema") || json.contains('\\')
}

fn member<'a>(reader: &mut Reader<'a>, key: &Text<'a>, name: &str) -> Result<(), JsonFault> {
    match name {
        "model" => reader.model(),
        "messages" => reader.turns(),
        "system" => walk_content(&mut reader.cursor, &mut reader.fields.tally),
        "stream" => {
            reader.fields.stream = reader.flag("stream")?;
            Ok(())
        }
        "max_tokens" => reader.cap("max_tokens"),
        "tools" => reader.messages_tools(),
        "thinking" => reader.thinking(),
        "service_tier" => reader.tier_or_standard(),
        "speed" => reader.speed(),
        "inference_geo" => reader.geography(),
        "output_config" | "output_format" => reader.given(),
        "mcp_servers" => reader.remote_servers(key),
        "container" => reader.named_elsewhere(key, name),
        "context_management" => reader.context_edits(key),
        "models" | "fallbacks" => reader.second_model(name),
        _ if CONTROLS.contains(&name) => reader.control(),
        _ => reader.unknown(key),
    }
}

impl<'a> Reader<'a> {
    fn turns(&mut self) -> Result<(), JsonFault> {
        if self.cursor.kind()? == Kind::Array {
            return walk_messages(&mut self.cursor, &mut self.fields.tally);
        }
        self.cursor.skip()?;
        self.refuse("messages", "messages must be an array of messages");
        Ok(())
    }

    fn messages_tools(&mut self) -> Result<(), JsonFault> {
        let start = self.cursor.offset();
        self.tools(is_own_type)?;
        // Cheap and generous: each place where such a type could be named.
        let json = self.cursor.since(start);
        let named = CLIENT_RUN.iter().map(|prefix| json.matches(prefix).count()).sum::<usize>();
        let named = i64::try_from(named).unwrap_or(i64::MAX);
        self.fields.added = named.saturating_mul(OWN_SCHEMA_ADDS);
        Ok(())
    }

    /// `auto` may be served as `priority`; `standard_only` may not.
    fn tier_or_standard(&mut self) -> Result<(), JsonFault> {
        match self.cursor.kind()? {
            Kind::Text => {
                let word = self.cursor.text()?.decode();
                let tier =
                    if word == "standard_only" { ServiceTier::Default } else { ServiceTier::named(&word) };
                self.choose(tier);
            }
            _ if self.cursor.skip()? == "null" => {}
            _ => self.refuse("service_tier", "service_tier must be a string"),
        }
        Ok(())
    }

    /// `fast` is quicker and dearer, so it needs a price of its own, as the tier `priority` does.
    fn speed(&mut self) -> Result<(), JsonFault> {
        if !matches!(self.cursor.skip()?, "null" | "\"standard\"") {
            self.choose(ServiceTier::Priority);
        }
        Ok(())
    }

    /// The dearer of two wishes, whichever comes first.
    fn choose(&mut self, tier: ServiceTier) {
        if self.fields.tier != ServiceTier::Priority {
            self.fields.tier = tier;
        }
    }

    /// Where the model runs has a price of its own, which no entry has.
    fn geography(&mut self) -> Result<(), JsonFault> {
        if !matches!(self.cursor.skip()?, "null" | "\"global\"") {
            let message = "inference_geo must be \"global\" or absent: other places have prices that are not known here";
            self.refuse("inference_geo", message);
        }
        Ok(())
    }

    /// Edits of the input by the provider. What only clears adds nothing; of others it is not known.
    fn context_edits(&mut self, key: &Text<'a>) -> Result<(), JsonFault> {
        let json = self.cursor.skip()?;
        if json != "null" && !only_clears(json).unwrap_or_default() {
            self.fields.tally.key(key);
            self.fields.tally.raw(json);
            self.fields.tally.unseen = true;
        }
        Ok(())
    }

    /// Servers whose tools the provider calls by itself.
    fn remote_servers(&mut self, key: &Text<'a>) -> Result<(), JsonFault> {
        let json = self.cursor.skip()?;
        if !matches!(json, "null" | "[]") {
            self.fields.tally.key(key);
            self.fields.tally.raw(json);
            self.provider_tool(UNBOUNDED_CALLS);
        }
        Ok(())
    }
}

/// Whether these edits of the input are all known to take from it. A key that comes twice may hide another.
fn only_clears(json: &str) -> Result<bool, JsonFault> {
    let mut cursor = Cursor::new(json);
    let mut only = cursor.kind()? == Kind::Object;
    let mut object = cursor.enter()?;
    let mut lists = 0;
    while let Some(key) = cursor.next_key(&mut object)? {
        only &= key.decode() == "edits" && cursor.kind()? == Kind::Array;
        lists += 1;
        if !only {
            return Ok(false);
        }
        let mut edits = cursor.enter()?;
        while cursor.next_item(&mut edits)? {
            only &= clears(&mut cursor)?;
        }
    }
    Ok(only && lists == 1)
}

fn clears(cursor: &mut Cursor<'_>) -> Result<bool, JsonFault> {
    if cursor.kind()? != Kind::Object {
        return cursor.skip().map(|_| false);
    }
    let mut edit = cursor.enter()?;
    let (mut types, mut clearing) = (0, true);
    while let Some(key) = cursor.next_key(&mut edit)? {
        if key.decode() == "type" {
            types += 1;
            clearing &= cursor.skip()?.starts_with("\"clear_");
        } else {
            cursor.skip()?;
        }
    }
    Ok(clearing && types == 1)
}

/// Whether a tool of this type is run by the client.
fn is_own_type(kind: Option<&str>) -> bool {
    kind.is_none_or(|kind| kind == "custom" || CLIENT_RUN.iter().any(|prefix| kind.starts_with(prefix)))
}
