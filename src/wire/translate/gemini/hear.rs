//! What Gemini answers, whole or in chunks, as deltas. A chunk has the form of a whole answer, so both are read by one; a
//! function's call is in one piece. A stream has no terminator: it ends with its last chunk.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::wire::sse::Event;
use crate::wire::translate::NotAnAnswer;
use crate::wire::translate::telling::{Delta, Figures, Finish};

/// An answer, or a chunk of one. What is not known of it is passed over. Each name may also be spelled in snake_case, as the meter reads
/// it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(alias = "prompt_feedback")]
    prompt_feedback: Option<Feedback>,
    #[serde(borrow, alias = "usage_metadata")]
    usage_metadata: Option<&'a RawValue>,
    #[serde(alias = "model_version")]
    model_version: Option<String>,
    #[serde(alias = "response_id")]
    response_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(alias = "finish_reason")]
    finish_reason: Option<String>,
    #[serde(alias = "finish_message")]
    finish_message: Option<String>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    text: Option<String>,
    thought: Option<bool>,
    #[serde(alias = "thought_signature")]
    thought_signature: Option<String>,
    #[serde(borrow, alias = "function_call")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(alias = "inline_data")]
    inline_data: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct FunctionCall<'a> {
    id: Option<String>,
    name: String,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    #[serde(alias = "block_reason")]
    block_reason: Option<String>,
    #[serde(alias = "block_reason_message")]
    block_reason_message: Option<String>,
}

/// What the cache gave is within the prompt's count; thoughts and what tools brought are not within the others.
#[derive(Copy, Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    #[serde(alias = "prompt_token_count")]
    prompt_token_count: Option<i64>,
    #[serde(alias = "cached_content_token_count")]
    cached_content_token_count: Option<i64>,
    #[serde(alias = "tool_use_prompt_token_count")]
    tool_use_prompt_token_count: Option<i64>,
    #[serde(alias = "candidates_token_count")]
    candidates_token_count: Option<i64>,
    #[serde(alias = "thoughts_token_count")]
    thoughts_token_count: Option<i64>,
}

/// The deltas of a whole answer.
///
/// # Errors
/// When it is none.
pub(in crate::wire::translate) fn whole(body: &[u8]) -> Result<Vec<Delta>, NotAnAnswer> {
    let mut stream = Stream::new();
    let mut deltas = stream.take(body)?;
    if !stream.has_content {
        return Err(NotAnAnswer);
    }
    if stream.finish.is_none() {
        deltas.push(Delta::Finish(stream.ended()));
    }
    Ok(deltas)
}

/// A stream, chunk by chunk.
#[derive(Debug, Default)]
pub(in crate::wire::translate) struct Stream {
    /// What the ids of calls that have none begin with; empty before the first chunk.
    id: String,
    calls: usize,
    usage: Usage,
    has_content: bool,
    /// As it was told.
    finish: Option<Finish>,
}

impl Stream {
    /// One of which nothing is known yet.
    pub(in crate::wire::translate) fn new() -> Self {
        Self::default()
    }

    /// The deltas of the next event; none of one without data.
    ///
    /// # Errors
    /// When it is no chunk of an answer, or one that cannot be told.
    pub(in crate::wire::translate) fn event(&mut self, event: &Event) -> Result<Vec<Delta>, NotAnAnswer> {
        match event.data().filter(|data| !data.trim_ascii().is_empty()) {
            Some(data) => self.take(&data),
            None => Ok(Vec::new()),
        }
    }

    fn take(&mut self, json: &[u8]) -> Result<Vec<Delta>, NotAnAnswer> {
        let answer: Answer<'_> = serde_json::from_slice(json).map_err(|_| NotAnAnswer)?;
        let mut deltas = Vec::new();
        if self.id.is_empty() {
            self.id = answer.response_id.clone().unwrap_or_else(|| digest(json));
            let model = answer.model_version.unwrap_or_default();
            deltas.push(Delta::Begin { id: self.id.clone(), model });
        }
        // One answer is asked for, so one comes.
        let candidate = answer.candidates.and_then(|candidates| candidates.into_iter().next());
        let mut finish = None;
        if let Some(candidate) = candidate {
            self.has_content = true;
            let parts = candidate.content.and_then(|content| content.parts).unwrap_or_default();
            for part in parts {
                self.part(part, &mut deltas)?;
            }
            finish = candidate.finish_reason.map(|reason| (reason, candidate.finish_message));
        } else if let Some(feedback) = answer.prompt_feedback {
            // The prompt itself was refused, so there is no candidate.
            finish = feedback.block_reason.map(|reason| (blocked(&reason), feedback.block_reason_message));
        }
        if let Some(raw) = answer.usage_metadata {
            self.usage.raise(raw);
            deltas.push(Delta::Figures(self.usage.figures()));
        }
        if let Some((reason, message)) = finish {
            self.finish(&reason, message, &mut deltas)?;
        }
        Ok(deltas)
    }

