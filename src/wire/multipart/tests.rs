//! The attack table: whatever two readers could read differently is refused; what SDKs send is read.

use super::*;

const PLAIN: &str = "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--x--\r\n";

fn boundary(text: &str) -> Boundary {
    Boundary { text: text.to_owned(), is_quoted: false }
}

/// What is read of a body with the boundary `x`: `name=value`, files with a star.
fn read(body: &str) -> Result<Vec<String>, FormFault> {
    let told = |part: Part<'_>| {
        let star = if part.is_file { "*" } else { "" };
        format!("{}{star}={}", part.name, &body[part.value])
    };
    parts(body.as_bytes(), &boundary("x")).map(|parts| parts.into_iter().map(told).collect())
}

/// A body of one part with this head.
fn headed(head: &str) -> String {
    format!("--x\r\n{head}\r\n\r\nvalue\r\n--x--\r\n")
}

fn disposed(disposition: &str) -> String {
    headed(&format!("Content-Disposition: {disposition}"))
}

#[test]
fn content_types() {
    let kind = |text: &str| body_type(Some(text.as_bytes()));
    assert_eq!(body_type(None), Ok(Some(BodyType::Json)));
    for json in ["application/json", "Application/JSON; charset=utf-8", "application/json;boundary=x"] {
        assert_eq!(kind(json), Ok(Some(BodyType::Json)), "{json}");
    }
    for other in
        ["", "text/plain", "multipart/mixed; boundary=x", "multipart/form-data2; boundary=x", "multipart"]
    {
        assert_eq!(kind(other), Ok(None), "{other}");
    }
    for (good, text, is_quoted) in [
        ("multipart/form-data; boundary=----WebKitFormBoundary7MA4", "----WebKitFormBoundary7MA4", false),
        ("Multipart/Form-Data;boundary=x", "x", false),
        ("multipart/form-data; boundary=\"=/b:c=\"", "=/b:c=", true),
        ("multipart/form-data; charset=utf-8; Boundary=\"x\"", "x", true),
    ] {
        let want = Boundary { text: text.to_owned(), is_quoted };
        assert_eq!(kind(good), Ok(Some(BodyType::Parts(want))), "{good}");
    }
    let long = format!("boundary={}", "x".repeat(71));
    for bad in [
        "",
        "boundary",
        "boundary=",
        "boundary=\"\"",
        "boundary=\"x",
        "boundary=\"x\"y",
        "boundary=\"x\\\"y\"",
        "boundary=\"x \"",
        // Some take the boundary for the word before the comma or the blank, or within these quotes.
        "boundary=\"x,y\"",
        "boundary=\"x y\"",
        "boundary='x'",
        "boundary=x; boundary=x",
        "boundary=x; boundary=y",
        "boundary=x, boundary=y",
        "boundary=x y",
        "boundary=a/b",
        "boundary=a=b",
        "boundary=é",
        "boundary*=utf-8''x",
        "boundary*0=x",
        "boundary=x; charset=utf-16",
        "boundary=x; start=y",
        "boundary=x;",
        "boundary =x",
        "boundary=\"x\r\n\"",
        "charset=utf-8",
        &long,
    ] {
        let text = format!("multipart/form-data; {bad}");
        assert!(matches!(kind(&text), Err(FormFault::ContentType(_))), "{text}");
    }
}

#[test]
fn what_sdks_send_is_read() {
    assert_eq!(read(PLAIN).unwrap(), ["model=m"]);
    for (disposition, want) in [
        ("form-data; name=\"file\"; filename=\"a b.mp3\"", "file*=value"),
        ("form-data; name=\"image[]\"; filename=\"\u{e9}%22;x.png\"", "image[]*=value"),
        // .NET
        ("form-data; name=file; filename=a.mp3; filename*=utf-8''a.mp3", "file*=value"),
        ("form-data; name=model", "model=value"),
        ("Form-Data;name=\"timestamp_granularities[]\"", "timestamp_granularities[]=value"),
    ] {
        assert_eq!(read(&disposed(disposition)).unwrap(), [want], "{disposition}");
    }
    let head = "content-type: text/plain; charset=UTF-8\r\nContent-Length: 5\r\nContent-Transfer-Encoding: binary\r\ncontent-disposition: form-data; name=\"a\"";
    assert_eq!(read(&headed(head)).unwrap(), ["a=value"]);
    // An empty value, one with new lines, and no new line at the end.
    let part = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
    assert_eq!(read(&format!("{part}\r\n--x--")).unwrap(), ["a="]);
    assert_eq!(read(&format!("{part}\r\n\n-x\r\n--\r\n--x--")).unwrap(), ["a=\r\n\n-x\r\n--"]);
    assert_eq!(fields(PLAIN.as_bytes()), [("model", &b"m"[..])]);
    assert!(fields(b"{}").is_empty() && fields(b"--x\r\n").is_empty());
}

