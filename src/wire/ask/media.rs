//! What a request says of images and sound.

/// What a request says of images and sound; nothing in most of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// Characters to be spoken, as Unicode counts them.
    pub characters: i64,
    /// Bytes of the text to be spoken.
    pub spoken_bytes: i64,
    /// The size of the images to be made, as the client spells it.
    pub size: Option<String>,
    /// Their quality, as the client spells it.
    pub quality: Option<String>,
    /// At most so many units of output is each of them, previews included.
    pub image_units: i64,
    /// Bytes of the sound to be heard.
    pub sound_bytes: i64,
    /// Seconds of it, rounded up, as its head tells.
    pub sound_seconds: Option<i64>,
    /// Whether the answer is to be text as it is, not JSON.
    pub wants_text: bool,
}
