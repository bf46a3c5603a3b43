//! The fields of a token as they are sent: each checked alone, then taken over into its settings.

use crate::api::body::{Fields, read_text};
use crate::api::refusal::Refusal;
use crate::catalogue::{DEFAULT_GROUP, Groups};
use crate::clock::Timestamp;
use crate::money::{Money, credits_of_quota};
use crate::store::tokens::TokenSettings;
use crate::tokens::{IpList, ListFault, ModelList, Scopes};

/// Fields that a creation and a change share.
const SHARED: [&str; 17] = [
    "name",
    "expired_time",
    "daily_credits",
    "monthly_credits",
    "daily_quota",
    "monthly_quota",
    "unlimited_quota",
    "model_limits_enabled",
    "model_limits",
    "group",
    "cross_group_retry",
    "allow_ips",
    "rpm",
    "tpm",
    "max_concurrency",
    "scopes",
    "metadata",
];

/// Where to change what a change of a token does not take.
const ELSEWHERE: [(&str, &str); 9] = [
    ("remain_quota", "cannot be changed here; POST /v1/tokens/{id}/credit adds to it or takes back"),
    ("remain_credits", "cannot be changed here; POST /v1/tokens/{id}/credit adds to it or takes back"),
    ("used_quota", "is counted and cannot be changed"),
    ("used_credits", "is counted and cannot be changed"),
    ("reserved_quota", "is counted and cannot be changed"),
    ("id", "cannot be changed"),
    ("user_id", "cannot be changed"),
    ("key", "cannot be changed here; POST /v1/tokens/{id}/rotate makes a new one"),
    ("fingerprint", "cannot be changed here; POST /v1/tokens/{id}/rotate makes a new one"),
];

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;
/// The largest rate and concurrency.
const RATE_MOST: i64 = 2_147_483_647;
const PAIRS_MOST: usize = 16;
const PAIR_NAME_MOST: usize = 64;
const PAIR_VALUE_MOST: usize = 512;

/// What checking a field needs to know.
#[derive(Copy, Clone, Debug)]
pub struct Rules<'a> {
    /// Now.
    pub now: Timestamp,
    /// The channel groups there are, `default` among them.
    pub groups: &'a Groups,
}

/// The fields that were sent; `None` is left as it is.
#[derive(Clone, Debug, Default)]
pub struct TokenChanges {
    name: Option<String>,
    enabled: Option<bool>,
    expires_at: Option<i64>,
    unlimited: Option<bool>,
    daily: Option<Money>,
    monthly: Option<Money>,
    model_limits_enabled: Option<bool>,
    model_limits: Option<String>,
    group: Option<String>,
    cross_group_retry: Option<bool>,
    allow_ips: Option<String>,
    rpm: Option<i64>,
    tpm: Option<i64>,
    max_concurrency: Option<i64>,
    /// What it shall be good for.
    pub scopes: Option<Scopes>,
    metadata: Option<String>,
}

/// A token that is to be made, as it was sent.
#[derive(Clone, Debug)]
pub struct TokenForm {
    /// Its settings.
    pub settings: TokenSettings,
    /// What it may spend at first.
    pub grant: Money,
    /// Whose it shall be; `None` = the caller's.
    pub user: Option<i64>,
}

impl TokenForm {
    /// Reads the body of a creation.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn read(fields: &Fields<'_>, rules: Rules<'_>) -> Result<Self, Refusal> {
        let known = [&SHARED[..], &["remain_quota", "remain_credits", "user_id"]].concat();
        fields.allow(&known, &[])?;
        if !fields.has("name") {
            return Err(fields.fault("name", "is required"));
        }
        let changes = TokenChanges::read_shared(fields, rules)?;
        let user = fields.integer("user_id", 1..=i64::MAX)?;
        let grant = read_grant(fields)?;
        let settings = changes.apply(TokenSettings::named(""), &fields.name_of("model_limits"))?;
        Ok(Self { settings, grant, user })
    }
}

/// What is granted at first: credits, where they are given, override quota.
///
/// # Errors
/// When either is wrong.
pub fn read_grant(fields: &Fields<'_>) -> Result<Money, Refusal> {
    let quota = fields.quota("remain_quota")?;
    let credits = fields.credits("remain_credits")?;
    Ok(credits.or(quota).unwrap_or_default())
}

