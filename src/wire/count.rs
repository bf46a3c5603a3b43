//! The slow path of the input bound: a real tokenizer. Its tables are loaded at first use (a second or so), and counting
//! takes milliseconds: run it off the workers. Knows which model counts how; must not know prices.

use tiktoken_rs::tokenizer::{Tokenizer, get_tokenizer};
use tiktoken_rs::{CoreBPE, cl100k_base_singleton, o200k_base_singleton};

/// The most bytes of text that are counted.
pub const COUNTED_AT_MOST: usize = 256 * 1024;

/// At most so many units of input that `model` makes of `texts`; exact where its tokenizer is known, else the largest
/// vocabulary's count and half as much again. `None` for more than [`COUNTED_AT_MOST`] bytes.
pub fn count(model: &str, texts: &[impl AsRef<str>]) -> Option<i64> {
    let bytes = texts.iter().fold(0_usize, |sum, text| sum.saturating_add(text.as_ref().len()));
    if bytes > COUNTED_AT_MOST {
        return None;
    }
    let (tokenizer, known) = tokenizer_of(model);
    let mut total = 0_i64;
    for text in texts {
        // Ordinary: a text that spells a control word of the model is text here, as it is to the provider.
        let units = tokenizer.encode_ordinary(text.as_ref()).len();
        total = total.checked_add(i64::try_from(units).ok()?)?;
    }
    match known {
        Known::Exactly => Some(total),
        Known::Roughly => total.checked_mul(3)?.checked_add(1)?.checked_div(2),
    }
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Known {
    Exactly,
    Roughly,
}

fn tokenizer_of(model: &str) -> (&'static CoreBPE, Known) {
    match get_tokenizer(model) {
        Some(Tokenizer::Cl100kBase) => (cl100k_base_singleton(), Known::Exactly),
        Some(Tokenizer::O200kBase | Tokenizer::O200kHarmony) => (o200k_base_singleton(), Known::Exactly),
        _ => (o200k_base_singleton(), Known::Roughly),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_models_are_counted_exactly_and_others_generously() {
        let text = ["hello world", " hello world"];
        for (model, want) in [
            ("gpt-4o-mini", 4),
            ("gpt-4.1", 4),
            ("gpt-5-nano", 4),
            ("o3-mini", 4),
            ("gpt-4", 4),
            ("gpt-3.5-turbo", 4),
            ("demo", 6),
            ("deepseek-chat", 6),
        ] {
            assert_eq!(count(model, &text), Some(want), "{model}");
        }
        assert_eq!(count("demo", &["hello"]), Some(2));
        assert_eq!(count("demo", &["", ""]), Some(0));
        assert!(count("gpt-4o", &["<|endoftext|>"]) > Some(1));
        // The two vocabularies differ where the text is not English.
        assert!(count("gpt-4", &["안녕하세요 여러분"]) > count("gpt-4o", &["안녕하세요 여러분"]));
    }

    #[test]
    fn a_count_never_exceeds_the_bytes_and_long_text_is_not_counted() {
        for text in ["é", "中文", "😀", "\u{0}", " \n \t", "aaaaaaaa", "ﷺ"] {
            assert!(count("gpt-4o", &[text]).unwrap() <= i64::try_from(text.len()).unwrap(), "{text}");
        }
        assert_eq!(COUNTED_AT_MOST, 262_144);
        assert_eq!(count("gpt-4o", &["a".repeat(COUNTED_AT_MOST), "b".to_owned()]), None);
    }

    #[test]
    fn the_worst_texts_are_counted_too() {
        for piece in ["a", " ", "\n", " \n", "\u{a0}", "'", "1", "中", "\u{301}", "aB"] {
            let text = piece.repeat(COUNTED_AT_MOST / piece.len());
            assert!(count("gpt-4o", &[text.as_str()]).is_some(), "{piece:?}");
            assert!(
                count("gpt-4", &[format!("{}x", text.get(4..).unwrap_or_default())]).is_some(),
                "{piece:?}"
            );
        }
    }
}