    fn part(&mut self, part: Part<'_>, deltas: &mut Vec<Delta>) -> Result<(), NotAnAnswer> {
        if part.inline_data.is_some() {
            // An image or sound, for which no client's dialect that is translated has a place.
            return Err(NotAnAnswer);
        }
        if let Some(call) = part.function_call {
            return self.call(call, part.thought_signature, deltas);
        }
        let Some(text) = part.text.filter(|text| !text.is_empty()) else { return Ok(()) };
        // The proof beside a text is not asked for when it comes back, and few clients would bring it.
        deltas.push(if part.thought == Some(true) { Delta::Thought(text) } else { Delta::Text(text) });
        Ok(())
    }

    fn call(
        &mut self,
        call: FunctionCall<'_>,
        signature: Option<String>,
        deltas: &mut Vec<Delta>,
    ) -> Result<(), NotAnAnswer> {
        let index = self.calls;
        self.calls = self.calls.saturating_add(1);
        let args = call.args.map_or("{}", RawValue::get);
        if !args.starts_with('{') {
            return Err(NotAnAnswer);
        }
        let id = call.id.filter(|id| !id.is_empty());
        let id = id.unwrap_or_else(|| format!("call_{}_{index}", self.id));
        deltas.push(Delta::Call { index, id, name: call.name, signature });
        deltas.push(Delta::Arguments { index, json: args.to_owned() });
        Ok(())
    }

    fn finish(
        &mut self,
        reason: &str,
        message: Option<String>,
        deltas: &mut Vec<Delta>,
    ) -> Result<(), NotAnAnswer> {
        let finish = match reason {
            "" | "FINISH_REASON_UNSPECIFIED" => return Ok(()),
            "STOP" => self.ended(),
            "MAX_TOKENS" | "CONTINUATION" => Finish::Length,
            // The model made something that is no answer: the client is not told that it ended well.
            "MALFORMED_FUNCTION_CALL"
            | "MALFORMED_RESPONSE"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MISSING_THOUGHT_SIGNATURE" => return Err(NotAnAnswer),
            // Safety, recitation, blocked words and the like, and what Google may add to them.
            _ => {
                let words = format!("The model's provider (Google) refused to go on: {reason}");
                let message = message.filter(|message| !message.is_empty());
                deltas.push(Delta::Refusal(message.map_or(words.clone(), |more| format!("{words}. {more}"))));
                Finish::Refused
            }
        };
        self.has_content = true;
        // Some models say it in each chunk.
        if self.finish.as_ref() != Some(&finish) {
            self.finish = Some(finish.clone());
            deltas.push(Delta::Finish(finish));
        }
        Ok(())
    }

    const fn ended(&self) -> Finish {
        if self.calls > 0 { Finish::Calls } else { Finish::End }
    }
}

impl Usage {
    /// Takes note of a `usageMetadata`, which is cumulative; what cannot be read says nothing.
    fn raise(&mut self, raw: &RawValue) {
        let Ok(other) = serde_json::from_str::<Self>(raw.get()) else { return };
        self.prompt_token_count = self.prompt_token_count.max(other.prompt_token_count);
        self.cached_content_token_count =
            self.cached_content_token_count.max(other.cached_content_token_count);
        self.tool_use_prompt_token_count =
            self.tool_use_prompt_token_count.max(other.tool_use_prompt_token_count);
        self.candidates_token_count = self.candidates_token_count.max(other.candidates_token_count);
        self.thoughts_token_count = self.thoughts_token_count.max(other.thoughts_token_count);
    }

    fn figures(self) -> Figures {
        let thought = self.thoughts_token_count.unwrap_or(0);
        let tools = self.tool_use_prompt_token_count.unwrap_or(0);
        Figures {
            input: self.prompt_token_count.unwrap_or(0).saturating_add(tools),
            cached: self.cached_content_token_count.unwrap_or(0),
            cache_write: 0,
            output: self.candidates_token_count.unwrap_or(0).saturating_add(thought),
            thought,
        }
    }
}

/// The reason of a blocked prompt, as one for which an answer ends.
fn blocked(reason: &str) -> String {
    match reason {
        "" | "BLOCKED_REASON_UNSPECIFIED" => "OTHER".to_owned(),
        reason => reason.to_owned(),
    }
}

/// A name for an answer that has none: the answers of one conversation differ at least in what they count.
fn digest(json: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    json.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
