//! Alerts against what is known to happen: pure, by the clips' own time.
//!
//! A camera plays its clip over and over. What is known to happen at a place of the clip is expected
//! once a round; what is told beside that is extra.

use serde::Serialize;

use crate::base::{Mono, Wall, WallSpan};
use crate::media::Pts;

/// How far an alert may lie from what it tells, microseconds: as the truth of the footage says.
const TOLERANCE_US: i64 = 700_000;
/// Things that begin so shortly after a session's start are not expected: the analysis begins anew.
const AFTER_START_US: i64 = 2_000_000;

/// A new alert, as a reader of the event stream hears it.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    pub camera: String,
    pub what: What,
    /// Kind of the rule.
    pub kind: String,
    /// Time of the picture that shows it.
    pub at: Wall,
    pub heard: Mono,
    /// From the picture's time to its being heard.
    pub latency: std::time::Duration,
}

/// What an alert tells of: the rule, and the direction of a crossing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct What {
    pub rule: String,
    pub direction: Option<String>,
}

/// Something that happens at a place of a clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    pub what: What,
    pub at: Pts,
}

/// A camera's clip and when it was at its beginning: one entry for each session, in order.
#[derive(Clone, Debug, Default)]
pub struct Played {
    pub duration: Pts,
    /// When the clip's first picture went out or would have, where the session began within it;
    /// and when the session began.
    pub sessions: Vec<(Wall, Wall)>,
}

impl Played {
    /// Place in the clip at a time; `None` before the first session.
    pub fn place(&self, at: Wall) -> Option<Pts> {
        let (zero, _) = self.sessions.iter().rev().find(|(_, began)| *began <= at)?;
        Some(Pts::from_micros(at.micros() - zero.micros()))
            .map(|p| Pts(p.0.rem_euclid(self.duration.0.max(1))))
    }

    /// When the clip is at a place, within a span.
    fn times(&self, place: Pts, span: WallSpan) -> Vec<Wall> {
        let round = self.duration.micros().max(1);
        let mut times = Vec::new();
        for (i, (zero, began)) in self.sessions.iter().enumerate() {
            let from = span.start.micros().max(began.micros() + AFTER_START_US);
            let until = self.sessions.get(i + 1).map_or(span.end, |(_, next)| span.end.min(*next));
            let first = zero.micros() + place.micros();
            let rounds = (from - first).div_euclid(round) + i64::from((from - first).rem_euclid(round) > 0);
            let mut at = first + rounds * round;
            while at < until.micros() {
                times.push(Wall(at));
                at += round;
            }
        }
        times
    }
}

/// What alerts of a span tell, by the clip's time.
pub fn reference<'a>(
    played: &Played,
    span: WallSpan,
    heard: impl IntoIterator<Item = &'a Heard>,
) -> Vec<Happening> {
    let within = heard.into_iter().filter(|h| span.start <= h.at && h.at < span.end);
    let mut found: Vec<Happening> =
        within.filter_map(|h| Some(Happening { what: h.what.clone(), at: played.place(h.at)? })).collect();
    found.sort_by_key(|h| h.at);
    found
}

/// How alerts agree with what was expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Agreement {
    pub expected: usize,
    pub found: usize,
    pub extra: usize,
}

impl std::ops::AddAssign for Agreement {
    fn add_assign(&mut self, other: Agreement) {
        self.expected += other.expected;
        self.found += other.found;
        self.extra += other.extra;
    }
}

