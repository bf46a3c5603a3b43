//! The life cycle of tokens but for their money and keys: make, list, show, change, disable, delete, also by the thousand.

use std::collections::BTreeSet;

use crate::api::answer::Answer;
use crate::api::body::{Fields, parse_integer};
use crate::api::once::Made;
use crate::api::query::Query;
use crate::api::refusal::Refusal;
use crate::api::shown::Listed;
use crate::api::token_fields::{Rules, TokenChanges, TokenForm};
use crate::api::{Call, Desk};
use crate::ids::{TokenId, UserId};
use crate::store::admins::Admins;
use crate::store::audit::{self, Author};
use crate::store::tokens::{NewToken, TokenQuery, TokenRecord, TokenSettings};
use crate::store::{Denied, Sql, Txn, tokens, users};
use crate::tokens::{Key, Scope, Scopes};

/// The most tokens in one batch.
const BATCH_MOST: usize = 1_000;

/// The longest keyword, in characters.
const KEYWORD_MOST: usize = 256;

const LAST_TOKEN: &str =
    "This is the last live admin token with the scope manage; make another one first (`tollgate admin-key`)";

/// A live token of those that the caller sees.
///
/// # Errors
/// When there is none.
pub fn find_seen(sql: &Sql, id: TokenId, sees: Option<UserId>) -> Result<TokenRecord, Denied<Refusal>> {
    let found = tokens::find(sql, id)?;
    found
        .filter(|record| sees.is_none_or(|user| user == record.user))
        .ok_or(Denied::Refused(Refusal::NotFound("token")))
}

/// Refuses a change after which nobody could administer.
///
/// # Errors
/// When there was an administrator before it, and there is none now.
pub fn keep_an_admin(txn: &Txn<'_>, before: Admins) -> Result<(), Denied<Refusal>> {
    let after = Admins::count(txn.sql(), txn.now())?;
    if before.users > 0 && after.users == 0 {
        return Err(Denied::Refused(Refusal::LastAdmin(
            "This is the last enabled admin user; make or enable another one first",
        )));
    }
    if before.tokens > 0 && after.tokens == 0 {
        return Err(Denied::Refused(Refusal::LastAdmin(LAST_TOKEN)));
    }
    Ok(())
}

