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
    /// By degradation, as it is asked for.
    #[serde(default)]
    pub degraded: BTreeMap<String, Degraded>,
}

/// What must be reached on degraded footage.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Degraded {
    pub events: Option<Bound>,
    pub faces: Option<Bound>,
    pub persons: Option<Bound>,
    /// Events that may be told where nobody is.
    pub in_empty: Option<usize>,
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

    /// What the report falls short of, a sentence each. A clip or a degradation that was not played falls
    /// short too: a file that went missing must not look like a success.
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
        let (mut absent, mut alarms) = (Vec::new(), Vec::new());
        for (name, floors) in &self.degraded {
            let Some(condition) = report.conditions.iter().find(|c| c.name == *name) else {
                absent.push(format!("{name} was not played: give --degrade {name}"));
                continue;
            };
            check(&format!("events at {name}"), floors.events, condition.events);
            check(&format!("faces at {name}"), floors.faces, condition.faces.score);
            check(&format!("persons at {name}"), floors.persons, condition.persons.score);
            if let Some(most) = floors.in_empty.filter(|most| condition.in_empty > *most) {
                let told = condition.in_empty;
                alarms.push(format!("{name}: {told} events where nobody is; allowed are {most}"));
            }
        }
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
        found.extend(alarms);
        found.extend(absent);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::eval::precision::BoxScore;
    use crate::bench::eval::report::Condition;

    const fn score(expected: usize, found: usize, extra: usize) -> Score {
        Score { expected, found, extra }
    }

    fn report() -> Report {
        Report {
            models: Vec::new(),
            events: score(5, 4, 0),
            faces: BoxScore { score: score(5, 4, 0), ..BoxScore::default() },
            persons: BoxScore { score: score(9, 0, 9), ..BoxScore::default() },
            clips: Vec::new(),
            conditions: Vec::new(),
            speed: 1.0,
        }
    }

    #[test]
    fn a_degradation_that_falls_short_or_was_not_played_is_told() {
        let floors: Floors = toml::from_str(
            "[degraded.night]\nevents = { missed = 1, extra = 0 }\nfaces = { missed = 9, extra = 9 }\n\
             in_empty = 0\n[degraded.fps2]\nevents = { missed = 1, extra = 0 }\n",
        )
        .unwrap();
        let night = |found, in_empty| Condition {
            name: "night".into(),
            events: score(5, found, 0),
            faces: BoxScore { score: score(9, 0, 9), ..BoxScore::default() },
            in_empty,
            ..Condition::default()
        };
        let absent = "fps2 was not played: give --degrade fps2";
        let told = |c| floors.shortfalls(&Report { conditions: vec![c], ..report() });
        assert_eq!(told(night(4, 0)), [absent]);
        assert_eq!(
            told(night(3, 1)),
            [
                "events at night: 2 missed and 0 extra; allowed are 1 and 0",
                "night: 1 events where nobody is; allowed are 0",
                absent
            ]
        );
        assert!(toml::from_str::<Floors>("[degraded.night]\nevent = 1\n").is_err());
    }

    #[test]
    fn falling_short_and_a_missing_clip_are_told() {
        let floors: Floors = toml::from_str(
            "[events]\nmissed = 1\nextra = 0\n[faces]\nmissed = 0\nextra = 0\n[clip.\"a.mp4\"]\nmissed = 0\nextra = 0\n",
        )
        .unwrap();
        assert_eq!(
            floors.shortfalls(&report()),
            ["faces: 1 missed and 0 extra; allowed are 0 and 0", "a.mp4 was not played"]
        );
    }
}
