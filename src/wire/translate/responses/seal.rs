//! `encrypted_content` of an item of reasoning: where a client keeps, unread, what only the provider of the model can read. It says
//! whose it is, so that a conversation that changed its model takes no proof to a provider that would refuse it.

use crate::wire::endpoints::Dialect;
use crate::wire::translate::prompt::Part;
use crate::wire::translate::proof::unmarked;

/// What a proof of Anthropic's begins with. It is base64, so a dot ends it, and what was thought stands behind: the proof is of
/// no use without it, and the client may not have been told.
const ANTHROPIC: &str = "anthropic.";

/// What was thought, and Anthropic's proof of it, as one text.
pub(super) fn seal(text: &str, signature: &str) -> String {
    format!("{ANTHROPIC}{signature}.{text}")
}

/// What a sealed text says to the provider whose dialect is `to`; `None` of another's.
pub(super) fn open(sealed: &str, to: Dialect) -> Option<Part> {
    match to {
        Dialect::Anthropic => {
            let (signature, text) = sealed.strip_prefix(ANTHROPIC)?.split_once('.')?;
            Some(Part::Thought { text: text.to_owned(), signature: Some(signature.to_owned()) })
        }
        Dialect::Gemini => {
            unmarked(sealed)?;
            Some(Part::Thought { text: String::new(), signature: Some(sealed.to_owned()) })
        }
        Dialect::OpenAi => None,
    }
}