#[test]
fn frames_that_may_be_read_differently_are_refused() {
    let head = "Content-Disposition: form-data; name=\"a\"\r\n\r\n";
    for (body, why) in [
        (String::new(), "does not end"),
        ("--x--\r\n".to_owned(), "behind a boundary"),
        (PLAIN.replace("--x--\r\n", ""), "does not end"),
        (PLAIN.replace("--x--\r\n", "--x"), "behind a boundary"),
        (PLAIN.replace("--x--\r\n", "--x-\r\n"), "behind a boundary"),
        (format!("preamble\r\n{PLAIN}"), "begin with its boundary"),
        (format!("\r\n{PLAIN}"), "begin with its boundary"),
        (format!("{PLAIN}epilogue"), "behind a boundary"),
        (format!("{PLAIN}{PLAIN}"), "behind a boundary"),
        (PLAIN.replace("\r\n", "\n"), "behind a boundary"),
        (PLAIN.replace("--x\r\n", "--x \r\n"), "behind a boundary"),
        (PLAIN.replace("--x\r\n", "--x\n\r\n"), "behind a boundary"),
        // Within a value: alone in its line for those who take a bare LF, or the beginning of a longer word.
        (format!("--x\r\n{head}v\n--x\n{head}w\r\n--x--"), "stands within"),
        (format!("--x\r\n{head}v\n--x\r\n{head}w\r\n--x--"), "stands within"),
        (format!("--x\r\n{head}v --x w\r\n--x--"), "stands within"),
        (format!("--x\r\n{head}v\r\n--xy\r\n--x--"), "behind a boundary"),
        (format!("--x\r\n{head}v\r\n--x--y\r\n--x--"), "behind a boundary"),
        (format!("--x\r\n--x\r\n{head}v\r\n--x--"), "stands within"),
        (format!("--x\r\n\r\n--x\r\n{head}v\r\n--x--"), "no head"),
        ("--x\r\n\r\nv\r\n--x--".to_owned(), "no head"),
        (format!("--x\r\n{}\r\n\r\nv\r\n--x--", "a".repeat(5_000)), "too long"),
        (format!("--x\r\n{head}v\r\n").repeat(129) + "--x--", "more than 128"),
    ] {
        let FormFault::Malformed(_, reason) = read(&body).unwrap_err() else { panic!("{body:?}") };
        assert!(reason.contains(why), "{reason}: {body:?}");
    }
    assert_eq!(read(&(format!("--x\r\n{head}v\r\n").repeat(128) + "--x--")).unwrap().len(), 128);
    // One reader takes the quotes for a part of the boundary, and finds other parts.
    let quoted = Boundary { text: "x".to_owned(), is_quoted: true };
    let twofold = format!("--x\r\n{head}\r\n--\"x\"\r\n{head}w\r\n--\"x\"--\r\n--x--");
    assert!(parts(twofold.as_bytes(), &quoted).is_err());
    assert!(parts(PLAIN.as_bytes(), &quoted).is_ok());
}