impl Desk {
    fn rules(&self) -> Rules<'_> {
        Rules { now: self.clock.now(), groups: self.directory.groups() }
    }

    pub(super) async fn list_tokens(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let query = Query::parse(call.query, &["page", "page_size", "keyword", "status", "group"])?;
        let page = query.page()?;
        let keyword = query.get("keyword").unwrap_or_default();
        if keyword.chars().count() > KEYWORD_MOST {
            return Err(Refusal::field("keyword", format!("must have at most {KEYWORD_MOST} characters")));
        }
        let wanted = TokenQuery {
            user: call.sees(),
            keyword: keyword.to_owned(),
            status: query.integer("status", 1..=4)?.unwrap_or(0),
            group: query.get("group").unwrap_or_default().to_owned(),
            offset: page.offset(),
            limit: page.size,
        };
        let now = self.clock.now();
        let (records, total) = self.read(move |sql| tokens::page(sql, &wanted, now)).await?;
        let items: Vec<_> = records.into_iter().map(|record| self.show(record)).collect();
        Ok(Answer::amounts(Listed { items, total: Some(total), page: page.number, page_size: page.size }))
    }

    pub(super) async fn get_token(&self, call: &Call<'_>, id: TokenId) -> Result<Answer, Refusal> {
        let sees = call.sees();
        let found = self.read(move |sql| tokens::find(sql, id)).await?;
        let record = found.filter(|record| sees.is_none_or(|user| user == record.user));
        record.map(|record| Answer::amounts(self.show(record))).ok_or(Refusal::NotFound("token"))
    }

    pub(super) async fn create_token(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let once = call.once()?;
        self.refuse_repeated(once.as_ref()).await?;
        let form = TokenForm::read(&Fields::of_body(call.body)?, self.rules())?;
        let (new, keys) = self.mint_for(call, vec![form], "")?;
        let author = call.author();
        let create = move |txn: &mut Txn<'_>| create_all(txn, &new, &author, "");
        let records = self.write(once, Refusal::Generation, create).await?;
        let shown = self.show_with_keys(records, keys).into_iter().next();
        Ok(Answer::amounts(shown))
    }

    pub(super) async fn create_batch(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let once = call.once()?;
        self.refuse_repeated(once.as_ref()).await?;
        let fields = Fields::of_body(call.body)?;
        fields.allow(&["tokens"], &[])?;
        let list = fields.list("tokens", BATCH_MOST)?.ok_or_else(|| fields.fault("tokens", "is required"))?;
        let mut forms = Vec::with_capacity(list.len());
        for (at, raw) in list.into_iter().enumerate() {
            forms.push(TokenForm::read(&Fields::of_member(&format!("tokens[{at}]"), raw)?, self.rules())?);
        }
        let (new, keys) = self.mint_for(call, forms, "tokens")?;
        let author = call.author();
        let create = move |txn: &mut Txn<'_>| create_all(txn, &new, &author, "tokens");
        let records = self.write(once, Refusal::Generation, create).await?;
        Ok(Answer::amounts(self.show_with_keys(records, keys)))
    }

    /// Draws a key for each form, if the caller may make such tokens; one that it may not is refused at its place in `list`.
    fn mint_for(
        &self,
        call: &Call<'_>,
        forms: Vec<TokenForm>,
        list: &str,
    ) -> Result<(Vec<NewToken>, Vec<Key>), Refusal> {
        let own = call.caller.token().user;
        let mut new = Vec::with_capacity(forms.len());
        let mut keys = Vec::with_capacity(forms.len());
        for (at, form) in forms.into_iter().enumerate() {
            let user = form.user.map_or(own, UserId);
            if user != own && !call.is_admin() {
                let why = "only admins make tokens for other users";
                return Err(Refusal::AdminsOnly(place(list, at, "user_id"), why));
            }
            if gains_manage(form.settings.scopes, None) && !call.is_admin() {
                return Err(Refusal::AdminsOnly(place(list, at, "scopes"), MORE_SCOPE));
            }
            let key = self.mint();
            new.push(NewToken {
                user,
                origin: "api",
                settings: form.settings,
                grant: form.grant,
                key: key.hash(),
            });
            keys.push(key);
        }
        Ok((new, keys))
    }

    fn show_with_keys(&self, records: Vec<TokenRecord>, keys: Vec<Key>) -> Vec<crate::api::ShownToken> {
        records.into_iter().zip(keys).map(|(record, key)| self.show(record).with_key(key)).collect()
    }

    pub(super) async fn patch_token(&self, call: &Call<'_>, id: TokenId) -> Result<Answer, Refusal> {
        let changes = TokenChanges::read(&Fields::of_body(call.body)?, self.rules())?;
        let (author, sees) = (call.author(), call.sees());
        let member = !call.is_admin();
        let patch = move |txn: &mut Txn<'_>| {
            let before = find_seen(txn.sql(), id, sees)?;
            let gains = |scopes: Scopes| member && gains_manage(scopes, Some(before.settings.scopes));
            if changes.scopes.is_some_and(gains) {
                return Err(Denied::Refused(Refusal::AdminsOnly("scopes".to_owned(), MORE_SCOPE)));
            }
            let sets_end = changes.sets_end();
            let settings = changes.apply(before.settings.clone(), "model_limits").map_err(Denied::Refused)?;
            let admins = Admins::count(txn.sql(), txn.now())?;
            if sets_end {
                refuse_last_end(txn, &before)?;
            }
            let record = change(txn, &before, settings, &author)?;
            keep_an_admin(txn, admins)?;
            Ok((record, Vec::new()))
        };
        let record = self.write(None, Refusal::Storage, patch).await?;
        Ok(Answer::amounts(self.show(record)))
    }

    pub(super) async fn delete_token(&self, call: &Call<'_>, id: TokenId) -> Result<Answer, Refusal> {
        let (author, sees) = (call.author(), call.sees());
        let delete = move |txn: &mut Txn<'_>| {
            let admins = Admins::count(txn.sql(), txn.now())?;
            let before = find_seen(txn.sql(), id, sees)?;
            delete_one(txn, &before, &author)?;
            keep_an_admin(txn, admins)?;
            Ok(((), Vec::new()))
        };
        self.write(None, Refusal::Storage, delete).await?;
        Ok(Answer::plain(serde_json::json!({ "id": id.0 })))
    }

    pub(super) async fn delete_batch(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let ids = read_ids(call)?;
        let (author, sees) = (call.author(), call.sees());
        let delete = move |txn: &mut Txn<'_>| {
            let admins = Admins::count(txn.sql(), txn.now())?;
            for (at, id) in ids.iter().enumerate() {
                let before = find_listed(txn, *id, sees, at)?;
                delete_one(txn, &before, &author)?;
            }
            keep_an_admin(txn, admins)?;
            Ok((ids, Vec::new()))
        };
        let ids = self.write(None, Refusal::Storage, delete).await?;
        let ids: Vec<i64> = ids.into_iter().map(|id| id.0).collect();
        Ok(Answer::plain(serde_json::json!({ "ids": ids })))
    }

    pub(super) async fn disable_batch(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let ids = read_ids(call)?;
        let (author, sees) = (call.author(), call.sees());
        let disable = move |txn: &mut Txn<'_>| {
            let admins = Admins::count(txn.sql(), txn.now())?;
            let mut records = Vec::with_capacity(ids.len());
            for (at, id) in ids.iter().enumerate() {
                let before = find_listed(txn, *id, sees, at)?;
                let settings = TokenSettings { enabled: false, ..before.settings.clone() };
                records.push(change(txn, &before, settings, &author)?);
            }
            keep_an_admin(txn, admins)?;
            Ok((records, Vec::new()))
        };
        let records = self.write(None, Refusal::Storage, disable).await?;
        let shown: Vec<_> = records.into_iter().map(|record| self.show(record)).collect();
        Ok(Answer::amounts(shown))
    }
}

