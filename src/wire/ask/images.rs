//! Reads the bodies of `POST /v1/images/generations` and `/edits`, as JSON in one pass, or part by part. Here also how many units
//! of output an image of a size and quality is at most.

use super::reader::{Reader, integer};
use super::{AskLimits, parts::Field};
use crate::wire::json::{JsonFault, Kind, Names};
use crate::wire::multipart::FormFault;

/// What is read at the top level, and of the parts.
pub(super) const READ: [&str; 12] = [
    "model",
    "prompt",
    "n",
    "size",
    "quality",
    "stream",
    "partial_images",
    "image",
    "images",
    "mask",
    "models",
    "fallbacks",
];

/// What steers the provider and never reaches the model as input.
const CONTROLS: [&str; 9] = [
    "background",
    "output_format",
    "output_compression",
    "moderation",
    "response_format",
    "style",
    "user",
    "input_fidelity",
    "safety_identifier",
];

/// The most images of one request.
const MOST: i64 = 10;

/// The most previews of an image.
const MOST_PREVIEWS: i64 = 3;

/// Units of output for each preview, as OpenAI documents them.
const PER_PREVIEW: i64 = 100;

/// The longest size or quality, in bytes.
const LONGEST_WORD: usize = 64;

/// The largest image that is made, in pixels, where its size is the provider's choice: the square is the dearest of that area.
const LARGEST_SIDE: i64 = 2_880;

/// What is said where there is no prompt.
const NO_PROMPT: &str = "prompt is missing; it must be a string: what is to be seen";

/// Where an image is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Place {
    /// In the body.
    Inside,
    /// Elsewhere: the body names it by a URL or an id.
    Named,
}

/// Reads the whole body.
///
/// # Errors
/// When it is not one strict JSON object.
pub(super) fn read(reader: &mut Reader<'_>, limits: &AskLimits) -> Result<(), JsonFault> {
    let mut has_prompt = false;
    let mut previews = 0;
    reader.fields.choices = 1;
    reader.body(&READ, |reader, key, name| {
        match name {
            "model" => reader.model()?,
            "prompt" => {
                has_prompt = true;
                reader.prompt()?;
            }
            "n" => {
                let count = integer(reader.cursor.skip()?);
                reader.image_count(count, limits);
            }
            "partial_images" => {
                let count = integer(reader.cursor.skip()?);
                previews = reader.previews(count);
            }
            "size" => reader.fields.media.size = reader.word("size")?,
            "quality" => reader.fields.media.quality = reader.word("quality")?,
            "stream" => reader.fields.stream = reader.flag("stream")?,
            "image" | "images" | "mask" => reader.images_given()?,
            "models" | "fallbacks" => reader.second_model(name)?,
            _ if CONTROLS.contains(&name) => reader.control()?,
            _ => reader.unknown(key)?,
        }
        Ok(())
    })?;
    reader.finish_images(previews);
    if !has_prompt {
        reader.refuse("prompt", NO_PROMPT);
    }
    Ok(())
}

/// Reads the parts.
///
/// # Errors
/// When one that is read is no text.
pub(super) fn read_parts<'a>(
    reader: &mut Reader<'a>,
    fields: &[Field<'a>],
    limits: &AskLimits,
) -> Result<(), FormFault> {
    let mut has_prompt = false;
    let mut previews = 0;
    reader.fields.choices = 1;
    for field in fields {
        match field.base() {
            "model" => reader.take_model_part(field)?,
            "prompt" => {
                has_prompt = true;
                reader.fields.tally.plain(field.text()?);
            }
            "n" => reader.image_count(field.integer()?, limits),
            "partial_images" => previews = reader.previews(field.integer()?),
            "size" => reader.fields.media.size = reader.short_word("size", field.text()?),
            "quality" => reader.fields.media.quality = reader.short_word("quality", field.text()?),
            "stream" => reader.fields.stream = reader.flag_part("stream", field)?,
            "image" | "images" | "mask" => reader.image_part(field)?,
            "models" | "fallbacks" => reader.second_model_part(field),
            name if CONTROLS.contains(&name) => {}
            _ => reader.unknown_part(field),
        }
    }
    reader.finish_images(previews);
    if !has_prompt {
        reader.refuse("prompt", NO_PROMPT);
    }
    Ok(())
}