impl TokenChanges {
    /// Reads the body of a change.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn read(fields: &Fields<'_>, rules: Rules<'_>) -> Result<Self, Refusal> {
        fields.allow(&[&SHARED[..], &["status"]].concat(), &ELSEWHERE)?;
        let mut changes = Self::read_shared(fields, rules)?;
        changes.enabled = fields.integer("status", 1..=2)?.map(|status| status == 1);
        Ok(changes)
    }

    fn read_shared(fields: &Fields<'_>, rules: Rules<'_>) -> Result<Self, Refusal> {
        let too_long = |place| Refusal::NameTooLong(if fields.is_nested() { Some(place) } else { None });
        Ok(Self {
            name: fields.name(too_long)?,
            enabled: None,
            expires_at: read_end(fields, rules.now)?,
            unlimited: fields.boolean("unlimited_quota")?,
            daily: read_limit(fields, "daily_credits", "daily_quota")?,
            monthly: read_limit(fields, "monthly_credits", "monthly_quota")?,
            model_limits_enabled: fields.boolean("model_limits_enabled")?,
            model_limits: read_models(fields)?,
            group: read_group(fields, rules.groups)?,
            cross_group_retry: fields.boolean("cross_group_retry")?,
            allow_ips: read_ips(fields)?,
            rpm: fields.integer("rpm", 0..=RATE_MOST)?,
            tpm: fields.integer("tpm", 0..=RATE_MOST)?,
            max_concurrency: fields.integer("max_concurrency", 0..=RATE_MOST)?,
            scopes: read_scopes(fields)?,
            metadata: read_metadata(fields)?,
        })
    }

    /// Whether it sets an end.
    pub fn sets_end(&self) -> bool {
        self.expires_at.is_some_and(|at| at != -1)
    }

    /// Takes the fields over into `settings`.
    ///
    /// # Errors
    /// When an empty allow-list would be enabled; named `list`.
    pub fn apply(self, mut settings: TokenSettings, list: &str) -> Result<TokenSettings, Refusal> {
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        set(&mut settings.name, self.name);
        set(&mut settings.enabled, self.enabled);
        set(&mut settings.expires_at, self.expires_at);
        set(&mut settings.unlimited, self.unlimited);
        set(&mut settings.limits.daily, self.daily);
        set(&mut settings.limits.monthly, self.monthly);
        set(&mut settings.model_limits_enabled, self.model_limits_enabled);
        set(&mut settings.model_limits, self.model_limits);
        set(&mut settings.group, self.group);
        set(&mut settings.cross_group_retry, self.cross_group_retry);
        set(&mut settings.allow_ips, self.allow_ips);
        set(&mut settings.rpm, self.rpm);
        set(&mut settings.tpm, self.tpm);
        set(&mut settings.max_concurrency, self.max_concurrency);
        set(&mut settings.scopes, self.scopes);
        set(&mut settings.metadata, self.metadata);
        let empty = ModelList::parse(&settings.model_limits).is_ok_and(|list| list.is_empty());
        if settings.model_limits_enabled && empty {
            let why = "must name at least one model while model_limits_enabled is true";
            return Err(Refusal::field(list, why));
        }
        Ok(settings)
    }
}

fn read_end(fields: &Fields<'_>, now: Timestamp) -> Result<Option<i64>, Refusal> {
    let Some(seconds) = fields.integer("expired_time", i64::MIN..=i64::MAX)? else { return Ok(None) };
    if seconds == -1 {
        return Ok(Some(-1));
    }
    let end = Timestamp::from_secs(seconds);
    if end <= now || seconds > LAST_SECOND {
        let why = format!(
            "must be -1 (never) or Unix seconds after now ({}) and at most {LAST_SECOND}, not {seconds}",
            now.secs()
        );
        return Err(fields.fault("expired_time", why));
    }
    Ok(Some(end.millis()))
}

/// A limit in either form. Where one is 0 the other counts.
fn read_limit(fields: &Fields<'_>, credits: &str, quota: &str) -> Result<Option<Money>, Refusal> {
    Ok(match (fields.credits(credits)?, fields.quota(quota)?) {
        (Some(a), Some(b)) if a == Money::ZERO || a == b => Some(b),
        (Some(a), Some(b)) if b == Money::ZERO => Some(a),
        (Some(a), Some(b)) => {
            let why = format!(
                "differs from {credits}: {} credits are {} quota, not {}; give one of them",
                credits_of_quota(a.quota_down()),
                a.quota_down(),
                b.quota_down()
            );
            return Err(fields.fault(quota, why));
        }
        (a, b) => a.or(b),
    })
}

