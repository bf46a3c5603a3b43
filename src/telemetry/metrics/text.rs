//! Prometheus' text format, version 0.0.4: heads and samples. No floats: what has decimals is a whole number of billionths.

use std::fmt::{Display, Write as _};

/// A page of metrics while it is written.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Begins a family of samples. `kind` is `counter`, `gauge` or `histogram`; `help` is one line.
    pub fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// One sample. A label without a value is left out, which means the same.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.put(format_args!("{name}"));
        let mut before = '{';
        for (label, text) in labels.iter().filter(|(_, text)| !text.is_empty()) {
            self.put(format_args!("{before}{label}=\""));
            self.escape(text);
            self.0.push('"');
            before = ',';
        }
        let end = if before == ',' { "}" } else { "" };
        self.put(format_args!("{end} {value}\n"));
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The page.
    pub fn into_string(self) -> String {
        self.0
    }

    fn put(&mut self, what: std::fmt::Arguments<'_>) {
        self.0.write_fmt(what).expect("a String takes all");
    }

    fn escape(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
    }
}

/// Nanoseconds as seconds, exactly, without zeros at the end.
pub fn seconds(nanos: u64) -> String {
    let (whole, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if fraction == 0 {
        return whole.to_string();
    }
    let spelled = format!("{whole}.{fraction:09}");
    spelled.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_their_labels_escaped() {
        let mut text = Text::default();
        text.head("a_total", "counter", "Things.");
        text.sample("a_total", &[("model", "x\"\\\ny"), ("none", ""), ("status", "200")], 7);
        text.single("b", "gauge", "One.", 1);
        assert_eq!(
            text.into_string(),
            "# HELP a_total Things.\n# TYPE a_total counter\na_total{model=\"x\\\"\\\\\\ny\",status=\"200\"} 7\n\
             # HELP b One.\n# TYPE b gauge\nb 1\n"
        );
    }

    #[test]
    fn seconds_are_exact() {
        for (nanos, spelled) in [
            (0, "0"),
            (1, "0.000000001"),
            (1_500_000_000, "1.5"),
            (10_000_000_000, "10"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            assert_eq!(seconds(nanos), spelled);
        }
    }
}