#[test]
fn heads_that_may_be_read_differently_are_refused() {
    let good = "Content-Disposition: form-data; name=\"a\"";
    for head in [
        "Content-Type: text/plain",
        "X: y",
        "Content-Disposition : form-data; name=\"a\"",
        "Content-Disposition",
        ": form-data",
        &format!("{good}\r\n{good}"),
        &format!("{good}\r\ncontent-disposition: form-data; name=\"b\""),
        &format!("{good}\r\nContent-Type: text/plain\r\nContent-Type: text/plain"),
        &format!("{good}\r\nContent-Length: 6"),
        &format!("{good}\r\nContent-Length: 5\r\nContent-Length: 5"),
        &format!("{good}\r\nContent-Length: +5"),
        &format!("{good}\r\nContent-Length: "),
        &format!("{good}\r\nContent-Transfer-Encoding: base64"),
        &format!("{good}\r\nContent-Transfer-Encoding: quoted-printable"),
        &format!("{good}\r\nContent-Encoding: gzip"),
        &format!("{good}\r\nContent-Type: multipart/mixed; boundary=y"),
        &format!("{good}\r\nX-Other: 1"),
        // Folded, a bare LF, a bare CR, a NUL.
        "Content-Disposition: form-data;\r\n name=\"a\"",
        "Content-Disposition: form-data;\r\n\tname=\"a\"",
        &format!("{good}\nContent-Disposition: form-data; name=\"b\""),
        &format!("{good}\rContent-Disposition: form-data; name=\"b\""),
        "Content-Disposition: form-data; name=\"a\0\"",
    ] {
        assert!(matches!(read(&headed(head)), Err(FormFault::Malformed(1, _))), "{head:?}");
    }
}

#[test]
fn names_that_may_be_read_differently_are_refused() {
    for disposition in [
        "form-data",
        "form-data;",
        "form-data; name",
        "form-data; name=",
        "form-data; name=\"\"",
        "form-data; name=\"a",
        "form-data; name=\"a\"b",
        "attachment; name=\"a\"",
        "form-data, name=\"a\"",
        "form-data; Name=\"a\"",
        "form-data; name =\"a\"",
        "form-data; name= \"a\"",
        "form-data; name='a b'",
        "form-data; name=\"a\"; name=\"b\"",
        "form-data; name*=utf-8''a",
        "form-data; name*0=a",
        "form-data; name=\"a\"; name*=utf-8''b",
        "form-data; name=\"mo\\del\"",
        "form-data; name=\"mo\\\"del\"",
        "form-data; name=\"mod%65l\"",
        "form-data; name=\"model \"",
        "form-data; name=\"m\u{f6}del\"",
        "form-data; name=\"=?utf-8?q?model?=\"",
        "form-data; name=\"_charset_\"",
        // Some look for `name=` wherever it stands.
        "form-data; filename=\"a\"; name=\"model\"",
        "form-data; name=\"a\"; filename=\"; name=model\"",
        "form-data; name=\"a\"; filename=\"x\\\"; name=\\\"model\"",
        "form-data; name=\"a\"; filename=\"x\"; filename=\"y\"",
        "form-data; name=\"a\"; filename*0=\"x\"",
        "form-data; name=\"a\"; size=5",
        "form-data; name=\"a\";",
        "form-data;; name=\"a\"",
    ] {
        assert!(matches!(read(&disposed(disposition)), Err(FormFault::Malformed(1, _))), "{disposition}");
    }
    assert!(read(&disposed(&format!("form-data; name=\"{}\"", "a".repeat(129)))).is_err());
}

#[test]
fn what_is_read_must_be_text() {
    let is_text = |head: &str, value: &[u8]| {
        let head = format!("--x\r\nContent-Disposition: form-data; name=\"a\"{head}\r\n\r\n");
        let body = [head.as_bytes(), value, b"\r\n--x--"].concat();
        let parts = parts(&body, &boundary("x")).unwrap();
        parts[0].text(&body, 1).is_ok()
    };
    for head in ["", "\r\nContent-Type: text/plain", "\r\nContent-Type: text/plain; charset=\"utf-8\""] {
        assert!(is_text(head, "é".as_bytes()), "{head}");
    }
    for head in [
        "; filename=\"a\"",
        "; filename*=utf-8''a",
        "\r\nContent-Type: application/json",
        "\r\nContent-Type: text/plain; charset=utf-7",
        "\r\nContent-Type: text/plain; charset=utf-16le",
        "\r\nContent-Type: text/plain; charset=utf-8; charset=utf-7",
        "\r\nContent-Type: text/plain; format=flowed",
        "\r\nContent-Type: ",
    ] {
        assert!(!is_text(head, b"a"), "{head}");
    }
    assert!(!is_text("", b"\xff"));
    // Apache's client says so of all its fields.
    let latin = "\r\nContent-Type: text/plain; charset=ISO-8859-1";
    assert!(is_text(latin, b"gpt") && !is_text(latin, "é".as_bytes()));
}
