//! What one who speaks OpenAI's chat answers: a completion whole, or the chunks of a stream.

mod stream;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::translate::NotAnAnswer;
use crate::wire::translate::telling::{Delta, Figures, Finish};
pub(in crate::wire::translate) use stream::Stream;

/// A completion. What is not known of it is passed over.
#[derive(Deserialize)]
struct Completion<'a> {
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Message<'a>,
    finish_reason: Option<String>,
}

/// What the model says, or more of it.
#[derive(Default, Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    /// The same by another name; some have objects there.
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    tool_calls: Option<Vec<ToolCall>>,
}

/// A part of content that is no plain text.
#[derive(Deserialize)]
struct Part<'a> {
    text: Option<String>,
    refusal: Option<String>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
}

/// A call of a tool, or more of one.
#[derive(Deserialize)]
struct ToolCall {
    index: Option<u64>,
    id: Option<String>,
    function: Option<Function>,
    extra_content: Option<ExtraContent>,
}

#[derive(Default, Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

/// What Google's server has to say beyond OpenAI's words.
#[derive(Deserialize)]
struct ExtraContent {
    google: Option<Google>,
}

#[derive(Deserialize)]
struct Google {
    thought_signature: Option<String>,
}

/// The provider's figures, as far as they can be told; what they cost is the meter's to read.
#[derive(Default, Deserialize)]
struct Counts {
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Default, Deserialize)]
struct PromptDetails {
    cached_tokens: Option<i64>,
    cache_write_tokens: Option<i64>,
}

#[derive(Default, Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<i64>,
}

/// What `body`, a completion, says.
///
/// # Errors
/// When it is no completion.
pub(in crate::wire::translate) fn whole(body: &[u8]) -> Result<Vec<Delta>, NotAnAnswer> {
    let completion: Completion<'_> = serde_json::from_slice(body).map_err(|_| NotAnAnswer)?;
    let choice = completion.choices.into_iter().next().ok_or(NotAnAnswer)?;
    let id = completion.id.unwrap_or_default();
    let mut told = Told::new(&id);
    told.deltas.push(Delta::Begin { id, model: completion.model.unwrap_or_default() });
    let calls = told.words(choice.message);
    for call in calls {
        told.begin_call(call)?;
    }
    told.finish(choice.finish_reason.as_deref().unwrap_or_default());
    told.deltas.push(Delta::Figures(Counts::read(completion.usage).figures()));
    Ok(told.deltas)
}

/// What was heard of an answer so far.
#[derive(Debug, Default)]
struct Told {
    /// Not handed on yet.
    deltas: Vec<Delta>,
    /// The provider's name of the answer.
    answer: String,
    calls: Vec<Call>,
    has_refused: bool,
}

/// A call of a tool that was begun.
#[derive(Debug)]
struct Call {
    /// The provider's number of it, if it numbers them.
    number: Option<u64>,
    /// The provider's name of it.
    id: String,
    has_arguments: bool,
}

impl Told {
    fn new(answer: &str) -> Self {
        Self { answer: answer.to_owned(), ..Self::default() }
    }

    /// Hears what `message` says in words; gives back the calls in it.
    fn words(&mut self, message: Message<'_>) -> Vec<ToolCall> {
        let named_otherwise = || message.reasoning.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let thought = filled(message.reasoning_content).or_else(|| filled(named_otherwise()));
        self.say(thought.map(Delta::Thought));
        message.content.iter().for_each(|content| self.content(content));
        let refusal = filled(message.refusal);
        self.has_refused |= refusal.is_some();
        self.say(refusal.map(Delta::Refusal));
        message.tool_calls.unwrap_or_default()
    }

    /// A text, or an array of parts.
    fn content(&mut self, content: &RawValue) {
        if let Ok(text) = serde_json::from_str::<String>(content.get()) {
            return self.say(filled(Some(text)).map(Delta::Text));
        }
        let parts: Vec<Part<'_>> = serde_json::from_str(content.get()).unwrap_or_default();
        for part in parts {
            self.say(filled(part.thinking.and_then(plain)).map(Delta::Thought));
            self.say(filled(part.text).map(Delta::Text));
            let refusal = filled(part.refusal);
            self.has_refused |= refusal.is_some();
            self.say(refusal.map(Delta::Refusal));
        }
    }

