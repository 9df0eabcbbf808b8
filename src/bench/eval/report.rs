//! What an accuracy run found, as JSON and as a table.

use serde::Serialize;

use super::facts::{FactScore, Score};

#[derive(Debug, Serialize)]
pub struct Report {
    pub models: Vec<String>,
    pub events: Score,
    pub faces: Score,
    pub persons: Score,
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
        out += &row("faces on single frames", self.faces);
        out += &row("persons on single frames", self.persons);
        out += &format!("models: {}; {:.1} times real time\n", self.models.join(", "), self.speed);
        out
    }
}