fn read_models(fields: &Fields<'_>) -> Result<Option<String>, Refusal> {
    let Some(text) = fields.text("model_limits")? else { return Ok(None) };
    match ModelList::parse(&text) {
        Ok(_) => Ok(Some(text)),
        Err(fault) => Err(fields.fault("model_limits", list_fault(&fault, "names of models"))),
    }
}

fn read_ips(fields: &Fields<'_>) -> Result<Option<String>, Refusal> {
    let Some(text) = fields.text("allow_ips")? else { return Ok(None) };
    match IpList::parse(&text) {
        Ok(_) => Ok(Some(text)),
        Err(fault) => Err(fields.fault("allow_ips", list_fault(&fault, "IP addresses or CIDR networks"))),
    }
}

fn list_fault(fault: &ListFault, what: &str) -> String {
    match fault {
        ListFault::TooMany(most) => format!("must have at most {most} {what}"),
        ListFault::TooLong(most) => format!("must be {what} of at most {most} bytes each"),
        ListFault::Malformed(entry) => {
            let entry: String = entry.chars().take(64).collect();
            format!("must be {what} separated by commas; {entry:?} is none")
        }
    }
}

fn read_group(fields: &Fields<'_>, groups: &Groups) -> Result<Option<String>, Refusal> {
    let Some(group) = fields.text("group")? else { return Ok(None) };
    if group.is_empty() || group == DEFAULT_GROUP || groups.contains(&group) {
        return Ok(Some(group));
    }
    let mut known: Vec<&str> = groups.names().filter(|name| *name != DEFAULT_GROUP).collect();
    known.insert(0, "default");
    Err(fields.fault("group", format!("is not a known group; there are: {}", known.join(", "))))
}

fn read_scopes(fields: &Fields<'_>) -> Result<Option<Scopes>, Refusal> {
    let Some(list) = fields.list("scopes", 2)? else { return Ok(None) };
    let words: Option<Vec<String>> = list.into_iter().map(read_text).collect();
    let scopes = words.and_then(|words| Scopes::parse(words.iter().map(String::as_str)));
    scopes
        .map(Some)
        .ok_or_else(|| fields.fault("scopes", "must be an array of \"inference\", \"manage\" or both"))
}

