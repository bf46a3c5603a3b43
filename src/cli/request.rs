//! From a command to the one call of the API that does it, and the view that shows its answer. Pure.

use serde::Serialize;

use super::args::token::{Amount, TokenCommand};
use super::args::user::UserCommand;
use super::args::{Format, LedgerCommand, LedgerFilter, PageArgs};
use super::failed::{Exit, Failed};
use super::view::View;

/// A call of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// HTTP's word.
    pub method: &'static str,
    /// From `/v1` on.
    pub path: String,
    /// Without `?`; may be empty.
    pub query: String,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

/// A call, and what becomes of its answer.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The call.
    pub request: Request,
    /// How its `data` is shown to people.
    pub view: View,
    /// Whether it is shown to them.
    pub format: Format,
}

impl Request {
    /// Asks for what is at `path`.
    pub fn get(path: impl Into<String>, query: Query) -> Self {
        Self { method: "GET", path: path.into(), query: query.0, body: Vec::new() }
    }

    /// Sends `body` to `path`.
    pub fn send(method: &'static str, path: impl Into<String>, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("the fields of a command have string keys");
        Self { method, path: path.into(), query: String::new(), body }
    }

    fn delete(path: String) -> Self {
        Self { method: "DELETE", path, query: String::new(), body: Vec::new() }
    }
}

/// A query string that is being written.
#[derive(Debug, Default)]
pub struct Query(String);

impl Query {
    /// With one more member, if there is a value.
    #[must_use]
    pub fn with(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            let end = if self.0.is_empty() { "" } else { "&" };
            self.0.push_str(&format!("{end}{name}={}", percent_encoded(&value.to_string())));
        }
        self
    }

    /// With a page's number and size.
    #[must_use]
    pub fn page(self, page: &PageArgs) -> Self {
        self.with("page", page.page).with("page_size", page.page_size)
    }
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The call of `tollgate token …`.
///
/// # Errors
/// When a change names no field.
pub fn plan_token(command: TokenCommand) -> Result<Plan, Failed> {
    let path = |id: u64| format!("/v1/tokens/{id}");
    let (request, view, format) = match command {
        TokenCommand::Create { mut fields, format } => {
            fields.settings.imply_model_limits();
            (Request::send("POST", "/v1/tokens", &fields), View::Token, format)
        }
        TokenCommand::List { filter, format } => {
            let query = Query::default()
                .page(&filter.page)
                .with("keyword", filter.keyword)
                .with("status", filter.status)
                .with("group", filter.group);
            (Request::get("/v1/tokens", query), View::Tokens, format)
        }
        TokenCommand::Show(one) => (Request::get(path(one.id), Query::default()), View::Token, one.format),
        TokenCommand::Update { id, mut fields, format } => {
            fields.settings.imply_model_limits();
            (patch(path(id), &fields)?, View::Token, format)
        }
        TokenCommand::Credit { id, amount, format } => (credit(path(id), &amount), View::Token, format),
        TokenCommand::Rotate { id, fields, format } => {
            (Request::send("POST", format!("{}/rotate", path(id)), &fields), View::Token, format)
        }
        TokenCommand::Disable(one) => {
            let body = serde_json::json!({"status": 2});
            (Request::send("PATCH", path(one.id), &body), View::Token, one.format)
        }
        TokenCommand::Delete(one) => {
            (Request::delete(path(one.id)), View::Deleted { token: one.id }, one.format)
        }
    };
    Ok(Plan { request, view, format })
}

/// The call of `tollgate user …`.
///
/// # Errors
/// When a change names no field.
pub fn plan_user(command: UserCommand) -> Result<Plan, Failed> {
    let path = |id: u64| format!("/v1/users/{id}");
    let (request, view, format) = match command {
        UserCommand::Create { fields, format } => {
            (Request::send("POST", "/v1/users", &fields), View::User, format)
        }
        UserCommand::List { page, format } => {
            (Request::get("/v1/users", Query::default().page(&page)), View::Users, format)
        }
        UserCommand::Show(one) => (Request::get(path(one.id), Query::default()), View::User, one.format),
        UserCommand::Update { id, fields, format } => (patch(path(id), &fields)?, View::User, format),
        UserCommand::Credit { id, amount, format } => (credit(path(id), &amount), View::User, format),
    };
    Ok(Plan { request, view, format })
}

