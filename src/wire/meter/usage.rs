//! A provider's usage figures: read strictly, merged at their largest, taken apart into disjoint kinds. Here also how
//! OpenAI's dialect and its relatives spell them.

use crate::usage::{TokenCount, Usage};
use crate::wire::json::{Cursor, JsonFault, Kind};

/// Figures as they were reported. In OpenAI's dialect totals include the details.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) input: Option<TokenCount>,
    pub(super) output: Option<TokenCount>,
    pub(super) total: Option<TokenCount>,
    pub(super) cached: Option<TokenCount>,
    pub(super) cache_write: Option<TokenCount>,
    pub(super) audio_input: Option<TokenCount>,
    pub(super) image_input: Option<TokenCount>,
    pub(super) reasoning: Option<TokenCount>,
    pub(super) audio_output: Option<TokenCount>,
    pub(super) image_output: Option<TokenCount>,
    /// Anthropic says of the cache's writes how long they live.
    pub(super) cache_write_5m: Option<TokenCount>,
    pub(super) cache_write_1h: Option<TokenCount>,
    pub(super) tool_calls: Option<TokenCount>,
    /// Google counts the input that its tools brought beside the prompt.
    pub(super) tool_input: Option<TokenCount>,
}

/// What a `usage` member holds.
#[expect(clippy::large_enum_variant, reason = "it lives for a moment, on the stack")]
pub(super) enum Reported {
    /// Null, or nothing known.
    Nothing,
    /// Figures that can be believed, taken by themselves.
    Figures(Figures),
    /// Figures that cannot: negative, fractional, text, or beyond all measure.
    Nonsense,
}

impl Reported {
    /// Reads the value that comes next.
    ///
    /// # Errors
    /// When it is no JSON.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, JsonFault> {
        Self::read_as(cursor, Figures::plausible)
    }

    /// The same of a model that writes nothing: a total is its input.
    ///
    /// # Errors
    /// When it is no JSON.
    pub(super) fn read_input(cursor: &mut Cursor<'_>) -> Result<Self, JsonFault> {
        Self::read_as(cursor, Self::Figures)
    }

    fn read_as(cursor: &mut Cursor<'_>, judge: fn(Figures) -> Self) -> Result<Self, JsonFault> {
        if cursor.kind()? != Kind::Object {
            return Ok(if cursor.skip()? == "null" { Self::Nothing } else { Self::Nonsense });
        }
        let mut figures = Figures::default();
        let mut believed = true;
        let mut object = cursor.enter()?;
        while let Some(key) = cursor.next_key(&mut object)? {
            match key.decode().as_ref() {
                "prompt_tokens_details" | "input_tokens_details" | "input_token_details" => {
                    believed &= each(cursor, |name, count| figures.input_detail(name, count))?;
                }
                "completion_tokens_details" | "output_tokens_details" => {
                    believed &= each(cursor, |name, count| figures.output_detail(name, count))?;
                }
                "server_tool_use" | "server_tool_use_details" | "server_side_tool_usage_details" => {
                    believed &= each(cursor, |_, count| {
                        let calls = figures.tool_calls.unwrap_or_default();
                        figures.tool_calls = Some(calls.plus(TokenCount::clamped(count)));
                        TokenCount::parse(count).is_some()
                    })?;
                }
                name => believed &= figures.total(name, cursor)?,
            }
        }
        if !believed {
            return Ok(Self::Nonsense);
        }
        Ok(if figures == Figures::default() { Self::Nothing } else { judge(figures) })
    }
}

/// Gives each member of the object that comes next, as far as it is a number, to `take`; false when one is no count.
pub(super) fn each(
    cursor: &mut Cursor<'_>,
    mut take: impl FnMut(&str, i64) -> bool,
) -> Result<bool, JsonFault> {
    if cursor.kind()? != Kind::Object {
        return Ok(cursor.skip()? == "null");
    }
    let mut believed = true;
    let mut object = cursor.enter()?;
    while let Some(key) = cursor.next_key(&mut object)? {
        let value = cursor.skip()?;
        let name = key.decode();
        match value.parse::<i64>() {
            Ok(count) => believed &= take(&name, count),
            Err(_) if value == "null" || value.starts_with(['{', '[']) => {}
            // Not a number we know how to count with: take() alone knows whether the name matters.
            Err(_) => believed &= take(&name, -1),
        }
    }
    Ok(believed)
}

