//! The one table of model routes: a route is metered, or declared free here, or does not exist. A path is compared byte by
//! byte as it was sent: nothing is decoded, folded or joined, so there is one spelling of each route.
//!
//! To add a route, add its row. What a row names is one `match` each: how the body is read ([`Form`], `ask`), how it is cut
//! for the provider ([`Cut`], `outgoing`), where the usage stands ([`Metering`], `meter`).

use super::ask::Form;
use super::meter::Metering;

/// A format of requests and answers.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's.
    OpenAi,
    /// Anthropic's.
    Anthropic,
    /// Google's.
    Gemini,
}

/// Whether a call of a provider costs.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Charge {
    /// No provider sees a byte before money is held; what was used stands there in the answer.
    Metered(Metering),
    /// No price, no budget, no ledger row.
    Free,
}

/// What of a body is changed on its way to the provider, beside the model's name.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// OpenAI's chat: the channel's field caps the output, and a stream is asked for its usage.
    Chat,
    /// OpenAI's older completions: `max_tokens` caps the output, and a stream is asked for its usage.
    Completions,
    /// OpenAI's responses: `max_output_tokens` caps the output.
    Responses,
    /// Anthropic's messages: `max_tokens` caps the output.
    Messages,
    /// Gemini's generation: `maxOutputTokens` of its `generationConfig` caps the output.
    Generate,
    /// Nothing: it has no output, or none that a field can cap.
    Nothing,
}

/// A request that a provider answers.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The form of its body, in which the model stands too.
    pub form: Form,
    /// What of that body is changed.
    pub cut: Cut,
    /// Whether it costs.
    pub charge: Charge,
    /// The provider's own path, behind that of its `base_url`; `{id}` stands for the model's name there, or for the response's id.
    pub path: &'static str,
    /// The names of the query parameters that pass.
    pub query: &'static [&'static str],
}

/// What a route does.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Lists the models that the token may call. Free: nobody else is asked.
    Models,
    /// Shows one of them. Free.
    Model,
    /// Has a provider answer.
    Call(Call),
    /// Has the channel that made a stored response answer what follows up that response. Free, and without a body.
    FollowUp(Call),
}

/// A row of the table.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path, as people and metrics name it; `{id}` stands for a model's name, or for the id of a response.
    pub pattern: &'static str,
    /// The format of its answers and refusals; `None` where the caller's headers tell.
    pub dialect: Option<Dialect>,
    /// What it does.
    pub work: Work,
}

/// What a method and a path name.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// A route.
    Route {
        /// Its row.
        route: &'static Route,
        /// The model, or the response, that the path names, as sent.
        model: Option<&'a str>,
    },
    /// No route.
    NotFound,
    /// A route, but not by this method.
    MethodNotAllowed {
        /// The row of a method that it has.
        route: &'static Route,
    },
}

/// How OpenAI's chat is called: also by a translated request.
pub(super) const CHAT: Call = Call {
    form: Form::Chat,
    cut: Cut::Chat,
    charge: Charge::Metered(Metering::Chat),
    path: "/chat/completions",
    query: &[],
};

/// How Anthropic's messages are called: also by a translated request.
pub(super) const MESSAGES: Call = Call {
    form: Form::Messages,
    cut: Cut::Messages,
    charge: Charge::Metered(Metering::Messages),
    path: "/v1/messages",
    query: &["beta"],
};

/// How Gemini's models are called by a translated request.
pub(super) const GENERATE: Call = Call {
    form: Form::Generate,
    cut: Cut::Generate,
    charge: GENERATED,
    path: "/v1beta/models/{id}:generateContent",
    query: &[],
};

/// The same, streamed in events.
pub(super) const STREAM_GENERATE: Call =
    Call { form: Form::StreamGenerate, path: "/v1beta/models/{id}:streamGenerateContent", ..GENERATE };