/// The call of `tollgate ledger …`.
pub fn plan_ledger(command: LedgerCommand) -> Plan {
    match command {
        LedgerCommand::List { filter, format } => {
            let LedgerFilter { token_id, request_id, outcome, page } = filter;
            let query = Query::default()
                .page(&page)
                .with("token_id", token_id)
                .with("request_id", request_id)
                .with("outcome", outcome);
            Plan { request: Request::get("/v1/ledger", query), view: View::Ledger, format }
        }
        LedgerCommand::Refund { id, reason, format } => {
            let body = serde_json::json!({"reason": reason});
            let request = Request::send("POST", format!("/v1/ledger/{id}/refund"), &body);
            Plan { request, view: View::Entry, format }
        }
    }
}

/// Makes an admin token of `user`.
pub fn plan_admin_key(user: i64, format: Format) -> Plan {
    let body = serde_json::json!({
        "name": "admin", "user_id": user, "unlimited_quota": true, "scopes": ["inference", "manage"],
    });
    Plan { request: Request::send("POST", "/v1/tokens", &body), view: View::Token, format }
}

fn credit(path: String, amount: &Amount) -> Request {
    Request::send("POST", path + "/credit", amount)
}

fn patch(path: String, fields: &impl Serialize) -> Result<Request, Failed> {
    let request = Request::send("PATCH", path, fields);
    if request.body == b"{}" {
        return Err(Failed::new(
            Exit::Usage,
            "name at least one field to change, such as --name; see --help",
        ));
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Command, CommandLine};

    /// The plan, or the exit code.
    fn plan(line: &str) -> Result<Plan, i32> {
        let words = shell_words(line);
        let line = CommandLine::try_parse_from(words).map_err(|fault| fault.exit_code())?;
        let refused = |failed: Failed| i32::from(failed.exit.code());
        match line.command {
            Some(Command::Token(command)) => plan_token(command).map_err(refused),
            Some(Command::User(command)) => plan_user(command).map_err(refused),
            Some(Command::Ledger(command)) => Ok(plan_ledger(command)),
            other => panic!("{other:?} makes no call"),
        }
    }

    /// Words at blanks; `_` in a word stands for a blank.
    fn shell_words(line: &str) -> Vec<String> {
        std::iter::once("tollgate")
            .chain(line.split_whitespace())
            .map(|word| word.replace("__", " "))
            .collect()
    }

    /// What is typed, the call, and its body.
    const CALLS: &[(&str, &str, &str)] = &[
        ("token create --name n", "POST /v1/tokens", r#"{"name":"n"}"#),
        (
            "token create --name n --remain-credits 12.50 --daily-credits 0 --unlimited-quota",
            "POST /v1/tokens",
            r#"{"name":"n","remain_credits":12.50,"daily_credits":0,"unlimited_quota":true}"#,
        ),
        (
            "token create --name my__token --remain-quota -5 --user-id 7 --expired-time -1 --group vip",
            "POST /v1/tokens",
            r#"{"name":"my token","remain_quota":-5,"user_id":7,"expired_time":-1,"group":"vip"}"#,
        ),
        (
            "token create --name n --model-limits a,b* --scopes inference,manage --metadata a=b=c --metadata d=",
            "POST /v1/tokens",
            r#"{"name":"n","model_limits_enabled":true,"model_limits":"a,b*","scopes":["inference","manage"],"metadata":{"a":"b=c","d":""}}"#,
        ),
        (
            "token update 5 --model-limits a --model-limits-enabled false --monthly-quota 1",
            "PATCH /v1/tokens/5",
            r#"{"monthly_quota":1,"model_limits_enabled":false,"model_limits":"a"}"#,
        ),
        ("token update 5 --model-limits=", "PATCH /v1/tokens/5", r#"{"model_limits":""}"#),
        (
            "token update --cross-group-retry --status 1 5",
            "PATCH /v1/tokens/5",
            r#"{"status":1,"cross_group_retry":true}"#,
        ),
        (
            "token update 5 --rpm 1 --tpm 2 --max-concurrency 3 --allow-ips 10.0.0.0/8",
            "PATCH /v1/tokens/5",
            r#"{"allow_ips":"10.0.0.0/8","rpm":1,"tpm":2,"max_concurrency":3}"#,
        ),
        ("token credit 5 --credits -2.5", "POST /v1/tokens/5/credit", r#"{"credits":-2.5}"#),
        ("token credit 5 --quota 500000", "POST /v1/tokens/5/credit", r#"{"quota":500000}"#),
        ("token rotate 5", "POST /v1/tokens/5/rotate", "{}"),
        ("token rotate 5 --grace-seconds 60 --json", "POST /v1/tokens/5/rotate", r#"{"grace_seconds":60}"#),
        ("token disable 5", "PATCH /v1/tokens/5", r#"{"status":2}"#),
        ("token delete 5", "DELETE /v1/tokens/5", ""),
        ("token show 5", "GET /v1/tokens/5", ""),
        ("token list", "GET /v1/tokens", ""),
        (
            "token list --page 2 --page-size 5 --keyword a&b__令 --status 2 --group g",
            "GET /v1/tokens?page=2&page_size=5&keyword=a%26b%20%E4%BB%A4&status=2&group=g",
            "",
        ),
        (
            "user create --name u --role admin --remain-credits 1",
            "POST /v1/users",
            r#"{"name":"u","remain_credits":1,"role":"admin"}"#,
        ),
        (
            "user update 3 --status 2 --unlimited-quota=false",
            "PATCH /v1/users/3",
            r#"{"status":2,"unlimited_quota":false}"#,
        ),
        ("user credit 3 --credits 1e2", "POST /v1/users/3/credit", r#"{"credits":1e2}"#),
        ("user list --page 3", "GET /v1/users?page=3", ""),
        ("user show 3", "GET /v1/users/3", ""),
        ("ledger list --token-id 4 --outcome ok", "GET /v1/ledger?token_id=4&outcome=ok", ""),
        (
            "ledger refund 01901234-5678-7fff-bfff-ffffffffffff --reason bad__answer",
            "POST /v1/ledger/01901234-5678-7fff-bfff-ffffffffffff/refund",
            r#"{"reason":"bad answer"}"#,
        ),
    ];

    #[test]
    fn commands_become_calls() {
        for &(line, call, body) in CALLS {
            let request = plan(line).unwrap_or_else(|fault| panic!("{line}: exit code {fault}")).request;
            let question = if request.query.is_empty() { "" } else { "?" };
            assert_eq!(
                format!("{} {}{question}{}", request.method, request.path, request.query),
                call,
                "{line}"
            );
            assert_eq!(String::from_utf8(request.body).unwrap(), body, "{line}");
        }
    }

    #[test]
    fn a_change_of_nothing_and_what_is_no_amount_are_usage_errors() {
        for line in [
            "token update 5",
            "user update 5",
            "user update 5 --json",
            "token create",
            "token create --name n --remain-credits abc",
            "token create --name n --remain-credits .5",
            "token create --name n --remain-quota 1.5",
            "token create --name n --metadata x",
            "token create --name n --dialy-credits 1",
            "token update 5 --remain-credits 1",
            "token update 5 --status 3",
            "token update --unlimited-quota 5",
            "token credit 5",
            "token credit 5 --credits 1 --quota 1",
            "token show",
            "token show -1",
            "token show five",
            "ledger refund 5 --reason r",
            "ledger refund 01901234-5678-7fff-bfff-ffffffffffff",
        ] {
            assert_eq!(plan(line).map(|plan| plan.request), Err(2), "{line}");
        }
    }

    #[test]
    fn an_admin_key_has_both_scopes_and_no_end() {
        let request = plan_admin_key(1, Format::default()).request;
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["scopes"], serde_json::json!(["inference", "manage"]));
        assert_eq!((&body["unlimited_quota"], &body["user_id"]), (&true.into(), &1.into()));
    }
}
