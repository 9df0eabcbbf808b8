//! What an accuracy run found, as JSON and as a table.

use serde::Serialize;

use super::facts::Score;
use super::judge::FactScore;
use super::precision::{BoxScore, Recall};

#[derive(Debug, Serialize)]
pub struct Report {
    pub models: Vec<String>,
    pub events: Score,
    pub faces: BoxScore,
    pub persons: BoxScore,
    pub clips: Vec<ClipReport>,
    /// The compared clips as they are, then degraded; empty where nothing was degraded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Seconds of footage played per second of wall time.
    pub speed: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct ClipReport {
    pub file: String,
    pub frames: usize,
    pub facts: Vec<FactScore>,
}

/// Figures of the compared clips in one condition.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Condition {
    /// [`AS_IT_IS`], or the degradation as it is asked for.
    pub name: String,
    pub events: Score,
    /// Events told where nobody is.
    pub in_empty: usize,
    pub faces: BoxScore,
    pub persons: BoxScore,
    pub clips: Vec<ClipReport>,
}

/// Name of the condition in which nothing was done to the footage.
pub const AS_IT_IS: &str = "as it is";

/// Head of the table of conditions.
#[rustfmt::skip]
pub const CONDITION_HEAD: [&str; 14] = [
    "", "events", "found", "missed", "extra", "in empty",
    "faces", "recall", "prec.", "AP", "people", "recall", "prec.", "AP",
];

impl Condition {
    /// Cells of a row below [`CONDITION_HEAD`].
    pub fn cells(&self) -> Vec<String> {
        let Score { expected, found, extra } = self.events;
        let mut cells = vec![self.name.clone()];
        cells.extend([expected, found, expected - found, extra, self.in_empty].map(|n| n.to_string()));
        for boxes in [&self.faces, &self.persons] {
            cells.push(format!("{}/{}", boxes.score.found, boxes.score.expected));
            cells.extend([boxes.recall, boxes.precision, boxes.ap].map(share));
        }
        cells
    }
}

/// Three digits, or a dash where there is nothing to divide by.
pub fn share(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |v| format!("{v:.3}"))
}

impl Report {
    /// A table for people.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let row =
            |name: &str, s: Score| format!("{name:<56} {:>8} {:>6} {:>6}\n", s.expected, s.found, s.extra);
        out += &format!("{:<56} {:>8} {:>6} {:>6}\n", "", "expected", "found", "extra");
        for clip in &self.clips {
            for fact in &clip.facts {
                out += &row(&format!("{} {}", clip.file, fact.rule), fact.score);
                for note in &fact.notes {
                    out += &format!("    {note}\n");
                }
            }
        }
        out += &row("events", self.events);
        out += &row("faces on single frames", self.faces.score);
        out += &row("persons on single frames", self.persons.score);
        out += &format!("{:<47} {:>8} {:>8} {:>6} {:>6}\n", "", "AP", "small", "middle", "large");
        let part = |r: Recall| format!("{}/{}", r.found, r.expected);
        for (name, b) in [("faces", &self.faces), ("persons", &self.persons)] {
            let [small, middle, large] = [b.small, b.middle, b.large].map(part);
            out += &format!("{name:<47} {:>8} {small:>8} {middle:>6} {large:>6}\n", share(b.ap));
        }
        out += "AP is over what the models tell: nothing below their manifests' scores. Found by size: small boxes\n";
        out += "cover less than 0.33 % of the picture, large ones 3 % or more.\n";
        out += &self.conditions_table();
        out += &format!("models: {}; {:.1} times real time\n", self.models.join(", "), self.speed);
        out
    }

    fn conditions_table(&self) -> String {
        if self.conditions.is_empty() {
            return String::new();
        }
        let line = |cells: &[&str]| {
            let mut line = format!("{:<9}", cells[0]);
            cells[1..].iter().for_each(|cell| line += &format!(" {cell:>8}"));
            line.truncate(line.trim_end().len());
            line + "\n"
        };
        let mut out = line(&CONDITION_HEAD);
        for condition in &self.conditions {
            out += &line(&condition.cells().iter().map(String::as_str).collect::<Vec<_>>());
        }
        out + "Degraded footage is each clip once, encoded anew; `as it is` are the same clips. In empty: events told\n\
               where nobody is.\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_table_has_what_is_missed_and_dashes_where_nothing_was_asked() {
        let condition = Condition {
            name: "night".into(),
            events: Score { expected: 9, found: 7, extra: 1 },
            in_empty: 2,
            persons: BoxScore {
                score: Score { expected: 4, found: 3, extra: 0 },
                recall: Some(0.75),
                precision: Some(1.0),
                ap: Some(0.7),
                ..BoxScore::default()
            },
            ..Condition::default()
        };
        let cells = condition.cells();
        assert_eq!(cells.len(), CONDITION_HEAD.len());
        assert_eq!(cells[..6], ["night", "9", "7", "2", "1", "2"]);
        assert_eq!(cells[6..10], ["0/0", "-", "-", "-"]);
        assert_eq!(cells[10..], ["3/4", "0.750", "1.000", "0.700"]);
    }
}
