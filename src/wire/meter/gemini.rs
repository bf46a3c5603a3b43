//! Reads what Gemini's methods answer: a response whole, a chunk of a stream, or embeddings.

use std::collections::BTreeSet;

use super::usage::{Figures, Reported, larger};
use super::{Content, Document, Meter};
use crate::usage::TokenCount;
use crate::wire::ask::tier_named;
use crate::wire::json::{Cursor, JsonFault, Kind};

/// Part of the names of models whose grounding is billed once for each request; that of newer ones is for each query.
const BILLED_ONCE: &str = "gemini-2.";

/// What is known of the candidates of a stream.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// The indices seen, and whether each has its end.
    seen: Vec<(i64, bool)>,
}

impl Candidates {
    fn note(&mut self, (index, is_finished): (i64, bool)) {
        match self.seen.iter_mut().find(|(known, _)| *known == index) {
            Some((_, finished)) => *finished |= is_finished,
            None => self.seen.push((index, is_finished)),
        }
    }

    fn all_finished(&self) -> bool {
        !self.seen.is_empty() && self.seen.iter().all(|(_, finished)| *finished)
    }
}

impl Meter {
    /// Reads a response, or a chunk of one.
    pub(super) fn generated(&mut self, cursor: &mut Cursor<'_>) -> Result<Document, JsonFault> {
        let mut document = Document::default();
        let mut is_blocked = false;
        let (mut searches, mut most) = (0, usize::MAX);
        self.members(cursor, |meter, cursor, name| {
            match name {
                "error" => document.is_error |= !matches!(cursor.skip()?, "null" | "false" | "\"\""),
                "usageMetadata" | "usage_metadata" => document.has_usage |= meter.google_usage(cursor)?,
                "candidates" => {
                    document.content = Content::Some;
                    searches = meter.candidates(cursor)?;
                }
                "modelVersion" | "model_version" => {
                    most = if cursor.skip()?.contains(BILLED_ONCE) { 1 } else { most };
                }
                "promptFeedback" | "prompt_feedback" => {
                    document.content = Content::Some;
                    is_blocked |= cursor.skip()?.contains("lockReason");
                }
                "embedding" | "embeddings" => {
                    document.content = Content::Some;
                    cursor.skip()?;
                }
                _ => cursor.skip().map(|_| ())?,
            }
            Ok(())
        })?;
        self.tool_calls = self.tool_calls.max(i64::try_from(searches.min(most)).unwrap_or(i64::MAX));
        if document.content == Content::Some && (is_blocked || self.candidates.all_finished()) {
            document.content = Content::Last;
        }
        if document.content == Content::None && document.has_usage {
            // Usage by itself: a chunk of a stream, no answer.
            document.content = Content::Idle;
        }
        Ok(document)
    }

    /// Reads the candidates; how often the provider searched for them.
    fn candidates(&mut self, cursor: &mut Cursor<'_>) -> Result<usize, JsonFault> {
        if cursor.kind()? != Kind::Array {
            return cursor.skip().map(|_| 0);
        }
        let mut searches = BTreeSet::new();
        let mut array = cursor.enter()?;
        while cursor.next_item(&mut array)? {
            let (mut index, mut is_finished) = (0, false);
            self.members(cursor, |meter, cursor, name| {
                match name {
                    "index" => index = cursor.skip()?.parse().unwrap_or(0),
                    "finishReason" | "finish_reason" => {
                        is_finished =
                            !matches!(cursor.skip()?, "null" | "\"\"" | "\"FINISH_REASON_UNSPECIFIED\"");
                    }
                    "content" => meter.content(cursor)?,
                    "groundingMetadata" | "grounding_metadata" => queries(meter, cursor, &mut searches)?,
                    _ => cursor.skip().map(|_| ())?,
                }
                Ok(())
            })?;
            self.candidates.note((index, is_finished));
        }
        Ok(searches.len())
    }

    fn content(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        self.members(cursor, |meter, cursor, name| {
            if name != "parts" || cursor.kind()? != Kind::Array {
                return cursor.skip().map(|_| ());
            }
            let mut array = cursor.enter()?;
            while cursor.next_item(&mut array)? {
                meter.part(cursor)?;
            }
            Ok(())
        })
    }

