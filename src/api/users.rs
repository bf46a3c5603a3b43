//! Users, for admins: make, list, show, change.

use crate::api::answer::Answer;
use crate::api::body::Fields;
use crate::api::query::{Page, Query};
use crate::api::refusal::Refusal;
use crate::api::shown::Listed;
use crate::api::token_fields::read_grant;
use crate::api::tokens::keep_an_admin;
use crate::api::{Call, Desk};
use crate::ids::UserId;
use crate::store::admins::Admins;
use crate::store::users::UserSettings;
use crate::store::{Denied, Txn, audit, users};
use crate::tokens::Role;

/// Where to change what a change of a user does not take.
const ELSEWHERE: [(&str, &str); 5] = [
    ("remain_quota", "cannot be changed here; POST /v1/users/{id}/credit adds to it or takes back"),
    ("remain_credits", "cannot be changed here; POST /v1/users/{id}/credit adds to it or takes back"),
    ("used_quota", "is counted and cannot be changed"),
    ("used_credits", "is counted and cannot be changed"),
    ("id", "cannot be changed"),
];

/// The fields that were sent; `None` is left as it is.
#[derive(Debug, Default)]
struct UserChanges {
    name: Option<String>,
    role: Option<Role>,
    enabled: Option<bool>,
    unlimited: Option<bool>,
}

impl UserChanges {
    fn read(fields: &Fields<'_>) -> Result<Self, Refusal> {
        let too_long = |place| Refusal::field(place, "must have at most 50 characters");
        Ok(Self {
            name: fields.name(too_long)?,
            role: read_role(fields)?,
            enabled: fields.integer("status", 1..=2)?.map(|status| status == 1),
            unlimited: fields.boolean("unlimited_quota")?,
        })
    }

    fn apply(self, settings: &UserSettings) -> UserSettings {
        UserSettings {
            name: self.name.unwrap_or_else(|| settings.name.clone()),
            role: self.role.unwrap_or(settings.role),
            enabled: self.enabled.unwrap_or(settings.enabled),
            unlimited: self.unlimited.unwrap_or(settings.unlimited),
        }
    }
}

fn read_role(fields: &Fields<'_>) -> Result<Option<Role>, Refusal> {
    let Some(word) = fields.text("role")? else { return Ok(None) };
    Role::parse(&word).map(Some).ok_or_else(|| fields.fault("role", "must be \"admin\" or \"member\""))
}

impl Desk {
    pub(super) async fn list_users(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let page = Query::parse(call.query, &Page::PARAMETERS)?.page()?;
        let (records, total) = self.read(move |sql| users::page(sql, page.offset(), page.size)).await?;
        let items: Vec<_> = records.into_iter().map(|record| self.show_user(record)).collect();
        Ok(Answer::amounts(Listed { items, total: Some(total), page: page.number, page_size: page.size }))
    }

    pub(super) async fn get_user(&self, id: UserId) -> Result<Answer, Refusal> {
        let found = self.read(move |sql| users::find(sql, id)).await?;
        found.map(|record| Answer::amounts(self.show_user(record))).ok_or(Refusal::NotFound("user"))
    }

    pub(super) async fn create_user(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let once = call.once()?;
        self.refuse_repeated(once.as_ref()).await?;
        let fields = Fields::of_body(call.body)?;
        fields.allow(&["name", "role", "unlimited_quota", "remain_quota", "remain_credits"], &[])?;
        if !fields.has("name") {
            return Err(fields.fault("name", "is required"));
        }
        let plain = UserSettings { name: String::new(), role: Role::Member, enabled: true, unlimited: false };
        let settings = UserChanges::read(&fields)?.apply(&plain);
        let grant = read_grant(&fields)?;
        let author = call.author();
        let create = move |txn: &mut Txn<'_>| {
            let record = users::insert(txn, settings, grant)?;
            audit::record(txn, &author, "user.create", record.id.0, (None, Some(record.to_audit())))?;
            let made = vec![record.id.0];
            Ok((record, made))
        };
        let record = self.write(once, Refusal::Storage, create).await?;
        Ok(Answer::amounts(self.show_user(record)))
    }

    pub(super) async fn patch_user(&self, call: &Call<'_>, id: UserId) -> Result<Answer, Refusal> {
        let fields = Fields::of_body(call.body)?;
        fields.allow(&["name", "role", "status", "unlimited_quota"], &ELSEWHERE)?;
        let changes = UserChanges::read(&fields)?;
        let author = call.author();
        let patch = move |txn: &mut Txn<'_>| {
            let missing = || Denied::Refused(Refusal::NotFound("user"));
            let admins = Admins::count(txn.sql(), txn.now())?;
            let before = users::find(txn.sql(), id)?.ok_or_else(missing)?;
            users::update(txn, &before, changes.apply(&before.settings))?;
            keep_an_admin(txn, admins)?;
            let after = users::find(txn.sql(), id)?.ok_or_else(missing)?;
            let both = (Some(before.to_audit()), Some(after.to_audit()));
            audit::record(txn, &author, "user.update", id.0, both)?;
            Ok((after, Vec::new()))
        };
        let record = self.write(None, Refusal::Storage, patch).await?;
        Ok(Answer::amounts(self.show_user(record)))
    }
}
