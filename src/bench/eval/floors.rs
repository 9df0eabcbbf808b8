//! What an accuracy run must reach: `tests/accuracy.toml`. A change that finds less fails.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use super::facts::Score;
use super::report::Report;

/// A bound that is absent is not checked.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floors {
    pub events: Option<Bound>,
    pub faces: Option<Bound>,
    pub persons: Option<Bound>,
    /// Events of single clips, by file name.
    #[serde(default)]
    pub clip: BTreeMap<String, Bound>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// Expected ones that may be missed.
    pub missed: usize,
    /// Ones that nobody expected.
    pub extra: usize,
}

impl Floors {
    pub fn load(path: &Path) -> anyhow::Result<Floors> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is no file of accuracy floors", path.display()))
    }

    /// What the report falls short of, a sentence each. A clip that was not played falls short too:
    /// a file that went missing must not look like a success.
    pub fn shortfalls(&self, report: &Report) -> Vec<String> {
        let mut found = Vec::new();
        let mut check = |what: &str, bound: Option<Bound>, score: Score| {
            let Some(bound) = bound else { return };
            let missed = score.expected - score.found;
            if missed > bound.missed || score.extra > bound.extra {
                found.push(format!(
                    "{what}: {missed} missed and {} extra; allowed are {} and {}",
                    score.extra, bound.missed, bound.extra
                ));
            }
        };
        check("events", self.events, report.events);
        check("faces", self.faces, report.faces.score);
        check("persons", self.persons, report.persons.score);
        let mut absent = Vec::new();
        for (file, bound) in &self.clip {
            match report.clips.iter().find(|c| c.file == *file) {
                Some(clip) => {
                    let mut score = Score::default();
                    for fact in &clip.facts {
                        score += fact.score;
                    }
                    check(file, Some(*bound), score);
                }
                None => absent.push(format!("{file} was not played")),
            }
        }
        found.extend(absent);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::eval::precision::BoxScore;

    #[test]
    fn falling_short_and_a_missing_clip_are_told() {
        let floors: Floors = toml::from_str(
            "[events]\nmissed = 1\nextra = 0\n[faces]\nmissed = 0\nextra = 0\n[clip.\"a.mp4\"]\nmissed = 0\nextra = 0\n",
        )
        .unwrap();
        let score = |expected, found, extra| Score { expected, found, extra };
        let report = Report {
            models: Vec::new(),
            events: score(5, 4, 0),
            faces: BoxScore { score: score(5, 4, 0), ..BoxScore::default() },
            persons: BoxScore { score: score(9, 0, 9), ..BoxScore::default() },
            clips: Vec::new(),
            speed: 1.0,
        };
        assert_eq!(
            floors.shortfalls(&report),
            ["faces: 1 missed and 0 extra; allowed are 0 and 0", "a.mp4 was not played"]
        );
    }
}