static TABLE: [Route; 32] = [
    Route {
        method: "POST",
        pattern: "/v1/chat/completions",
        dialect: Some(Dialect::OpenAi),
        work: Work::Call(CHAT),
    },
    Route {
        method: "POST",
        pattern: "/v1/messages",
        dialect: Some(Dialect::Anthropic),
        work: Work::Call(MESSAGES),
    },
    Route {
        method: "POST",
        pattern: "/v1/messages/count_tokens",
        dialect: Some(Dialect::Anthropic),
        work: Work::Call(Call {
            form: Form::Messages,
            cut: Cut::Nothing,
            charge: Charge::Free,
            path: "/v1/messages/count_tokens",
            query: &["beta"],
        }),
    },
    Route {
        method: "POST",
        pattern: "/v1/completions",
        dialect: Some(Dialect::OpenAi),
        work: Work::Call(Call {
            form: Form::Completions,
            cut: Cut::Completions,
            charge: Charge::Metered(Metering::Chat),
            path: "/completions",
            query: &[],
        }),
    },
    Route {
        method: "POST",
        pattern: "/v1/responses",
        dialect: Some(Dialect::OpenAi),
        work: Work::Call(Call {
            form: Form::Responses,
            cut: Cut::Responses,
            charge: Charge::Metered(Metering::Responses),
            path: "/responses",
            query: &[],
        }),
    },
    Route {
        method: "POST",
        pattern: "/v1/responses/input_tokens",
        dialect: Some(Dialect::OpenAi),
        work: Work::Call(Call {
            form: Form::Responses,
            cut: Cut::Nothing,
            charge: Charge::Free,
            path: "/responses/input_tokens",
            query: &[],
        }),
    },
    follow_up(
        "GET",
        "/v1/responses/{id}",
        "/responses/{id}",
        &["include[]", "include", "stream", "starting_after"],
    ),
    follow_up("DELETE", "/v1/responses/{id}", "/responses/{id}", &[]),
    follow_up("POST", "/v1/responses/{id}/cancel", "/responses/{id}/cancel", &[]),
    follow_up(
        "GET",
        "/v1/responses/{id}/input_items",
        "/responses/{id}/input_items",
        &["include[]", "include", "after", "limit", "order"],
    ),
    Route {
        method: "POST",
        pattern: "/v1/embeddings",
        dialect: Some(Dialect::OpenAi),
        work: Work::Call(Call {
            form: Form::Embeddings,
            cut: Cut::Nothing,
            charge: Charge::Metered(Metering::Inputs),
            path: "/embeddings",
            query: &[],
        }),
    },
    Route {
        method: "POST",
        pattern: "/v1/moderations",
        dialect: Some(Dialect::OpenAi),
        work: Work::Call(Call {
            form: Form::Moderations,
            cut: Cut::Nothing,
            charge: Charge::Metered(Metering::Inputs),
            path: "/moderations",
            query: &[],
        }),
    },
    Route {
        method: "POST",
        pattern: "/v1/rerank",
        dialect: Some(Dialect::OpenAi),
        work: Work::Call(Call {
            form: Form::Rerank,
            cut: Cut::Nothing,
            charge: Charge::Metered(Metering::Inputs),
            path: "/rerank",
            query: &[],
        }),
    },
    Route {
        method: "POST",
        pattern: "/v1/audio/speech",
        dialect: Some(Dialect::OpenAi),
        work: Work::Call(Call {
            form: Form::Speech,
            cut: Cut::Nothing,
            charge: Charge::Metered(Metering::Speech),
            path: "/audio/speech",
            query: &[],
        }),
    },
    media("/v1/images/generations", "/images/generations", Form::Images, Metering::Images),
    media("/v1/images/edits", "/images/edits", Form::ImageEdits, Metering::Images),
    media("/v1/audio/transcriptions", "/audio/transcriptions", Form::Transcription, Metering::Transcript),
    media("/v1/audio/translations", "/audio/translations", Form::Transcription, Metering::Transcript),
    gemini("/v1beta/models/{id}:generateContent", Form::Generate, GENERATED),
    gemini("/v1beta/models/{id}:streamGenerateContent", Form::StreamGenerate, GENERATED),
    gemini("/v1beta/models/{id}:countTokens", Form::CountContent, Charge::Free),
    gemini("/v1beta/models/{id}:embedContent", Form::EmbedContent, GENERATED),
    gemini("/v1beta/models/{id}:batchEmbedContents", Form::EmbedContents, GENERATED),
    gemini("/v1/models/{id}:generateContent", Form::Generate, GENERATED),
    gemini("/v1/models/{id}:streamGenerateContent", Form::StreamGenerate, GENERATED),
    gemini("/v1/models/{id}:countTokens", Form::CountContent, Charge::Free),
    gemini("/v1/models/{id}:embedContent", Form::EmbedContent, GENERATED),
    gemini("/v1/models/{id}:batchEmbedContents", Form::EmbedContents, GENERATED),
    gemini_listing("/v1beta/models", Work::Models),
    gemini_listing("/v1beta/models/{id}", Work::Model),
    Route { method: "GET", pattern: "/v1/models", dialect: None, work: Work::Models },
    Route { method: "GET", pattern: "/v1/models/{id}", dialect: None, work: Work::Model },
];

