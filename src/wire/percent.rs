//! Percent-encoding of paths and queries, undone once.

/// `text` with each `%XX` replaced by its byte (RFC 3986, 2.1); `None` for a `%` without two hex digits, and for what is no
/// UTF-8 afterwards.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { hex(rest.next()?)? << 4 | hex(rest.next()?)? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

/// `text` as one part of a path: all but letters, digits, `-`, `.`, `_` and `~` encoded.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn what_is_encoded_is_itself_again() {
        assert_eq!(encode("gemini-2.5_x~"), "gemini-2.5_x~");
        assert_eq!(encode("a/b:c é%2F"), "a%2Fb%3Ac%20%C3%A9%252F");
        assert_eq!(decode(&encode("a/b:c é%2F")).as_deref(), Some("a/b:c é%2F"));
    }

    #[test]
    fn it_is_undone_once() {
        for (text, want) in [
            ("a%2Fb", Some("a/b")),
            ("a%252Fb", Some("a%2Fb")),
            ("b%C3%A9+c", Some("bé+c")),
            ("%", None),
            ("%2", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(decode(text).as_deref(), want, "{text}");
        }
    }
}
