//! The proofs of what Gemini's models thought, where a client's dialect has a place for such a proof but no word for whose it is:
//! Anthropic's `redacted_thinking.data` and `thinking.signature`, `encrypted_content` of OpenAI's responses. There it stands
//! marked, so that a proof of another provider's, in a conversation that changed its model, is never sent to Gemini, which
//! refuses what it cannot read. Whoever tells a [`super::telling::Delta::Call`] in such a dialect puts its marked signature into a
//! thought in front of the call; what comes back is a [`super::prompt::Part::Thought`] in front of the call. In OpenAI's chat
//! the proof stands with the call and under Google's own name (`extra_content.google.thought_signature`), as it is.

/// The mark. A signature is base64 and cannot hold its dot.
const MARK: &str = "gemini.";

/// `signature`, marked.
pub(super) fn marked(signature: &str) -> String {
    format!("{MARK}{signature}")
}

/// The signature that was marked; `None` of another provider's.
pub(super) fn unmarked(signature: &str) -> Option<&str> {
    signature.strip_prefix(MARK)
}
