//! Reads bodies of parts: which part is which field, and that none is read twice, here or by somebody behind.

use std::borrow::Cow;

use bytes::Bytes;

use super::reader::Reader;
use super::tally::long;
use super::{Ask, AskFault, AskLimits, Form, images, transcriptions};
use crate::wire::json::lookalike;
use crate::wire::multipart::{Boundary, FormFault, Part, parts};

/// A part as a field of the request.
pub(super) struct Field<'a> {
    part: Part<'a>,
    body: &'a [u8],
    number: usize,
}

impl<'a> Field<'a> {
    /// Its name without brackets.
    pub(super) fn base(&self) -> &'a str {
        self.part.name.split('[').next().unwrap_or_default()
    }

    /// Whether it is a file.
    pub(super) const fn is_file(&self) -> bool {
        self.part.is_file
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.body.get(self.part.value.clone()).unwrap_or_default()
    }

    /// Its text.
    ///
    /// # Errors
    /// When it is a file, or no text in UTF-8.
    pub(super) fn text(&self) -> Result<&'a str, FormFault> {
        self.part.text(self.body, self.number)
    }

    /// Its text as an integer: digits alone, no zero before others.
    ///
    /// # Errors
    /// As [`Field::text`]; what is text but no integer is the inner fault.
    pub(super) fn integer(&self) -> Result<Result<Option<i64>, ()>, FormFault> {
        let text = self.text()?;
        let is_plain =
            text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        Ok(text
            .parse()
            .map(Some)
            .map_err(|_| ())
            .and_then(|value| if is_plain { Ok(value) } else { Err(()) }))
    }
}

impl Ask {
    /// Reads a body of parts.
    ///
    /// # Errors
    /// When somebody could find other parts in it, or a part that enforcement reads is not what it must be.
    pub fn parse_parts(
        boundary: &Boundary,
        form: Form,
        body: Bytes,
        limits: &AskLimits,
    ) -> Result<Self, AskFault> {
        let own = body.clone();
        let mut reader = Reader::new("");
        read(&mut reader, form, (&own, boundary), limits)?;
        Ok(Self { has_parts: true, ..Self::of(reader.finish()?, form, body) })
    }

    /// As [`Ask::texts`], of a body of parts.
    pub(super) fn texts_of_parts(&self) -> Vec<Cow<'_, str>> {
        let mut reader = Reader::collecting("");
        let Some(boundary) = Boundary::of_body(&self.body) else { return Vec::new() };
        let limits = AskLimits { max_choices: i64::MAX };
        match read(&mut reader, self.form, (&self.body, &boundary), &limits) {
            Ok(()) => reader.into_texts(),
            Err(_) => Vec::new(),
        }
    }
}

fn read<'a>(
    reader: &mut Reader<'a>,
    form: Form,
    (body, boundary): (&'a [u8], &Boundary),
    limits: &AskLimits,
) -> Result<(), FormFault> {
    let parts = parts(body, boundary)?;
    let fields: Vec<_> = (1..).zip(parts).map(|(number, part)| Field { part, body, number }).collect();
    match form {
        Form::Transcription => {
            check_names(&fields, &transcriptions::READ, &transcriptions::LISTS)?;
            transcriptions::read_parts(reader, &fields)
        }
        _ => {
            check_names(&fields, &images::READ, &["image"])?;
            images::read_parts(reader, &fields, limits)
        }
    }
}

/// Refuses names that may be read twice: `read` are those that are read, each once and without brackets; `lists` those that may
/// come again and again, with brackets or without.
fn check_names(fields: &[Field<'_>], read: &[&str], lists: &[&str]) -> Result<(), FormFault> {
    let mut seen: Vec<&str> = Vec::new();
    for field in fields {
        let (name, base) = (field.part.name, field.base());
        let has_brackets = name != base;
        let is_list = lists.contains(&base);
        let is_known_otherwise = lookalike(base, read) || (has_brackets && read.contains(&base) && !is_list);
        let comes_again = seen.contains(&name) && !is_list && !name.ends_with("[]");
        // Some turn a point into an underscore, and leave out brackets that are not closed, or not opened.
        let joined = base.replace('.', "_");
        let is_joined = joined != base && (read.contains(&joined.as_str()) || lookalike(&joined, read));
        if !is_regular(name) || is_known_otherwise || is_joined || comes_again {
            return Err(FormFault::duplicate(name));
        }
        seen.push(name);
    }
    Ok(())
}

/// Whether a name is one without brackets, or has pairs of them behind it: `a`, `a[]`, `a[b][0]`.
fn is_regular(name: &str) -> bool {
    let (base, brackets) = name.split_at(name.find('[').unwrap_or(name.len()));
    let inside = brackets.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let are_pairs = |inside: &str| inside.split("][").all(|key| !key.contains(['[', ']']));
    !base.is_empty() && !base.contains(']') && (brackets.is_empty() || inside.is_some_and(are_pairs))
}

impl<'a> Reader<'a> {
    /// The model's name.
    pub(super) fn take_model_part(&mut self, field: &Field<'a>) -> Result<(), FormFault> {
        let name = field.text()?;
        if name.trim() == name {
            self.take_model(name, field.part.value.clone());
        } else {
            self.refuse("model", "model must not begin or end with a blank");
        }
        Ok(())
    }

    /// True or false, as they are spelled in JSON.
    pub(super) fn flag_part(&mut self, param: &'static str, field: &Field<'a>) -> Result<bool, FormFault> {
        match field.text()? {
            "true" => return Ok(true),
            "false" => {}
            _ => self.refuse(param, &format!("{param} must be true or false")),
        }
        Ok(false)
    }

    /// As [`Reader::second_model`].
    pub(super) fn second_model_part(&mut self, field: &Field<'a>) {
        let param = if field.base() == "models" { "models" } else { "fallbacks" };
        self.refuse(param, &format!("{param} is not supported: name one model, in model"));
    }

    /// A part that nobody here knows: it may reach the model in whatever form.
    pub(super) fn unknown_part(&mut self, field: &Field<'a>) {
        match field.text() {
            Ok(text) => self.fields.tally.raw(text),
            Err(_) => {
                let bytes = &mut self.fields.tally.bytes;
                *bytes = bytes.saturating_add(long(field.bytes().len()));
            }
        }
    }
}
