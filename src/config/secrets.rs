//! Secrets: read from where the configuration says they are, never written in it, never echoed.

use std::fs;
use std::io::Read;
use std::path::Path;

use super::fault::At;
use super::reader::{Context, Found};
use crate::secret::Secret;
use crate::tokens::Key;

/// The most that a secret file may hold, in bytes.
const MAX_SECRET: u64 = 65_536;

/// Whether a value may also stand in the file as it is.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    /// It may: a header is not always a secret.
    Accepted,
    /// It may not.
    Refused,
}

/// The secret that a reference (`env:NAME`, `file:PATH`) points to, without the blanks around it.
pub(super) fn secret(
    context: &Context<'_>,
    reference: &Found<String>,
    literal: Literal,
) -> Option<Secret<String>> {
    let text = &reference.value;
    let value = if let Some(name) = text.strip_prefix("env:") {
        let value = context.environment.get(name).map(str::trim).filter(|value| !value.is_empty());
        value
            .map(str::to_owned)
            .ok_or_else(|| format!("the environment variable {name:?} is not set, or empty"))
    } else if let Some(path) = text.strip_prefix("file:") {
        file_secret(context, &reference.at, &reference.key, Path::new(path))
    } else if literal == Literal::Accepted {
        Ok(text.clone())
    } else {
        Err("must be \"env:NAME\" or \"file:PATH\"; a secret itself does not belong here".to_owned())
    };
    let sent = value.and_then(|value| {
        // It becomes a header's value.
        let plain = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if plain {
            Ok(value)
        } else {
            Err("holds more than one line, or characters other than ASCII".to_owned())
        }
    });
    sent.map(Secret::new).map_err(|message| context.fault(&reference.at, &reference.key, message)).ok()
}

/// A file's text without the blanks around it. Warns when everybody may read the file.
fn file_secret(context: &Context<'_>, at: &At, key: &str, path: &Path) -> Result<String, String> {
    let shown = path.display();
    let unreadable = |fault: std::io::Error| format!("{shown} cannot be read: {fault}");
    let file = fs::File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?;
    if std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o004 != 0 {
        context.warn(at, key, format!("everyone on this machine may read {shown}; chmod 600 it"));
    }
    let mut text = String::new();
    file.take(MAX_SECRET).read_to_string(&mut text).map_err(unreadable)?;
    let text = text.trim();
    if text.is_empty() { Err(format!("{shown} is empty")) } else { Ok(text.to_owned()) }
}

/// The admin key that the environment gives, by value or by file.
pub(super) fn admin_key(context: &Context<'_>) -> Option<Key> {
    const NAME: &str = "TOLLGATE_ADMIN_KEY";
    const FILE: &str = "TOLLGATE_ADMIN_KEY_FILE";
    let (name, text) = match (context.environment.get(NAME), context.environment.get(FILE)) {
        (None, None) => return None,
        (Some(text), None) => (NAME, Ok(text.to_owned())),
        (None, Some(path)) => (FILE, file_secret(context, &At::Variable(FILE.into()), "", Path::new(path))),
        (Some(_), Some(_)) => (FILE, Err(format!("stands beside {NAME}; set one of them"))),
    };
    let key = text.and_then(|text| {
        let key = text.starts_with("sk-").then(|| Key::parse(text.as_bytes())).flatten();
        key.ok_or_else(|| "must be sk- and 48 characters of 0-9, A-Z, a-z".to_owned())
    });
    key.map_err(|message| context.fault(&At::Variable(name.into()), "", message)).ok()
}
