//! The routes of the token API: one table of method, path, deed and who may do it.

use crate::api::body::parse_integer;
use crate::api::refusal::Refusal;
use crate::tokens::{Caller, Role, Scope};

/// What a call does.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A page of tokens.
    ListTokens,
    /// Makes a token.
    CreateToken,
    /// Makes up to 1 000 tokens.
    CreateBatch,
    /// Deletes up to 1 000 tokens.
    DeleteBatch,
    /// Disables up to 1 000 tokens.
    DisableBatch,
    /// One token.
    GetToken,
    /// Changes a token.
    PatchToken,
    /// Deletes a token.
    DeleteToken,
    /// Adds to what a token may spend, or takes back.
    CreditToken,
    /// Gives a token a new key.
    RotateToken,
    /// A token's usage.
    TokenUsage,
    /// The calling token's usage.
    OwnUsage,
    /// A page of the ledger.
    Ledger,
    /// Gives back what a ledger row charged.
    Refund,
    /// A page of users.
    ListUsers,
    /// Makes a user.
    CreateUser,
    /// One user.
    GetUser,
    /// Changes a user.
    PatchUser,
    /// Adds to what a user may spend, or takes back.
    CreditUser,
    /// The calling token's balance.
    Balance,
    /// The balance of its user.
    UserBalance,
}

/// Who may do it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Access {
    /// Any live token.
    Any,
    /// Tokens with the scope `manage`.
    Manage,
    /// Such tokens of admins.
    Admin,
}

type Row = (&'static str, &'static str, Deed, Access);

/// A literal segment stands before `{id}` at the same place.
const TABLE: [Row; 23] = [
    ("GET", "/v1/tokens", Deed::ListTokens, Access::Manage),
    ("POST", "/v1/tokens", Deed::CreateToken, Access::Manage),
    ("POST", "/v1/tokens/batch", Deed::CreateBatch, Access::Manage),
    ("POST", "/v1/tokens/batch/delete", Deed::DeleteBatch, Access::Manage),
    ("POST", "/v1/tokens/batch/disable", Deed::DisableBatch, Access::Manage),
    ("GET", "/v1/tokens/{id}", Deed::GetToken, Access::Manage),
    ("PATCH", "/v1/tokens/{id}", Deed::PatchToken, Access::Manage),
    ("DELETE", "/v1/tokens/{id}", Deed::DeleteToken, Access::Manage),
    ("POST", "/v1/tokens/{id}/credit", Deed::CreditToken, Access::Manage),
    ("POST", "/v1/tokens/{id}/rotate", Deed::RotateToken, Access::Manage),
    ("GET", "/v1/tokens/{id}/usage", Deed::TokenUsage, Access::Manage),
    ("GET", "/v1/usage", Deed::OwnUsage, Access::Any),
    ("GET", "/v1/ledger", Deed::Ledger, Access::Manage),
    ("POST", "/v1/ledger/{id}/refund", Deed::Refund, Access::Admin),
    ("GET", "/v1/users", Deed::ListUsers, Access::Admin),
    ("POST", "/v1/users", Deed::CreateUser, Access::Admin),
    ("GET", "/v1/users/{id}", Deed::GetUser, Access::Admin),
    ("PATCH", "/v1/users/{id}", Deed::PatchUser, Access::Admin),
    ("POST", "/v1/users/{id}/credit", Deed::CreditUser, Access::Admin),
    ("GET", "/v1/balance", Deed::Balance, Access::Any),
    ("GET", "/balance", Deed::Balance, Access::Any),
    ("GET", "/v1/user/balance", Deed::UserBalance, Access::Any),
    ("GET", "/user/balance", Deed::UserBalance, Access::Any),
];

/// Paths that are the token API's also where no route is.
const PREFIXES: [&str; 3] = ["/v1/tokens/", "/v1/users/", "/v1/ledger/"];

/// A row of the table that a call meets, with the `{id}` of its path.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Matched<'a> {
    /// What it does.
    pub deed: Deed,
    /// The part of the path that stands for `{id}`, as it was sent; else empty.
    pub id: &'a str,
    access: Access,
}

impl Matched<'_> {
    /// Whether `caller` may do it.
    ///
    /// # Errors
    /// When its scope or its user's role does not allow it.
    pub fn permit(&self, caller: &Caller) -> Result<(), Refusal> {
        if self.access != Access::Any {
            permit_manage(caller)?;
        }
        if self.access == Access::Admin && caller.role() != Role::Admin {
            return Err(Refusal::Forbidden("This call needs a token of an admin"));
        }
        Ok(())
    }

    /// Whether its body is read. What a deletion or a question carries is not.
    pub fn takes_body(&self, method: &str) -> bool {
        matches!(method, "POST" | "PATCH")
    }

    /// The number in the path.
    ///
    /// # Errors
    /// When there is none that could be an object's.
    pub fn number(&self, what: &'static str) -> Result<i64, Refusal> {
        // One spelling alone, so that an Idempotency-Key, which goes by the path, cannot be passed by with another.
        parse_integer(self.id).filter(|number| *number > 0).ok_or(Refusal::NotFound(what))
    }
}