const GENERATED: Charge = Charge::Metered(Metering::Generate);

/// A call of OpenAI's that no field of the request bounds.
const fn media(pattern: &'static str, path: &'static str, form: Form, metering: Metering) -> Route {
    let charge = Charge::Metered(metering);
    let work = Work::Call(Call { form, cut: Cut::Nothing, charge, path, query: &[] });
    Route { method: "POST", pattern, dialect: Some(Dialect::OpenAi), work }
}

/// A method of Gemini's, which the provider has at the same path.
const fn gemini(pattern: &'static str, form: Form, charge: Charge) -> Route {
    let cut = if form.has_output() { Cut::Generate } else { Cut::Nothing };
    Route {
        method: "POST",
        pattern,
        dialect: Some(Dialect::Gemini),
        work: Work::Call(Call { form, cut, charge, path: pattern, query: &["alt"] }),
    }
}

const fn gemini_listing(pattern: &'static str, work: Work) -> Route {
    Route { method: "GET", pattern, dialect: Some(Dialect::Gemini), work }
}

/// What follows up a stored response.
const fn follow_up(
    method: &'static str,
    pattern: &'static str,
    path: &'static str,
    query: &'static [&'static str],
) -> Route {
    let call = Call { form: Form::Responses, cut: Cut::Nothing, charge: Charge::Free, path, query };
    Route { method, pattern, dialect: Some(Dialect::OpenAi), work: Work::FollowUp(call) }
}

/// The methods of all routes of `pattern`, as a refusal lists them.
pub fn methods(pattern: &str) -> String {
    let rows = TABLE.iter().filter(|route| route.pattern == pattern);
    rows.map(|route| route.method).collect::<Vec<_>>().join(", ")
}

/// The route of `method` and `path`, which is the raw path of the request line without its query.
pub fn find<'a>(method: &str, path: &'a str) -> Lookup<'a> {
    let mut found = Lookup::NotFound;
    for route in &TABLE {
        let Some(model) = matched(route, path) else { continue };
        // No response has the name of a route.
        let is_taken = matches!(found, Lookup::MethodNotAllowed { route } if route.pattern == path);
        if is_taken && route.pattern != path {
            continue;
        }
        if route.method == method {
            return Lookup::Route { route, model };
        }
        // What stands behind the colon is a method of Google's, and no part of a model's name; one that nobody knows has no route.
        if route.pattern.contains("{id}:") {
            return Lookup::MethodNotAllowed { route };
        }
        if method == "POST" && model.is_some_and(|model| model.contains(':')) {
            continue;
        }
        found = Lookup::MethodNotAllowed { route };
    }
    found
}