fn read_metadata(fields: &Fields<'_>) -> Result<Option<String>, Refusal> {
    let Some(pairs) = fields.pairs("metadata")? else { return Ok(None) };
    if pairs.len() > PAIRS_MOST {
        return Err(fields.fault("metadata", format!("must have at most {PAIRS_MOST} members")));
    }
    let mut object = String::from("{");
    for (name, value) in &pairs {
        if name.chars().count() > PAIR_NAME_MOST || value.chars().count() > PAIR_VALUE_MOST {
            let why = format!(
                "must have names of at most {PAIR_NAME_MOST} and values of at most {PAIR_VALUE_MOST} characters"
            );
            return Err(fields.fault("metadata", why));
        }
        if object.len() > 1 {
            object.push(',');
        }
        let json = |text: &String| serde_json::Value::String(text.clone()).to_string();
        object.push_str(&json(name));
        object.push(':');
        object.push_str(&json(value));
    }
    object.push('}');
    Ok(Some(object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Multiplier;

    fn form(body: &str) -> Result<TokenForm, Refusal> {
        let mut groups = Groups::default();
        groups.add("vip", Multiplier::ONE);
        let rules = Rules { now: Timestamp::from_secs(1_000), groups: &groups };
        TokenForm::read(&Fields::of_body(body.as_bytes())?, rules)
    }

    /// The field that a body of `name` and `member` is refused for.
    fn refused(member: &str) -> Option<String> {
        match form(&format!(r#"{{"name":"n",{member}}}"#)) {
            Ok(_) => None,
            Err(Refusal::Field(name, _)) => Some(name),
            Err(other) => Some(format!("{other:?}")),
        }
    }

    #[test]
    fn wrong_fields_are_refused_by_name() {
        for (member, field) in [
            (r#""remain_quota":-1"#, "remain_quota"),
            (r#""remain_quota":1.5"#, "remain_quota"),
            (r#""remain_quota":"100""#, "remain_quota"),
            (r#""remain_quota":true"#, "remain_quota"),
            (r#""remain_quota":null"#, "remain_quota"),
            (r#""remain_quota":[]"#, "remain_quota"),
            (r#""remain_quota":1e400"#, "remain_quota"),
            (r#""remain_quota":1e3"#, "remain_quota"),
            (r#""remain_quota":9223372036854775808"#, "remain_quota"),
            (r#""remain_quota":500000000001"#, "remain_quota"),
            (r#""remain_credits":-1"#, "remain_credits"),
            (r#""remain_credits":0.0001"#, "remain_credits"),
            (r#""remain_credits":1e400"#, "remain_credits"),
            (r#""remain_credits":"5""#, "remain_credits"),
            (r#""remain_credits":null"#, "remain_credits"),
            (r#""daily_credits":1,"daily_quota":2501"#, "daily_quota"),
            (r#""expired_time":1000"#, "expired_time"),
            (r#""expired_time":0"#, "expired_time"),
            (r#""expired_time":253402300800"#, "expired_time"),
            (r#""expired_time":"2026-02-30""#, "expired_time"),
            (r#""unlimited_quota":1"#, "unlimited_quota"),
            (r#""model_limits_enabled":true"#, "model_limits"),
            (r#""model_limits_enabled":true,"model_limits":" , ""#, "model_limits"),
            (r#""model_limits":["a"]"#, "model_limits"),
            (r#""group":"nope""#, "group"),
            (r#""allow_ips":"10.0.0.0/33""#, "allow_ips"),
            (r#""rpm":-1"#, "rpm"),
            (r#""scopes":[]"#, "scopes"),
            (r#""scopes":["root"]"#, "scopes"),
            (r#""scopes":"manage""#, "scopes"),
            (r#""metadata":{"a":1}"#, "metadata.a"),
            (r#""metadata":[]"#, "metadata"),
            (r#""user_id":0"#, "user_id"),
            (r#""dialy_credits":1"#, "dialy_credits"),
            (r#""status":1"#, "status"),
            (r#""used_quota":0"#, "used_quota"),
        ] {
            assert_eq!(refused(member).as_deref(), Some(field), "{member}");
        }
    }

    #[test]
    fn right_fields_are_taken() {
        for member in [
            r#""remain_quota":500000000000"#,
            r#""remain_credits":0.0004"#,
            r#""daily_credits":1,"daily_quota":2500"#,
            r#""daily_credits":0,"daily_quota":7"#,
            r#""expired_time":-1"#,
            r#""expired_time":1001"#,
            r#""group":"vip","allow_ips":"10.0.0.1\n::1/64""#,
            r#""scopes":["manage","inference"]"#,
            r#""metadata":{"team":"é\n"}"#,
        ] {
            assert_eq!(refused(member), None, "{member}");
        }
        let form = form(r#"{"name":"n","remain_quota":5,"remain_credits":0,"monthly_quota":7}"#).unwrap();
        assert_eq!((form.grant, form.settings.limits.monthly.quota_down()), (Money::ZERO, 7));
    }

    #[test]
    fn names_are_counted_in_characters() {
        let named = |name: &str| form(&format!(r#"{{"name":"{name}"}}"#)).map(|form| form.settings.name);
        assert_eq!(named(&"令".repeat(50)), Ok("令".repeat(50)));
        assert_eq!(named(&"令".repeat(51)), Err(Refusal::NameTooLong(None)));
        assert_eq!(named("\u{202e}abc"), Ok("\u{202e}abc".to_owned()));
        for bad in ["", "a\\u0000", "a\\r\\n", "\\u0085"] {
            assert!(matches!(named(bad), Err(Refusal::Field(name, _)) if name == "name"), "{bad}");
        }
    }

    #[test]
    fn a_change_says_where_counters_are_changed() {
        let groups = Groups::default();
        let rules = Rules { now: Timestamp::from_secs(0), groups: &groups };
        let change = |body: &str| TokenChanges::read(&Fields::of_body(body.as_bytes()).unwrap(), rules);
        let Err(Refusal::Field(name, why)) = change(r#"{"remain_quota":1}"#) else { panic!("refused") };
        assert!(name == "remain_quota" && why.contains("/credit"));
        assert!(change(r#"{"status":3}"#).is_err() && change(r#"{"status":2}"#).is_ok());
    }
}