/// Matches what a camera told with what happened on it in a span. Each alert stands for one
/// happening, the nearest of the same kind.
pub fn agreement(known: &[Happening], played: &Played, span: WallSpan, heard: &[&Heard]) -> Agreement {
    let mut expected: Vec<(Wall, &What)> =
        known.iter().flat_map(|h| played.times(h.at, span).into_iter().map(|at| (at, &h.what))).collect();
    expected.sort();
    let mut told: Vec<&Heard> = heard.to_vec();
    let off = |h: &Heard, at: Wall| (h.at.micros() - at.micros()).abs();
    let mut result = Agreement { expected: expected.len(), ..Agreement::default() };
    for (at, what) in expected {
        let same = told.iter().enumerate().filter(|(_, h)| h.what == *what && off(h, at) <= TOLERANCE_US);
        if let Some((i, _)) = same.min_by_key(|(_, h)| off(h, at)) {
            told.swap_remove(i);
            result.found += 1;
        }
    }
    // At the edges of the span an alert may belong to what is outside it.
    let inside = |h: &&&Heard| {
        h.at.micros() >= span.start.micros() + TOLERANCE_US
            && h.at.micros() < span.end.micros() - TOLERANCE_US
    };
    result.extra = told.iter().filter(inside).count();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn what(rule: &str) -> What {
        What { rule: rule.into(), direction: None }
    }

    fn told(rule: &str, ms: i64) -> Heard {
        Heard {
            camera: "a".into(),
            what: what(rule),
            kind: "intrusion".into(),
            at: Wall(ms * 1000),
            heard: Mono::default(),
            latency: Duration::ZERO,
        }
    }

    fn seconds(s: i64) -> Wall {
        Wall(s * 1_000_000)
    }

    fn played(sessions: &[(i64, i64)]) -> Played {
        let sessions = sessions.iter().map(|&(zero, began)| (seconds(zero), seconds(began))).collect();
        Played { duration: Pts(10 * Pts::HZ), sessions }
    }

    fn check(
        known: &[(&str, i64)],
        played: &Played,
        span: (i64, i64),
        heard: &[Heard],
        want: (usize, usize, usize),
    ) {
        let known: Vec<_> = known
            .iter()
            .map(|(rule, ms)| Happening { what: what(rule), at: Pts::from_micros(ms * 1000) })
            .collect();
        let span = WallSpan { start: seconds(span.0), end: seconds(span.1) };
        let got = agreement(&known, played, span, &heard.iter().collect::<Vec<_>>());
        assert_eq!((got.expected, got.found, got.extra), want);
    }

    #[test]
    fn what_happens_is_expected_once_a_round() {
        let known = [("zone", 4000), ("line", 6000)];
        // Rounds begin at 100, 110, 120; the span holds the line of the first and all of the second.
        let heard = [told("line", 106_300), told("zone", 114_000), told("line", 116_650)];
        check(&known, &played(&[(100, 100)]), (105, 120), &heard, (3, 3, 0));
    }

    #[test]
    fn too_late_is_not_found_and_is_extra() {
        check(&[("zone", 4000)], &played(&[(100, 100)]), (100, 110), &[told("zone", 104_800)], (1, 0, 1));
    }

    #[test]
    fn another_rule_and_a_second_alert_are_extra() {
        let heard = [told("zone", 104_000), told("zone", 104_100), told("line", 104_000)];
        check(&[("zone", 4000)], &played(&[(100, 100)]), (100, 110), &heard, (1, 1, 2));
    }

    #[test]
    fn a_session_that_began_within_the_clip_goes_on_from_there_and_breaks_expect_nothing() {
        // Begins at place 5 s; a new session at 112, at the beginning.
        let played = played(&[(95, 100), (112, 112)]);
        assert_eq!(played.place(seconds(101)), Some(Pts(6 * Pts::HZ)));
        assert_eq!(played.place(seconds(113)), Some(Pts(Pts::HZ)));
        // Of the first at 106.5, of the second at 111.5 and 118.5; 101.5 and 113.5 come too shortly
        // after a start.
        check(&[("zone", 1500), ("zone", 6500)], &played, (100, 120), &[told("zone", 106_600)], (3, 1, 0));
    }

    #[test]
    fn the_reference_lies_in_the_clips_time() {
        let span = WallSpan { start: seconds(110), end: seconds(120) };
        let heard =
            [told("zone", 104_000), told("line", 116_000), told("zone", 114_100), told("zone", 124_000)];
        let found = reference(&played(&[(100, 100)]), span, &heard);
        assert_eq!(
            found,
            [
                Happening { what: what("zone"), at: Pts::from_micros(4_100_000) },
                Happening { what: what("line"), at: Pts::from_micros(6_000_000) },
            ]
        );
    }
}