impl Reader<'_> {
    fn prompt(&mut self) -> Result<(), JsonFault> {
        if self.cursor.kind()? != Kind::Text {
            self.cursor.skip()?;
            self.refuse("prompt", "prompt must be a string");
            return Ok(());
        }
        let text = self.cursor.text()?;
        self.fields.tally.text(&text);
        Ok(())
    }

    fn image_count(&mut self, count: Result<Option<i64>, ()>, limits: &AskLimits) {
        let most = MOST.min(limits.max_choices);
        match count {
            Ok(None) => {}
            Ok(Some(count)) if (1..=most).contains(&count) => self.fields.choices = count,
            _ => self.refuse("n", &format!("n must be an integer from 1 to {most}")),
        }
    }

    fn previews(&mut self, count: Result<Option<i64>, ()>) -> i64 {
        match count {
            Ok(None) => 0,
            Ok(Some(count)) if (0..=MOST_PREVIEWS).contains(&count) => count,
            _ => {
                let message = format!("partial_images must be an integer from 0 to {MOST_PREVIEWS}");
                self.refuse("partial_images", &message);
                0
            }
        }
    }

    /// A string that chooses something; null chooses nothing.
    fn word(&mut self, param: &'static str) -> Result<Option<String>, JsonFault> {
        if self.cursor.kind()? == Kind::Text {
            let word = self.cursor.text()?.decode();
            return Ok(self.short_word(param, &word));
        }
        if self.cursor.skip()? != "null" {
            self.refuse(param, &format!("{param} must be a string"));
        }
        Ok(None)
    }

    fn short_word(&mut self, param: &'static str, word: &str) -> Option<String> {
        let is_good = (1..=LONGEST_WORD).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_graphic());
        if !is_good {
            let message =
                format!("{param} must be 1 to {LONGEST_WORD} letters, digits and the like, without blanks");
            self.refuse(param, &message);
        }
        Some(word.to_owned())
    }

    /// An image that is given, or a list of them: inside the body, or named by a URL or an id.
    fn images_given(&mut self) -> Result<(), JsonFault> {
        match self.cursor.kind()? {
            Kind::Array => {
                let mut array = self.cursor.enter()?;
                while self.cursor.next_item(&mut array)? {
                    self.image_given()?;
                }
                Ok(())
            }
            Kind::Null => self.control(),
            _ => self.image_given(),
        }
    }

    fn image_given(&mut self) -> Result<(), JsonFault> {
        if self.cursor.kind()? != Kind::Object {
            let place = if self.is_data_url()? { Place::Inside } else { Place::Named };
            self.note_image(place);
            return Ok(());
        }
        let (mut is_inside, mut is_named) = (false, false);
        let mut names = Names::default();
        let mut object = self.cursor.enter()?;
        while let Some(key) = self.cursor.next_key(&mut object)? {
            let name = key.decode();
            names.note(name.clone(), &["image_url", "url", "file_id"])?;
            match name.as_ref() {
                "image_url" | "url" if self.is_data_url()? => is_inside = true,
                "image_url" | "url" => is_named = true,
                "file_id" => is_named |= self.cursor.skip()? != "null",
                _ => self.control()?,
            }
        }
        self.note_image(if is_inside && !is_named { Place::Inside } else { Place::Named });
        names.check()
    }

    /// Whether the value that comes next, alone or as the `url` of an object, holds its data.
    fn is_data_url(&mut self) -> Result<bool, JsonFault> {
        match self.cursor.kind()? {
            Kind::Text => Ok(is_data(&self.cursor.text()?.decode())),
            Kind::Object => {
                let mut is_inside = false;
                let mut names = Names::default();
                let mut object = self.cursor.enter()?;
                while let Some(key) = self.cursor.next_key(&mut object)? {
                    let name = key.decode();
                    names.note(name.clone(), &["url"])?;
                    let is_text = self.cursor.kind()? == Kind::Text;
                    let value =
                        if is_text { self.cursor.text()?.decode() } else { self.cursor.skip()?.into() };
                    is_inside |= name == "url" && is_text && is_data(&value);
                }
                names.check().map(|()| is_inside)
            }
            _ => self.cursor.skip().map(|_| false),
        }
    }

    fn image_part(&mut self, field: &Field<'_>) -> Result<(), FormFault> {
        let is_inside = field.is_file() || is_data(field.text()?);
        self.note_image(if is_inside { Place::Inside } else { Place::Named });
        Ok(())
    }

    /// Counts an image.
    fn note_image(&mut self, place: Place) {
        let tally = &mut self.fields.tally;
        tally.images = tally.images.saturating_add(1);
        tally.unseen |= place == Place::Named;
    }

    fn finish_images(&mut self, previews: i64) {
        self.require_model("gpt-image-2");
        if self.fields.stream && self.fields.choices > 1 {
            self.refuse("n", "n must be 1 where stream is true");
        }
        // What is said to the model is one message.
        self.fields.tally.messages = 1;
        let media = &mut self.fields.media;
        let units = units(media.size.as_deref(), media.quality.as_deref());
        media.image_units = units.saturating_add(previews.saturating_mul(PER_PREVIEW));
    }
}