/// The model or the response that `path` names, if the route's pattern has one; `None` when it does not match.
fn matched<'a>(route: &Route, path: &'a str) -> Option<Option<&'a str>> {
    let Some((before, after)) = route.pattern.split_once("{id}") else {
        return (route.pattern == path).then_some(None);
    };
    let name = path.strip_prefix(before)?.strip_suffix(after)?;
    let is_name = match route.work {
        Work::FollowUp(_) => is_model(name) && !name.contains('/'),
        Work::Models | Work::Model | Work::Call(_) => is_model(name),
    };
    is_name.then_some(Some(name))
}

/// Whether this part of a path can be a model's name, as sent: SDKs percent-encode it. Names with a slash inside exist.
fn is_model(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\');
    name.bytes().all(plain) && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_spelling_of_each_route() {
        for (method, path, pattern, model) in [
            ("POST", "/v1/chat/completions", "/v1/chat/completions", None),
            ("POST", "/v1/completions", "/v1/completions", None),
            ("POST", "/v1/responses", "/v1/responses", None),
            ("POST", "/v1/responses/input_tokens", "/v1/responses/input_tokens", None),
            ("GET", "/v1/responses/resp_1", "/v1/responses/{id}", Some("resp_1")),
            ("DELETE", "/v1/responses/a%2Fb", "/v1/responses/{id}", Some("a%2Fb")),
            ("POST", "/v1/responses/resp_1/cancel", "/v1/responses/{id}/cancel", Some("resp_1")),
            ("GET", "/v1/responses/r/input_items", "/v1/responses/{id}/input_items", Some("r")),
            ("GET", "/v1/responses/cancel", "/v1/responses/{id}", Some("cancel")),
            ("POST", "/v1/embeddings", "/v1/embeddings", None),
            ("POST", "/v1/moderations", "/v1/moderations", None),
            ("POST", "/v1/rerank", "/v1/rerank", None),
            ("POST", "/v1/audio/speech", "/v1/audio/speech", None),
            ("POST", "/v1/images/generations", "/v1/images/generations", None),
            ("POST", "/v1/images/edits", "/v1/images/edits", None),
            ("POST", "/v1/audio/transcriptions", "/v1/audio/transcriptions", None),
            ("POST", "/v1/audio/translations", "/v1/audio/translations", None),
            ("POST", "/v1/messages", "/v1/messages", None),
            ("POST", "/v1/messages/count_tokens", "/v1/messages/count_tokens", None),
            ("POST", "/v1beta/models/g:generateContent", "/v1beta/models/{id}:generateContent", Some("g")),
            ("POST", "/v1/models/a%2Fb:countTokens", "/v1/models/{id}:countTokens", Some("a%2Fb")),
            ("GET", "/v1beta/models", "/v1beta/models", None),
            ("GET", "/v1beta/models/g", "/v1beta/models/{id}", Some("g")),
            ("GET", "/v1/models", "/v1/models", None),
            ("GET", "/v1/models/gpt-4o", "/v1/models/{id}", Some("gpt-4o")),
            ("GET", "/v1/models/a/b:c", "/v1/models/{id}", Some("a/b:c")),
        ] {
            let Lookup::Route { route, model: named } = find(method, path) else { panic!("{path}") };
            assert_eq!((route.method, route.pattern, named), (method, pattern, model));
        }
        for (method, path, allow) in [
            ("GET", "/v1/chat/completions", "POST"),
            ("post", "/v1/chat/completions", "POST"),
            ("GET", "/v1/messages", "POST"),
            ("GET", "/v1/responses/input_tokens", "POST"),
            ("DELETE", "/v1/responses/input_tokens", "POST"),
            ("POST", "/v1/responses/resp_1", "DELETE"),
            ("GET", "/v1/responses/resp_1/cancel", "POST"),
            ("DELETE", "/v1/responses/resp_1/input_items", "GET"),
            ("TRACE", "/v1/models", "GET"),
            ("DELETE", "/v1/models/x", "GET"),
            ("POST", "/v1beta/models/x", "GET"),
            ("GET", "/v1beta/models/x:generateContent", "POST"),
            ("GET", "/v1/models/x:streamGenerateContent", "POST"),
        ] {
            let Lookup::MethodNotAllowed { route } = find(method, path) else { panic!("{path}") };
            assert_eq!(route.method, allow, "{method} {path}");
        }
        for verb in
            ["predict", "batchGenerateContent", "generatecontent", "generateContent/", "generateContent:x"]
        {
            let path = format!("/v1beta/models/x:{verb}");
            assert_eq!(find("POST", &path), Lookup::NotFound, "{path}");
        }
    }

    #[test]
    fn what_is_no_route_is_not_found() {
        for path in [
            "",
            "/",
            "*",
            "/v1",
            "//v1/chat/completions",
            "/v1//chat/completions",
            "/V1/chat/completions",
            "/v1/chat/completions/",
            "/v1/chat/completions?x",
            "/v1/chat%2Fcompletions",
            "/v1/chat/../chat/completions",
            "/v1/chat/completion",
            "/v1/chat/completionss",
            "/v1/embeddings/",
            "/v1/responses/",
            "/v1/responses/..",
            "/v1/responses/resp_1/",
            "/v1/responses/a/b",
            "/v1/responses/../cancel",
            "/v1/responses/a/b/cancel",
            "/v1/responses//cancel",
            "/v1/responses/resp_1/cancel/",
            "/v1/responses/resp_1?x",
            "/v1/images/variations",
            "/v1/images",
            "/v1/audio/transcriptions/",
            "/v1/messages/",
            "/v1/messages/batches",
            "/messages",
            "/v1/models/",
            "/v1/models//",
            "/v1/models/a/",
            "/v1/models/a//b",
            "/v1/models/..",
            "/v1/models/a/../b",
            "/v1/models/a b",
            "/v1/models/é",
            "http://x/v1/models",
            "v1/models",
        ] {
            for method in ["GET", "POST"] {
                assert_eq!(find(method, path), Lookup::NotFound, "{method} {path}");
            }
        }
    }

    /// Each row, once more and by hand: no route reaches a provider without a charge or a word that it is free.
    #[test]
    fn a_route_is_charged_or_declared_free() {
        let mut patterns: Vec<_> = TABLE.iter().map(|route| (route.method, route.pattern)).collect();
        patterns.sort_unstable();
        patterns.dedup();
        assert_eq!(patterns.len(), TABLE.len(), "one row for each route");
        assert_eq!(methods("/v1/responses/{id}"), "GET, DELETE");
        let free = [
            "/v1/responses/{id}",
            "/v1/responses/{id}/cancel",
            "/v1/responses/{id}/input_items",
            "/v1/messages/count_tokens",
            "/v1/responses/input_tokens",
            "/v1beta/models/{id}:countTokens",
            "/v1/models/{id}:countTokens",
            "/v1beta/models",
            "/v1beta/models/{id}",
            "/v1/models",
            "/v1/models/{id}",
        ];
        for route in &TABLE {
            let is_free = match route.work {
                Work::Models | Work::Model => true,
                Work::FollowUp(call) => {
                    assert_eq!((call.charge, call.cut), (Charge::Free, Cut::Nothing), "{}", route.pattern);
                    true
                }
                Work::Call(call) => {
                    assert_eq!(route.method, "POST");
                    assert_eq!(Some(call.form.dialect()), route.dialect, "{}", route.pattern);
                    let is_capped = call.charge != Charge::Free && call.form.has_output();
                    assert_eq!(call.cut != Cut::Nothing, is_capped, "{}", route.pattern);
                    call.charge == Charge::Free
                }
            };
            assert_eq!(is_free, free.contains(&route.pattern), "{}", route.pattern);
        }
    }
}
