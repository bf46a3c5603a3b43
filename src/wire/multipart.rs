//! Bodies of several parts (`multipart/form-data`), read so strictly that no two readers can find different parts in one: what
//! somebody might read in another way is refused. Owns where parts begin and end, and their heads; must not know what they mean.

use std::fmt;
use std::ops::Range;

use memchr::memmem;

use super::json::shortened;

/// The most parts of a body.
const MAX_PARTS: usize = 128;

/// The most bytes of a part's head.
const MAX_HEAD: usize = 4_096;

/// The longest name of a part, in bytes.
const MAX_NAME: usize = 128;

/// What a body is, by its content type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyType {
    /// JSON; also where nothing says what it is.
    Json,
    /// Parts, between lines with this.
    Parts(Boundary),
}

/// What stands between two parts, without the dashes before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary {
    text: String,
    is_quoted: bool,
}

/// A part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// Its name: letters, digits and `_ - . [ ]` alone.
    pub(super) name: &'a str,
    /// Whether it has a file's name.
    pub(super) is_file: bool,
    /// Which text it may be read as, by its own content type.
    text: Charset,
    /// Where its value stands in the body.
    pub(super) value: Range<usize>,
}

/// The text of a part.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Charset {
    /// UTF-8.
    Utf8,
    /// Latin-1, which is the same as long as it is ASCII.
    Ascii,
    /// Another one, or no text.
    Other,
}

/// Why a body of parts is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormFault {
    /// Its content type.
    ContentType(&'static str),
    /// Its form: which part, from 1, and what is wrong.
    Malformed(usize, &'static str),
    /// A part that comes twice, or that somebody may take for one that is read; at most 64 bytes of its name.
    Duplicate(String),
}

impl FormFault {
    /// The part `name` may be read twice.
    pub(super) fn duplicate(name: &str) -> Self {
        Self::Duplicate(shortened(name, 64).to_owned())
    }
}

impl fmt::Display for FormFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ContentType(reason) => write!(f, "The content type of the request: {reason}"),
            Self::Malformed(part, reason) => {
                write!(f, "The multipart body is not well-formed: {reason} (part {part})")
            }
            Self::Duplicate(name) => write!(
                f,
                "The part {name:?} comes twice, or differs from a known part only in the case of its letters or by brackets"
            ),
        }
    }
}

impl std::error::Error for FormFault {}

/// What the body is that comes with this content type; `None` for what is read nowhere.
///
/// # Errors
/// When it has parts, and their boundary cannot be told for certain.
pub fn body_type(content_type: Option<&[u8]>) -> Result<Option<BodyType>, FormFault> {
    let Some(content_type) = content_type else { return Ok(Some(BodyType::Json)) };
    let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
    let (media, parameters) = content_type.split_at(end);
    let media = media.trim_ascii();
    if media.eq_ignore_ascii_case(b"application/json") {
        return Ok(Some(BodyType::Json));
    }
    if !media.eq_ignore_ascii_case(b"multipart/form-data") {
        return Ok(None);
    }
    let parameters = std::str::from_utf8(parameters).ok().and_then(Parameters::read);
    let parameters = parameters.ok_or(FormFault::ContentType("its parameters cannot be read"))?;
    let mut boundary = None;
    for Parameter { name, value, is_quoted } in parameters.0 {
        if name.eq_ignore_ascii_case("boundary") && boundary.is_none() {
            boundary = Some(Boundary { text: value.to_owned(), is_quoted });
        } else if !(name.eq_ignore_ascii_case("charset") && value.eq_ignore_ascii_case("utf-8")) {
            return Err(FormFault::ContentType("multipart/form-data takes one boundary and nothing else"));
        }
    }
    let boundary = boundary.ok_or(FormFault::ContentType("multipart/form-data needs a boundary"))?;
    if boundary.is_good() {
        Ok(Some(BodyType::Parts(boundary)))
    } else {
        Err(FormFault::ContentType("the boundary must be 1 to 70 letters, digits and the like"))
    }
}

impl Boundary {
    /// The boundary that a body of parts begins with.
    pub(super) fn of_body(body: &[u8]) -> Option<Self> {
        let line = body.get(..memchr::memchr(b'\r', body)?)?;
        let text = std::str::from_utf8(line).ok()?.strip_prefix("--")?;
        Some(Self { text: text.to_owned(), is_quoted: false })
    }

    fn is_good(&self) -> bool {
        let is_inside = |byte: u8| {
            let is_token = byte.is_ascii_alphanumeric() || b"+_-.".contains(&byte);
            // Of what must be quoted, some end it at a comma or a blank in spite of that.
            is_token || (self.is_quoted && b"/:=".contains(&byte))
        };
        (1..=70).contains(&self.text.len()) && self.text.bytes().all(is_inside)
    }
}