fn is_data(url: &str) -> bool {
    url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// At most so many units of output an image is, by the larger of what OpenAI documents for its models: a table of three sizes for
/// the first of them, and by area and shape for the later ones. What is left to the provider, or unknown, counts as the dearest.
fn units(size: Option<&str>, quality: Option<&str>) -> i64 {
    let (edge, table): (i64, [i64; 3]) = match quality {
        Some("low") => (16, [272, 408, 400]),
        Some("medium") => (48, [1_056, 1_584, 1_568]),
        _ => (96, [4_160, 6_240, 6_208]),
    };
    let [square, portrait, landscape] = table;
    let sides = size.and_then(sides);
    let first = match sides {
        Some((1024, 1024)) => square,
        Some((1536, 1024)) => landscape,
        _ => portrait,
    };
    let (width, height) = sides.unwrap_or((LARGEST_SIDE, LARGEST_SIDE));
    let (long, short) = (width.max(height), width.min(height));
    let narrow = rounded(edge.saturating_mul(short), long);
    let area = width.saturating_mul(height).saturating_add(2_000_000);
    let later = edge.saturating_mul(narrow).saturating_mul(area).saturating_add(3_999_999) / 4_000_000;
    later.max(first)
}

/// The sides of a size such as `1536x1024`, each 1 to 99 999.
fn sides(size: &str) -> Option<(i64, i64)> {
    let side = |text: &str| {
        let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|side| is_number && *side > 0)
    };
    let (width, height) = size.split_once('x')?;
    Some((side(width)?, side(height)?))
}

/// `count / per` to the nearest, halves up; `per` is positive.
fn rounded(count: i64, per: i64) -> i64 {
    count.saturating_mul(2).saturating_add(per).checked_div(per.saturating_mul(2)).unwrap_or(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_by_size_and_quality() {
        for (size, quality, want) in [
            // The table of the first models is more.
            ("1024x1024", "low", 272),
            ("1024x1536", "low", 408),
            ("1536x1024", "low", 400),
            // 48 × 48 × 3 048 576 / 4 000 000, rounded up
            ("1024x1024", "medium", 1_756),
            // 96 × 96 × 3 048 576 / 4 000 000
            ("1024x1024", "high", 7_024),
            // 64 × 96 × 3 572 864 / 4 000 000 = 5 487.9, and the table 6 240
            ("1024x1536", "high", 6_240),
            ("1536x1024", "high", 6_208),
            // 54 × 96 × 10 294 400 / 4 000 000
            ("3840x2160", "high", 13_342),
            // The dearest: 96 × 96 × 10 294 400 / 4 000 000
            ("auto", "auto", 23_719),
            ("", "", 23_719),
            ("2k", "hd", 23_719),
            ("auto", "low", 659),
            ("1024x1024", "standard", 7_024),
            ("99999x99999", "high", 23_044_148),
            ("100000x1", "high", 23_719),
            ("0x0", "high", 23_719),
        ] {
            let some = |text: &'static str| Some(text).filter(|text| !text.is_empty());
            assert_eq!(units(some(size), some(quality)), want, "{size}/{quality}");
        }
    }
}
