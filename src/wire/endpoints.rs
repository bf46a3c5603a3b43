//! The one table of model routes: a route is metered, or declared free here, or does not exist. A path is compared byte by
//! byte as it was sent: nothing is decoded, folded or joined, so there is one spelling of each route.

/// A format of requests and answers.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's.
    OpenAi,
}

/// Whether a route costs.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Charge {
    /// No provider sees a byte before money is held.
    Metered,
    /// No price, no budget, no ledger row.
    Free,
}

/// What a route does.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `GET /v1/models`
    Models,
    /// `GET /v1/models/{id}`
    Model,
}

impl Endpoint {
    /// Its path, as people and metrics name it.
    pub const fn pattern(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Models => "/v1/models",
            Self::Model => "/v1/models/{id}",
        }
    }
}

/// What a method and a path name.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// A route.
    Route {
        /// What it does.
        endpoint: Endpoint,
        /// The format its answers and refusals have.
        dialect: Dialect,
        /// Whether it costs.
        charge: Charge,
        /// The model that the path names, as sent.
        model: Option<&'a str>,
    },
    /// No route.
    NotFound,
    /// A route, but not by this method.
    MethodNotAllowed {
        /// The value of the answer's `allow` header.
        allow: &'static str,
    },
}

enum Path {
    Exactly(&'static str),
    /// A prefix, and a model's name behind it.
    Model(&'static str),
}

struct Row {
    method: &'static str,
    path: Path,
    dialect: Dialect,
    charge: Charge,
    endpoint: Endpoint,
}

const TABLE: [Row; 3] = [
    Row {
        method: "POST",
        path: Path::Exactly("/v1/chat/completions"),
        dialect: Dialect::OpenAi,
        charge: Charge::Metered,
        endpoint: Endpoint::ChatCompletions,
    },
    Row {
        method: "GET",
        path: Path::Exactly("/v1/models"),
        dialect: Dialect::OpenAi,
        charge: Charge::Free,
        endpoint: Endpoint::Models,
    },
    Row {
        method: "GET",
        path: Path::Model("/v1/models/"),
        dialect: Dialect::OpenAi,
        charge: Charge::Free,
        endpoint: Endpoint::Model,
    },
];

/// The route of `method` and `path`, which is the raw path of the request line without its query.
pub fn find<'a>(method: &str, path: &'a str) -> Lookup<'a> {
    let mut found = Lookup::NotFound;
    for row in &TABLE {
        let Some(model) = row.path.matched(path) else { continue };
        if row.method == method {
            return Lookup::Route { endpoint: row.endpoint, dialect: row.dialect, charge: row.charge, model };
        }
        found = Lookup::MethodNotAllowed { allow: row.method };
    }
    found
}

impl Path {
    /// The model that `path` names, if any; `None` when it does not match.
    fn matched<'a>(&self, path: &'a str) -> Option<Option<&'a str>> {
        match self {
            Self::Exactly(exact) => (*exact == path).then_some(None),
            Self::Model(prefix) => path.strip_prefix(prefix).filter(|name| is_model(name)).map(Some),
        }
    }
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
        let route =
            |endpoint, charge, model| Lookup::Route { endpoint, dialect: Dialect::OpenAi, charge, model };
        for (method, path, want) in [
            ("POST", "/v1/chat/completions", route(Endpoint::ChatCompletions, Charge::Metered, None)),
            ("GET", "/v1/models", route(Endpoint::Models, Charge::Free, None)),
            ("GET", "/v1/models/gpt-4o", route(Endpoint::Model, Charge::Free, Some("gpt-4o"))),
            ("GET", "/v1/models/a/b:c", route(Endpoint::Model, Charge::Free, Some("a/b:c"))),
            ("GET", "/v1/chat/completions", Lookup::MethodNotAllowed { allow: "POST" }),
            ("post", "/v1/chat/completions", Lookup::MethodNotAllowed { allow: "POST" }),
            ("TRACE", "/v1/models", Lookup::MethodNotAllowed { allow: "GET" }),
            ("DELETE", "/v1/models/x", Lookup::MethodNotAllowed { allow: "GET" }),
        ] {
            assert_eq!(find(method, path), want, "{method} {path}");
        }
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
            "/v1/embeddings",
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
}