impl Figures {
    /// Takes a total by its name; false when it matters and is no count.
    fn total(&mut self, name: &str, cursor: &mut Cursor<'_>) -> Result<bool, JsonFault> {
        let field = match name {
            "prompt_tokens" | "input_tokens" => &mut self.input,
            "completion_tokens" | "output_tokens" => &mut self.output,
            "total_tokens" => &mut self.total,
            "prompt_cache_hit_tokens" | "cache_read_input_tokens" | "cached_tokens" => &mut self.cached,
            "cache_creation_input_tokens" => &mut self.cache_write,
            _ => {
                cursor.skip()?;
                return Ok(true);
            }
        };
        let value = cursor.skip()?;
        Ok(value == "null" || larger(field, value.parse().unwrap_or(-1)))
    }

    fn input_detail(&mut self, name: &str, count: i64) -> bool {
        let field = match name {
            "cached_tokens" => &mut self.cached,
            "cache_write_tokens" | "cache_creation_tokens" => &mut self.cache_write,
            "audio_tokens" => &mut self.audio_input,
            "image_tokens" => &mut self.image_input,
            _ => return true,
        };
        larger(field, count)
    }

    fn output_detail(&mut self, name: &str, count: i64) -> bool {
        let field = match name {
            "reasoning_tokens" => &mut self.reasoning,
            "audio_tokens" => &mut self.audio_output,
            "image_tokens" => &mut self.image_output,
            _ => return true,
        };
        larger(field, count)
    }

    /// Figures without a total on one side can be completed from the sum, or not at all.
    fn plausible(mut self) -> Reported {
        if self.input.is_none() {
            let (Some(total), Some(output)) = (self.total, self.output) else { return Reported::Nonsense };
            self.input = Some(total.minus(output));
        }
        Reported::Figures(self)
    }

    /// Both at their largest, kind by kind: usage in a stream is cumulative.
    pub(super) fn merged(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            total: self.total.max(other.total),
            cached: self.cached.max(other.cached),
            cache_write: self.cache_write.max(other.cache_write),
            cache_write_5m: self.cache_write_5m.max(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.max(other.cache_write_1h),
            audio_input: self.audio_input.max(other.audio_input),
            image_input: self.image_input.max(other.image_input),
            reasoning: self.reasoning.max(other.reasoning),
            audio_output: self.audio_output.max(other.audio_output),
            image_output: self.image_output.max(other.image_output),
            tool_calls: self.tool_calls.max(other.tool_calls),
            tool_input: self.tool_input.max(other.tool_input),
        }
    }

    /// Both together, for the kinds that Anthropic counts.
    pub(super) fn plus(self, other: Self) -> Self {
        let sum = |one: Option<TokenCount>, other: Option<TokenCount>| match (one, other) {
            (Some(one), Some(other)) => Some(one.plus(other)),
            (one, other) => one.or(other),
        };
        Self {
            input: sum(self.input, other.input),
            output: sum(self.output, other.output),
            cached: sum(self.cached, other.cached),
            cache_write: sum(self.cache_write, other.cache_write),
            cache_write_5m: sum(self.cache_write_5m, other.cache_write_5m),
            cache_write_1h: sum(self.cache_write_1h, other.cache_write_1h),
            tool_calls: sum(self.tool_calls, other.tool_calls),
            ..self
        }
    }

