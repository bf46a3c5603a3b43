//! Text for a person's terminal: escaping, widths, tables, amounts and times. Pure.

use std::io::{self, Write};

use crate::money::{Money, credits_of_quota};

/// Where a command prints.
pub type Out<'a> = &'a mut dyn Write;

/// Whether a terminal would obey `c`, or a reader not see it, instead of showing it.
fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Foreign text, with what a terminal would obey escaped as Rust does.
pub fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_treacherous(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}

/// JSON with what a terminal would obey escaped as JSON does: such characters stand in its strings alone.
pub fn safe_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if is_treacherous(c) { safe.push_str(&format!("\\u{:04x}", u32::from(c))) } else { safe.push(c) }
    }
    safe
}

/// Columns of a terminal that `text` takes: East Asian characters and most pictures take two.
fn width(text: &str) -> usize {
    let wide = |c: char| {
        matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}'
            | '\u{20000}'..='\u{3fffd}')
    };
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

/// Rows in aligned columns, two blanks apart.
#[derive(Debug)]
pub struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with a line of headings.
    pub fn headed(headings: [&str; N]) -> Self {
        Self { rows: vec![headings.map(str::to_owned)] }
    }

    /// A table without one.
    pub fn plain() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row; its texts are made safe here.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| safe(&cell)));
    }

    /// Prints it.
    ///
    /// # Errors
    /// Of the output.
    pub fn print(&self, out: Out<'_>) -> io::Result<()> {
        let widths: [usize; N] = std::array::from_fn(|column| {
            self.rows.iter().map(|row| row.get(column).map_or(0, |cell| width(cell))).max().unwrap_or(0)
        });
        for row in &self.rows {
            let mut line = String::new();
            for (cell, wide) in row.iter().zip(widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', wide.saturating_sub(width(cell)).saturating_add(2)));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Quota as people read it: `200 ($1)`, credits and dollars.
pub fn amount(quota: i64) -> String {
    let credits = credits_of_quota(quota);
    Money::from_quota(quota).map_or(credits.clone(), |money| format!("{credits} ({money})"))
}

/// A moment in Unix seconds, in UTC.
pub fn time(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 0)
        .map_or_else(|| seconds.to_string(), |time| time.format("%Y-%m-%d %H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_has_nothing_to_obey() {
        assert_eq!(safe("a\u{1b}[2Jb\r\nc\u{202e}d\u{9b}é令\\"), "a\\u{1b}[2Jb\\r\\nc\\u{202e}d\\u{9b}é令\\");
        assert_eq!(safe_json("\"a\u{9b}\u{202e}令\""), "\"a\\u009b\\u202e令\"");
    }

    #[test]
    fn columns_are_aligned_by_what_a_terminal_shows() {
        let mut table = Table::headed(["ID", "NAME", "X"]);
        table.row(["1".to_owned(), "令牌".to_owned(), "a".to_owned()]);
        table.row(["22".to_owned(), "é\n".to_owned(), String::new()]);
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "ID  NAME  X\n1   令牌  a\n22  é\\n\n");
    }

    #[test]
    fn amounts_and_times() {
        assert_eq!(amount(500_000), "200 ($1)");
        assert_eq!(amount(-1), "-0.0004 (-$0.000002)");
        assert_eq!(amount(i64::MAX), credits_of_quota(i64::MAX));
        assert_eq!(time(1_738_483_200), "2025-02-02 08:00:00Z");
        assert_eq!(time(i64::MAX), i64::MAX.to_string());
    }
}
