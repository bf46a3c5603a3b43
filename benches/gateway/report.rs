//! What was found, as a table for people and as JSON lines. Must not know how it was measured.

use std::fmt::Write as _;
use std::fs::read_to_string;

use serde_json::json;

use crate::stats::median;

/// What the issue asks of a figure.
#[derive(Copy, Clone, Debug)]
pub enum Target {
    /// Nothing: for orientation.
    None,
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub figure: String,
    /// Of whom.
    pub subject: String,
    /// Of what the samples are.
    pub unit: &'static str,
    /// One for each round.
    pub samples: Vec<f64>,
    /// What is asked of their median.
    pub target: Target,
    /// Beside it.
    pub note: String,
}

impl Row {
    /// A line without a target and without a note.
    pub fn new(figure: impl Into<String>, subject: impl Into<String>, unit: &'static str) -> Self {
        Self {
            figure: figure.into(),
            subject: subject.into(),
            unit,
            samples: Vec::new(),
            target: Target::None,
            note: String::new(),
        }
    }

    /// With these samples.
    pub fn of(mut self, samples: impl Into<Vec<f64>>) -> Self {
        self.samples = samples.into();
        self
    }

    /// With this target.
    pub fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// With this beside it.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn is_met(&self) -> Option<bool> {
        let value = median(&self.samples);
        match self.target {
            Target::None => None,
            Target::AtMost(most) => Some(value <= most),
            Target::AtLeast(least) => Some(value >= least),
        }
    }

    fn cells(&self) -> [String; 6] {
        let (value, spread) = match self.samples.as_slice() {
            [] => (String::new(), String::new()),
            [only] => (spell(*only, self.unit), String::new()),
            several => {
                let least = several.iter().copied().fold(f64::INFINITY, f64::min);
                let most = several.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                (spell(median(several), self.unit), format!("{} – {}", number(least), number(most)))
            }
        };
        let target = match self.target {
            Target::None => String::new(),
            Target::AtMost(most) => format!("≤ {}", number(most)),
            Target::AtLeast(least) => format!("≥ {}", number(least)),
        };
        let verdict = match self.is_met() {
            None => self.note.clone(),
            Some(is_met) => {
                let word = if is_met { "met" } else { "MISSED" };
                if self.note.is_empty() { word.to_owned() } else { format!("{word}; {}", self.note) }
            }
        };
        [self.figure.clone(), self.subject.clone(), value, spread, target, verdict]
    }
}

/// All that was found.
#[derive(Debug)]
pub struct Report {
    machine: String,
    rows: Vec<Row>,
}

impl Report {
    /// An empty report on this machine.
    pub fn begin() -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let cpu = read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let load = read_to_string("/proc/loadavg").unwrap_or_default();
        let machine = format!(
            "{cores} cores, {}, Linux {}; load before: {}",
            model.map_or("unknown", |(_, model)| model.trim()),
            kernel.trim(),
            load.split_whitespace().next().unwrap_or("?")
        );
        Self { machine, rows: Vec::new() }
    }

    /// Takes a line.
    pub fn add(&mut self, row: Row) {
        eprintln!("  {}", row.cells().join(" | "));
        self.rows.push(row);
    }

    /// The table, in Markdown.
    pub fn table(&self) -> String {
        let titles = ["figure", "of", "median", "rounds", "target", ""].map(str::to_owned);
        let mut cells = vec![titles];
        cells.extend(self.rows.iter().map(Row::cells));
        let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 6] = std::array::from_fn(width);
        let mut text = format!("\n{}\n\n", self.machine);
        for (number, row) in cells.iter().enumerate() {
            write_row(&mut text, row, &widths);
            if number == 0 {
                write_row(&mut text, &widths.map(|width| "-".repeat(width)), &widths);
            }
        }
        text
    }

    /// A JSON object for each line.
    pub fn lines(&self) -> String {
        let line = |row: &Row| {
            let target = match row.target {
                Target::None => json!(null),
                Target::AtMost(most) => json!({"at_most": most}),
                Target::AtLeast(least) => json!({"at_least": least}),
            };
            json!({
                "figure": row.figure, "of": row.subject, "unit": row.unit, "median": median(&row.samples),
                "rounds": row.samples, "target": target, "met": row.is_met(), "note": row.note, "machine": self.machine,
            })
        };
        self.rows.iter().map(|row| format!("{}\n", line(row))).collect()
    }
}

fn write_row(text: &mut String, cells: &[String; 6], widths: &[usize; 6]) {
    for (cell, width) in cells.iter().zip(widths) {
        // Writing to a string cannot fail.
        let _ = write!(text, "| {cell:width$} ");
    }
    text.push_str("|\n");
}

fn spell(value: f64, unit: &str) -> String {
    if unit.is_empty() { number(value) } else { format!("{} {unit}", number(value)) }
}

/// Three or so digits that matter.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