/// Whether `caller` may see what is not one token's own.
///
/// # Errors
/// When it lacks the scope `manage`.
pub fn permit_manage(caller: &Caller) -> Result<(), Refusal> {
    if caller.permits(Scope::Manage) {
        return Ok(());
    }
    Err(Refusal::Forbidden("This call needs a token with the scope manage"))
}

/// The row's path that `path` meets, by whatever method; `None` where there is none.
pub fn pattern_of(path: &str) -> Option<&'static str> {
    TABLE.iter().map(|(_, pattern, ..)| *pattern).find(|pattern| match_path(pattern, path).is_some())
}

/// Whether `path` is the token API's: one of its routes, or what lies below them.
pub fn has_route(path: &str) -> bool {
    PREFIXES.iter().any(|prefix| path.starts_with(prefix))
        || TABLE.iter().any(|(_, pattern, ..)| *pattern == path)
}

/// Whether `path` is a balance, which pages of other sites may read with a key that they were given.
pub fn is_open_to_other_sites(path: &str) -> bool {
    TABLE
        .iter()
        .any(|(_, pattern, deed, _)| *pattern == path && matches!(deed, Deed::Balance | Deed::UserBalance))
}

/// Finds what a call does.
///
/// # Errors
/// When there is no such path, or the path has not that method.
pub fn find<'a>(method: &str, path: &'a str) -> Result<Matched<'a>, Refusal> {
    let mut methods = Vec::new();
    for (known, pattern, deed, access) in TABLE {
        let Some(id) = match_path(pattern, path) else { continue };
        if known == method {
            return Ok(Matched { deed, id, access });
        }
        methods.push(known);
    }
    if is_open_to_other_sites(path) {
        methods.push("OPTIONS");
    }
    Err(if methods.is_empty() { Refusal::NoRoute } else { Refusal::Method(methods.join(", ")) })
}

/// The `{id}` of `path` if it has the form of `pattern`; empty where that has none.
fn match_path<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, after)) = pattern.split_once("{id}") else {
        return (pattern == path).then_some("");
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/') && id != "batch").then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_meet_their_deeds() {
        for (method, path, deed, id) in [
            ("GET", "/v1/tokens", Deed::ListTokens, ""),
            ("POST", "/v1/tokens/batch", Deed::CreateBatch, ""),
            ("POST", "/v1/tokens/batch/disable", Deed::DisableBatch, ""),
            ("GET", "/v1/tokens/7", Deed::GetToken, "7"),
            ("POST", "/v1/tokens/7/rotate", Deed::RotateToken, "7"),
            ("GET", "/balance", Deed::Balance, ""),
        ] {
            let found = find(method, path).unwrap();
            assert_eq!((found.deed, found.id), (deed, id), "{method} {path}");
            assert!(has_route(path));
        }
    }

    #[test]
    fn other_paths_and_methods_are_told_apart() {
        for path in ["/v1/tokens/", "/v1/tokens/7/", "/v1/tokens/7/x", "/v1/users/1/rotate"] {
            assert_eq!(find("GET", path), Err(Refusal::NoRoute), "{path}");
            assert!(has_route(path));
        }
        assert_eq!(find("DELETE", "/v1/tokens"), Err(Refusal::Method("GET, POST".to_owned())));
        assert_eq!(find("GET", "/v1/tokens/batch"), Err(Refusal::Method("POST".to_owned())));
        assert_eq!(find("PUT", "/v1/tokens/7"), Err(Refusal::Method("GET, PATCH, DELETE".to_owned())));
        for path in ["/v1/models", "/V1/tokens", "/v1/token", "//v1/tokens"] {
            assert!(!has_route(path), "{path}");
        }
    }

    #[test]
    fn numbers_in_paths_are_plain() {
        let number = |path| find("GET", path).unwrap().number("token").ok();
        assert_eq!(number("/v1/tokens/12"), Some(12));
        for path in [
            "/v1/tokens/+1",
            "/v1/tokens/-1",
            "/v1/tokens/012",
            "/v1/tokens/0",
            "/v1/tokens/a",
            "/v1/tokens/99999999999999999999",
        ] {
            assert_eq!(number(path), None, "{path}");
        }
    }

    #[test]
    fn the_local_administrator_may_do_everything() {
        for (method, pattern, ..) in TABLE {
            let path = pattern.replace("{id}", "1");
            assert_eq!(find(method, &path).unwrap().permit(&Caller::local()), Ok(()));
        }
    }
}
