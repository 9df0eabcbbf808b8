//! What an accuracy run found, as JSON and as a table.

use serde::Serialize;

use super::facts::{FactScore, Score};
use super::precision::{BoxScore, Recall};

#[derive(Debug, Serialize)]
pub struct Report {
    pub models: Vec<String>,
    pub events: Score,
    pub faces: BoxScore,
    pub persons: BoxScore,
    pub clips: Vec<ClipReport>,
    /// Seconds of footage played per second of wall time.
    pub speed: f64,
}

#[derive(Debug, Serialize)]
pub struct ClipReport {
    pub file: String,
    pub frames: usize,
    pub facts: Vec<FactScore>,
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
            let ap = b.ap.map_or("-".to_owned(), |ap| format!("{ap:.3}"));
            let [small, middle, large] = [b.small, b.middle, b.large].map(part);
            out += &format!("{name:<47} {ap:>8} {small:>8} {middle:>6} {large:>6}\n");
        }
        out += "AP is over what the models tell: nothing below their manifests' scores. Found by size: small boxes\n";
        out += "cover less than 0.33 % of the picture, large ones 3 % or more.\n";
        out += &format!("models: {}; {:.1} times real time\n", self.models.join(", "), self.speed);
        out
    }
}