    fn part(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonFault> {
        self.members(cursor, |meter, cursor, name| match name {
            "text" => meter.plain_text(cursor),
            "functionCall" | "function_call" | "executableCode" | "executable_code" => {
                let json = cursor.skip()?;
                meter.wrote(json.len());
                Ok(())
            }
            // An image or sound: how much of it the model made, its size does not say.
            "inlineData" | "inline_data" => {
                meter.has_output |= cursor.skip()? != "null";
                Ok(())
            }
            _ => cursor.skip().map(|_| ()),
        })
    }

    fn google_usage(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, JsonFault> {
        if cursor.kind()? != Kind::Object {
            let reported = if cursor.skip()? == "null" { Reported::Nothing } else { Reported::Nonsense };
            return Ok(self.take_usage(&reported));
        }
        let mut read = UsageReader::default();
        self.members(cursor, |meter, cursor, name| {
            if matches!(name, "serviceTier" | "service_tier") && cursor.kind()? == Kind::Text {
                meter.tier = Some(tier_named(&cursor.text()?.decode()));
                return Ok(());
            }
            read.member(cursor, name)
        })?;
        Ok(self.take_usage(&read.reported()))
    }
}

/// Adds the queries that stand in the grounding's data. Google bills each once, and none that is empty.
fn queries<'a>(
    meter: &mut Meter,
    cursor: &mut Cursor<'a>,
    found: &mut BTreeSet<&'a str>,
) -> Result<(), JsonFault> {
    meter.members(cursor, |_, cursor, name| {
        if !matches!(name, "webSearchQueries" | "web_search_queries") || cursor.kind()? != Kind::Array {
            return cursor.skip().map(|_| ());
        }
        let mut array = cursor.enter()?;
        while cursor.next_item(&mut array)? {
            let query = cursor.skip()?;
            if query != "\"\"" {
                found.insert(query);
            }
        }
        Ok(())
    })
}

/// Counts of one list of details: sound and images, which may have prices of their own.
#[derive(Default)]
struct Details {
    audio: Option<TokenCount>,
    image: Option<TokenCount>,
}

/// Reads one `usageMetadata`. What the cache gave is within the prompt's count; thoughts and what tools brought are not.
#[derive(Default)]
struct UsageReader {
    figures: Figures,
    prompt: Details,
    cache: Details,
    tools: Details,
    output: Details,
    is_nonsense: bool,
}

impl UsageReader {
    fn member(&mut self, cursor: &mut Cursor<'_>, name: &str) -> Result<(), JsonFault> {
        let figures = &mut self.figures;
        let field = match name {
            "promptTokenCount" | "prompt_token_count" => &mut figures.input,
            "cachedContentTokenCount" | "cached_content_token_count" => &mut figures.cached,
            "toolUsePromptTokenCount" | "tool_use_prompt_token_count" => &mut figures.tool_input,
            "candidatesTokenCount" | "candidates_token_count" => &mut figures.output,
            "thoughtsTokenCount" | "thoughts_token_count" => &mut figures.reasoning,
            "totalTokenCount" | "total_token_count" => &mut figures.total,
            _ => {
                let details = match name {
                    // Two services of Google's spell it differently.
                    "promptTokensDetails" | "promptTokenDetails" | "prompt_tokens_details" => {
                        &mut self.prompt
                    }
                    "cacheTokensDetails" | "cache_tokens_details" => &mut self.cache,
                    "toolUsePromptTokensDetails" | "tool_use_prompt_tokens_details" => &mut self.tools,
                    "candidatesTokensDetails" | "candidates_tokens_details" => &mut self.output,
                    _ => return cursor.skip().map(|_| ()),
                };
                self.is_nonsense |= !details.read(cursor)?;
                return Ok(());
            }
        };
        let value = cursor.skip()?;
        self.is_nonsense |= value != "null" && !larger(field, value.parse().unwrap_or(-1));
        Ok(())
    }

    fn reported(self) -> Reported {
        if self.is_nonsense {
            return Reported::Nonsense;
        }
        let mut figures = self.figures;
        if figures == Figures::default() {
            return Reported::Nothing;
        }
        let seen = |prompt: Option<TokenCount>, cache: Option<TokenCount>, tools: Option<TokenCount>| {
            let fresh = prompt.unwrap_or_default().minus(cache.unwrap_or_default());
            Some(fresh.plus(tools.unwrap_or_default()))
        };
        figures.audio_input = seen(self.prompt.audio, self.cache.audio, self.tools.audio);
        figures.image_input = seen(self.prompt.image, self.cache.image, self.tools.image);
        figures.audio_output = self.output.audio;
        figures.image_output = self.output.image;
        if figures.input.is_none() {
            let Some(total) = figures.total else { return Reported::Nonsense };
            let others = [figures.tool_input, figures.output, figures.reasoning];
            let rest = others.iter().fold(total, |rest, other| rest.minus(other.unwrap_or_default()));
            figures.input = Some(rest);
        }
        Reported::Figures(figures)
    }
}

impl Details {
    /// Reads a list of counts by modality; false when one is no count.
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, JsonFault> {
        if cursor.kind()? != Kind::Array {
            return Ok(cursor.skip()? == "null");
        }
        let mut believed = true;
        let mut array = cursor.enter()?;
        while cursor.next_item(&mut array)? {
            believed &= self.detail(cursor)?;
        }
        Ok(believed)
    }

    fn detail(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, JsonFault> {
        if cursor.kind()? != Kind::Object {
            cursor.skip()?;
            return Ok(false);
        }
        let (mut modality, mut count) = ("", 0_i64);
        let mut object = cursor.enter()?;
        while let Some(key) = cursor.next_key(&mut object)? {
            let value = cursor.skip()?;
            match key.decode().as_ref() {
                "modality" => modality = value,
                "tokenCount" | "token_count" => count = value.parse().unwrap_or(-1),
                _ => {}
            }
        }
        let field = match modality {
            "\"AUDIO\"" => &mut self.audio,
            "\"IMAGE\"" => &mut self.image,
            _ => return Ok(TokenCount::parse(count).is_some()),
        };
        Ok(larger(field, count))
    }
}