    /// The kinds where they were reported apart, as Anthropic does; `None` without the input. What was written to the cache, and
    /// not for an hour, was written for five minutes.
    pub(super) fn disjoint_usage(self) -> Option<Usage> {
        let cache_write_1h = self.cache_write_1h.unwrap_or_default();
        let rest = self.cache_write.unwrap_or_default().minus(cache_write_1h);
        Some(Usage {
            input: self.input?,
            cached_input: self.cached.unwrap_or_default(),
            cache_write: rest.max(self.cache_write_5m.unwrap_or_default()),
            cache_write_1h,
            output: self.output.unwrap_or_default(),
            tool_calls: self.tool_calls.unwrap_or_default(),
            ..Usage::default()
        })
    }

    /// The input of a model that writes nothing; `None` when there is none, which no request has.
    pub(super) fn input_usage(self) -> Option<Usage> {
        let whole = Self { input: self.input.max(self.total), output: None, total: None, ..self }.usage();
        (whole.all_input() > TokenCount::ZERO).then_some(whole)
    }

    /// The kinds as Google reports them: thoughts beside the output, input of tools beside the prompt, the cache's within it.
    pub(super) fn google_usage(self) -> Usage {
        let mut input = self.input.unwrap_or_default().plus(self.tool_input.unwrap_or_default());
        let mut output = self.output.unwrap_or_default();
        let reasoning = self.reasoning.unwrap_or_default();
        // What only the total knows is output: it is the dearer.
        let beside = self.total.unwrap_or_default().minus(input.plus(output).plus(reasoning));
        Usage {
            cached_input: taken(&mut input, self.cached),
            audio_input: taken(&mut input, self.audio_input),
            image_input: taken(&mut input, self.image_input),
            input,
            reasoning,
            audio_output: taken(&mut output, self.audio_output),
            image_output: taken(&mut output, self.image_output),
            output: output.plus(beside),
            ..Usage::default()
        }
    }

    /// The kinds of a model that speaks: its output is sound.
    pub(super) fn spoken_usage(self) -> Usage {
        let usage = self.usage();
        let audio_output = usage.audio_output.plus(usage.output);
        Usage { audio_output, output: TokenCount::ZERO, ..usage }
    }

    /// The kinds of a model that hears: what is not said to be text of its input is sound.
    pub(super) fn heard_usage(self) -> Usage {
        let usage = self.usage();
        match self.audio_input {
            Some(_) => usage,
            None => Usage { audio_input: usage.input, input: TokenCount::ZERO, ..usage },
        }
    }

    /// The kinds of a model that makes images: what is not said to be text of its output is images.
    pub(super) fn drawn_usage(self) -> Usage {
        let usage = self.usage();
        match self.image_output {
            Some(_) => usage,
            None => Usage { image_output: usage.output, output: TokenCount::ZERO, ..usage },
        }
    }

    /// The disjoint kinds. A detail is at most what is left of its total.
    pub(super) fn usage(self) -> Usage {
        let mut input = self.input.unwrap_or_default();
        // Some count reasoning beside the output: their sum says so.
        let reported = self.output.unwrap_or_default();
        let beside = self.total.unwrap_or_default().minus(input.plus(reported));
        let mut output = reported.plus(beside);
        Usage {
            cached_input: taken(&mut input, self.cached),
            cache_write: taken(&mut input, self.cache_write),
            cache_write_1h: TokenCount::ZERO,
            audio_input: taken(&mut input, self.audio_input),
            image_input: taken(&mut input, self.image_input),
            input,
            reasoning: taken(&mut output, self.reasoning),
            audio_output: taken(&mut output, self.audio_output),
            image_output: taken(&mut output, self.image_output),
            output,
            tool_calls: self.tool_calls.unwrap_or_default(),
        }
    }
}

/// Raises `field` to `count`; false when that is no count.
pub(super) fn larger(field: &mut Option<TokenCount>, count: i64) -> bool {
    let count = TokenCount::parse(count);
    *field = (*field).max(count);
    count.is_some()
}

/// Takes a detail out of its total.
fn taken(total: &mut TokenCount, detail: Option<TokenCount>) -> TokenCount {
    let detail = detail.unwrap_or_default().min(*total);
    *total = total.minus(detail);
    detail
}