/// The parts of `body`, in their order.
///
/// # Errors
/// When somebody could find others in it.
pub(super) fn parts<'a>(body: &'a [u8], boundary: &Boundary) -> Result<Vec<Part<'a>>, FormFault> {
    let mark = format!("--{}", boundary.text);
    // Some take the quotes for a part of it.
    if boundary.is_quoted && memmem::find(body, format!("--\"{}", boundary.text).as_bytes()).is_some() {
        return Err(FormFault::Malformed(1, "the boundary comes with quotes, too"));
    }
    let mut parts = Vec::new();
    let mut start = None;
    for at in memmem::find_iter(body, &mark) {
        let number = parts.len().saturating_add(1);
        let fault = |reason| FormFault::Malformed(number, reason);
        if let Some(start) = start {
            let end = before(body, at).filter(|end| start <= *end);
            let end = end.ok_or_else(|| fault("a boundary stands within it"))?;
            if parts.len() >= MAX_PARTS {
                return Err(fault("there are more than 128"));
            }
            parts.push(Part::read(body, start..end).map_err(fault)?);
        } else if at != 0 {
            return Err(fault("the body must begin with its boundary"));
        }
        let behind = at.saturating_add(mark.len());
        match body.get(behind..).unwrap_or_default() {
            b"--" | b"--\r\n" if start.is_some() => return Ok(parts),
            [b'\r', b'\n', ..] => start = Some(behind.saturating_add(2)),
            _ => return Err(fault("behind a boundary comes a new line, or -- and the end of the body")),
        }
    }
    let number = parts.len().saturating_add(1);
    Err(FormFault::Malformed(number, "the body does not end with its boundary and --"))
}

/// The names and values of the parts of a body that was read before; none where it was not.
pub fn fields(body: &[u8]) -> Vec<(&str, &[u8])> {
    let parts = Boundary::of_body(body).and_then(|boundary| parts(body, &boundary).ok()).unwrap_or_default();
    parts.into_iter().map(|part| (part.name, body.get(part.value).unwrap_or_default())).collect()
}

/// Where the head of a part tells the length of its value, which stands at `value` in a body that was read before; `None` where it
/// does not. The part is no file: its head holds nothing that could be taken for another's line.
pub(super) fn told_length(body: &[u8], value: &Range<usize>) -> Option<Range<usize>> {
    const LINE: &str = "content-length:";
    let before = body.get(..value.start)?;
    let mark = format!("--{}\r\n", Boundary::of_body(body)?.text);
    let start = memmem::rfind(before, mark.as_bytes())?.checked_add(mark.len())?;
    let head = std::str::from_utf8(before.get(start..)?).ok()?.to_ascii_lowercase();
    let (_, line) = head.split_once(LINE)?;
    let digits = line.trim_start_matches(' ');
    let from = start.checked_add(head.len())?.checked_sub(digits.len())?;
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    Some(from..from.checked_add(length)?)
}

/// The end of the part before a boundary at `at`: the new line before it belongs to the boundary.
fn before(body: &[u8], at: usize) -> Option<usize> {
    let end = at.checked_sub(2)?;
    (body.get(end..at)? == b"\r\n").then_some(end)
}

impl<'a> Part<'a> {
    fn read(body: &'a [u8], span: Range<usize>) -> Result<Self, &'static str> {
        let part = body.get(span.clone()).unwrap_or_default();
        let head_end = memmem::find(part.get(..part.len().min(MAX_HEAD)).unwrap_or_default(), b"\r\n\r\n");
        let head_end = head_end.ok_or("it has no head, or one that is too long")?;
        let head = std::str::from_utf8(part.get(..head_end).unwrap_or_default());
        let head = Head::read(head.map_err(|_| "its head is no UTF-8")?)?;
        let value = span.start.saturating_add(head_end).saturating_add(4)..span.end;
        if head.length.is_some_and(|length| length != value.len()) {
            return Err("its content-length is not its length");
        }
        let disposition = head.disposition.ok_or("it has no content-disposition")?;
        let (name, is_file) = named(disposition)?;
        let text = head.content_type.map_or(Charset::Utf8, charset_of);
        if head.content_type.is_some_and(|own| own.to_ascii_lowercase().contains("multipart")) {
            return Err("it has parts of its own");
        }
        Ok(Self { name, is_file, text, value })
    }

    /// Its value, where it is text and no file.
    ///
    /// # Errors
    /// When it is something else, for somebody at least.
    pub(super) fn text<'b>(&self, body: &'b [u8], number: usize) -> Result<&'b str, FormFault> {
        let fault = |reason| FormFault::Malformed(number, reason);
        if self.is_file || self.text == Charset::Other {
            return Err(fault("it must be text in UTF-8, without a file's name"));
        }
        let text = std::str::from_utf8(body.get(self.value.clone()).unwrap_or_default()).ok();
        let text = text.filter(|text| self.text == Charset::Utf8 || text.is_ascii());
        text.ok_or_else(|| fault("it must be text in UTF-8"))
    }
}

/// The lines of a part's head.
#[derive(Default)]
struct Head<'a> {
    disposition: Option<&'a str>,
    content_type: Option<&'a str>,
    length: Option<usize>,
    encoding: Option<&'a str>,
}