    fn say(&mut self, delta: Option<Delta>) {
        self.deltas.extend(delta);
    }

    /// Hears a call, or more of one.
    fn call(&mut self, mut call: ToolCall) -> Result<(), NotAnAnswer> {
        let function = call.function.get_or_insert_default();
        function.name = function.name.take().filter(|name| !name.is_empty());
        call.id = call.id.filter(|id| !id.is_empty());
        match self.known(&call) {
            Some(index) => self.argue(index, call.function.and_then(|function| function.arguments)),
            None => return self.begin_call(call),
        }
        Ok(())
    }

    /// Hears a call that is none of those before it.
    fn begin_call(&mut self, call: ToolCall) -> Result<(), NotAnAnswer> {
        let signature = call.extra_content.and_then(|extra| extra.google?.thought_signature);
        let Function { name, arguments } = call.function.unwrap_or_default();
        let index = self.calls.len();
        let made = format!("call_{}_{index}", self.answer);
        let given = filled(call.id).unwrap_or_else(|| made.clone());
        // A name that another call has would make one of two.
        let is_taken = self.calls.iter().any(|call| call.id == given);
        let id = if is_taken { made } else { given.clone() };
        self.calls.push(Call { number: call.index, id: given, has_arguments: false });
        self.deltas.push(Delta::Call { index, id, name: filled(name).ok_or(NotAnAnswer)?, signature });
        self.argue(index, arguments);
        Ok(())
    }

    fn argue(&mut self, index: usize, arguments: Option<String>) {
        if let (Some(json), Some(call)) = (filled(arguments), self.calls.get_mut(index)) {
            call.has_arguments = true;
            self.deltas.push(Delta::Arguments { index, json });
        }
    }

    /// The call that this is more of. Most number them; some give all of them one number, some none; some name it anew in each piece.
    fn known(&self, more: &ToolCall) -> Option<usize> {
        let is_nameless = more.function.as_ref().is_none_or(|function| function.name.is_none());
        let is_more = more.index.is_some() || is_nameless;
        let is_same = |call: &Call| more.id.as_ref().map_or(is_more, |id| *id == call.id);
        let last = |is_meant: &dyn Fn(&Call) -> bool| {
            self.calls.iter().rposition(|call| call.number == more.index && is_meant(call))
        };
        // What has no name begins no call.
        last(&is_same).or_else(|| if is_nameless { last(&|_| true) } else { None })
    }

    /// Calls without arguments have an empty object of them. Until the end they may still come: some write several calls at once.
    fn close_calls(&mut self) {
        for (index, call) in self.calls.iter_mut().enumerate().filter(|(_, call)| !call.has_arguments) {
            call.has_arguments = true;
            self.deltas.push(Delta::Arguments { index, json: "{}".to_owned() });
        }
    }

    /// Hears why the answer ended.
    fn finish(&mut self, reason: &str) {
        self.close_calls();
        let finish = match reason {
            "length" | "max_tokens" => Finish::Length,
            "content_filter" => Finish::Refused,
            "tool_calls" | "function_call" => Finish::Calls,
            // Some servers say only that it stopped.
            _ if !self.calls.is_empty() => Finish::Calls,
            _ if self.has_refused => Finish::Refused,
            _ => Finish::End,
        };
        self.deltas.push(Delta::Finish(finish));
    }
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// The text of a thought: a string, or an array of parts that hold text.
fn plain(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok().or_else(|| {
        let parts: Vec<Part<'_>> = serde_json::from_str(raw.get()).ok()?;
        Some(parts.into_iter().filter_map(|part| part.text).collect())
    })
}

impl Counts {
    /// Reads a `usage`; what cannot be read says nothing.
    fn read(raw: Option<&RawValue>) -> Self {
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }

    fn figures(self) -> Figures {
        let prompt = self.prompt_tokens_details.unwrap_or_default();
        let completion = self.completion_tokens_details.unwrap_or_default();
        Figures {
            input: self.prompt_tokens.unwrap_or(0),
            cached: prompt.cached_tokens.unwrap_or(0),
            cache_write: prompt.cache_write_tokens.unwrap_or(0),
            output: self.completion_tokens.unwrap_or(0),
            thought: completion.reasoning_tokens.unwrap_or(0),
        }
    }
}