const MORE_SCOPE: &str = "only admins give a token the scope manage";

/// A field's name: of the body itself, or of an element of its `list`.
fn place(list: &str, at: usize, field: &str) -> String {
    if list.is_empty() { field.to_owned() } else { format!("{list}[{at}].{field}") }
}

fn gains_manage(scopes: Scopes, before: Option<Scopes>) -> bool {
    scopes.permit(Scope::Manage) && !before.is_some_and(|before| before.permit(Scope::Manage))
}

/// The one field of a batch that names tokens: 1 to 1 000 numbers; a number that comes twice counts once.
fn read_ids(call: &Call<'_>) -> Result<Vec<TokenId>, Refusal> {
    let fields = Fields::of_body(call.body)?;
    fields.allow(&["ids"], &[])?;
    let list = fields.list("ids", BATCH_MOST)?.ok_or_else(|| fields.fault("ids", "is required"))?;
    let mut seen = BTreeSet::new();
    let mut ids = Vec::with_capacity(list.len());
    for (at, raw) in list.into_iter().enumerate() {
        let id = parse_integer(raw.get()).filter(|id| *id >= 1);
        let id =
            id.ok_or_else(|| Refusal::field(format!("ids[{at}]"), "must be a token's id, an integer"))?;
        if seen.insert(id) {
            ids.push(TokenId(id));
        }
    }
    Ok(ids)
}

fn find_listed(
    txn: &Txn<'_>,
    id: TokenId,
    sees: Option<UserId>,
    at: usize,
) -> Result<TokenRecord, Denied<Refusal>> {
    find_seen(txn.sql(), id, sees).map_err(|denied| match denied {
        Denied::Refused(_) => Denied::Refused(Refusal::NotListed(format!("ids[{at}]: no such token: {id}"))),
        sql => sql,
    })
}

/// Makes the tokens; a user that does not exist is refused at its place in `list`.
fn create_all(
    txn: &mut Txn<'_>,
    new: &[NewToken],
    author: &Author,
    list: &str,
) -> Result<Made<Vec<TokenRecord>>, Denied<Refusal>> {
    let mut records = Vec::with_capacity(new.len());
    for (at, token) in new.iter().enumerate() {
        if users::find(txn.sql(), token.user)?.is_none() {
            let why = format!("there is no user {}", token.user);
            return Err(Denied::Refused(Refusal::Field(place(list, at, "user_id"), why)));
        }
        let record = tokens::insert(txn, token)?;
        audit::record(txn, author, "token.create", record.id.0, (None, Some(record.to_audit())))?;
        records.push(record);
    }
    let ids = records.iter().map(|record| record.id.0).collect();
    Ok((records, ids))
}

fn change(
    txn: &mut Txn<'_>,
    before: &TokenRecord,
    settings: TokenSettings,
    author: &Author,
) -> Result<TokenRecord, Denied<Refusal>> {
    tokens::update(txn, before, settings)?;
    let after = find_seen(txn.sql(), before.id, None)?;
    let both = (Some(before.to_audit()), Some(after.to_audit()));
    audit::record(txn, author, "token.update", before.id.0, both)?;
    Ok(after)
}

fn delete_one(txn: &mut Txn<'_>, before: &TokenRecord, author: &Author) -> Result<(), Denied<Refusal>> {
    tokens::delete(txn, before.id)?;
    audit::record(txn, author, "token.delete", before.id.0, (Some(before.to_audit()), None))?;
    Ok(())
}

/// The last admin token must not be given an end.
fn refuse_last_end(txn: &Txn<'_>, before: &TokenRecord) -> Result<(), Denied<Refusal>> {
    let live = before.settings.enabled && before.settings.scopes.permit(Scope::Manage);
    let is_admins = users::find(txn.sql(), before.user)?
        .is_some_and(|user| user.settings.enabled && user.settings.role == crate::tokens::Role::Admin);
    if live && is_admins && Admins::count(txn.sql(), txn.now())?.tokens <= 1 {
        return Err(Denied::Refused(Refusal::LastAdmin(LAST_TOKEN)));
    }
    Ok(())
}
