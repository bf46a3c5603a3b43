//! The catalogue: models and their prices.

/// The kind of API behind a channel.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// OpenAI, or any server that speaks its API.
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Google's Gemini API.
    Gemini,
    /// The built-in one that answers without a network.
    Demo,
}

/// Stub until the catalogue lands.
#[derive(Debug, Default)]
pub struct Catalogue;