impl<'a> Head<'a> {
    fn read(text: &'a str) -> Result<Self, &'static str> {
        if text.bytes().any(|byte| byte == 0) {
            return Err("its head has a control character");
        }
        let mut head = Self::default();
        for line in text.split("\r\n") {
            if line.chars().any(char::is_control) {
                return Err("its head has a control character, or a line that ends otherwise than in CR LF");
            }
            let (name, value) = line.split_once(':').ok_or("its head has a line without a colon")?;
            let value = value.trim_matches(' ');
            let place = match name.to_ascii_lowercase().as_str() {
                "content-disposition" => &mut head.disposition,
                "content-type" => &mut head.content_type,
                "content-transfer-encoding" => &mut head.encoding,
                "content-length" if head.length.is_none() => {
                    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                    let length = value.parse().ok().filter(|_| is_number);
                    head.length = Some(length.ok_or("its content-length is no number")?);
                    continue;
                }
                _ => return Err("its head has a line that is not read here, or that comes twice"),
            };
            if place.replace(value).is_some() {
                return Err("its head has a line twice");
            }
        }
        let is_plain = |encoding: &str| {
            ["binary", "8bit", "7bit"].iter().any(|plain| encoding.eq_ignore_ascii_case(plain))
        };
        if head.encoding.is_some_and(|encoding| !is_plain(encoding)) {
            return Err("it is encoded");
        }
        Ok(head)
    }
}

/// The name that a content disposition gives, and whether it names a file too.
fn named(disposition: &str) -> Result<(&str, bool), &'static str> {
    let end = disposition.find(';').unwrap_or(disposition.len());
    let (kind, parameters) = disposition.split_at(end);
    if !kind.eq_ignore_ascii_case("form-data") {
        return Err("its content-disposition is not form-data");
    }
    let parameters = Parameters::read(parameters).ok_or("its content-disposition cannot be read")?.0;
    let mut parameters = parameters.iter();
    // Some find the name wherever `name=` stands first.
    let name =
        parameters.next().filter(|first| first.name == "name").ok_or("its name must come first")?.value;
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_good) || name == "_charset_" {
        return Err("its name must be letters, digits and _ - . [ ] alone");
    }
    let mut seen: Vec<&str> = Vec::new();
    for parameter in parameters {
        let is_file_name = matches!(parameter.name, "filename" | "filename*");
        if !is_file_name || seen.contains(&parameter.name) {
            return Err("its content-disposition says more than a name and a file's name");
        }
        if parameter.value.to_ascii_lowercase().contains("name=") {
            return Err("its file's name holds another name");
        }
        seen.push(parameter.name);
    }
    Ok((name, !seen.is_empty()))
}

/// The text that a part's content type tells of.
fn charset_of(content_type: &str) -> Charset {
    let end = content_type.find(';').unwrap_or(content_type.len());
    let (media, parameters) = content_type.split_at(end);
    let Some(Parameters(parameters)) = Parameters::read(parameters) else { return Charset::Other };
    if !media.trim().eq_ignore_ascii_case("text/plain") {
        return Charset::Other;
    }
    let is = |value: &str, known: &str| value.eq_ignore_ascii_case(known);
    match parameters.as_slice() {
        [] => Charset::Utf8,
        [Parameter { name, value, .. }] if is(name, "charset") => match value {
            _ if is(value, "utf-8") || is(value, "us-ascii") => Charset::Utf8,
            _ if is(value, "iso-8859-1") => Charset::Ascii,
            _ => Charset::Other,
        },
        _ => Charset::Other,
    }
}

/// A parameter of a header's value.
struct Parameter<'a> {
    name: &'a str,
    value: &'a str,
    is_quoted: bool,
}

/// Parameters: `; name=value; name="value"`, with nothing escaped.
struct Parameters<'a>(Vec<Parameter<'a>>);

impl<'a> Parameters<'a> {
    fn read(mut rest: &'a str) -> Option<Self> {
        let mut parameters = Vec::new();
        while !rest.is_empty() {
            rest = rest.strip_prefix(';')?.trim_start_matches(' ');
            let (name, behind) = rest.split_once('=')?;
            if name.is_empty() || !name.bytes().all(is_token) {
                return None;
            }
            let (value, is_quoted) = if let Some(quoted) = behind.strip_prefix('"') {
                (quoted.get(..quoted.find('"')?)?, true)
            } else {
                (behind.get(..behind.find([';', ' ']).unwrap_or(behind.len()))?, false)
            };
            let is_plain = if is_quoted {
                !value.contains('\\') && !value.chars().any(char::is_control)
            } else {
                !value.is_empty() && value.bytes().all(is_token)
            };
            if !is_plain {
                return None;
            }
            parameters.push(Parameter { name, value, is_quoted });
            let length = value.len().checked_add(if is_quoted { 2 } else { 0 })?;
            rest = behind.get(length..)?.trim_start_matches(' ');
        }
        Some(Self(parameters))
    }
}

/// Whether this may stand in a name or a value without quotes.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'\'' | b'+' | b'_' | b'-' | b'.' | b'*' | b'%' | b'!' | b'~')
}

#[cfg(test)]
mod tests;
