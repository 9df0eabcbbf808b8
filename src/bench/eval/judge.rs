//! What the rules said, held against a clip's truth.

use serde::Serialize;

use crate::base::Wall;
use crate::media::geometry::{Side, side};
use crate::media::{BBox, Point};
use crate::rules::event::Edge;
use crate::rules::{RuleEvent, RuleId, Subject, occupied};

use super::facts::{Score, loiter_id, point};
use super::truth::{ClipTruth, LineTruth, ZoneTruth};

/// Score of one rule on one clip.
#[derive(Clone, Debug, Serialize)]
pub struct FactScore {
    pub rule: String,
    #[serde(flatten)]
    pub score: Score,
    /// What is missing or too much, for people.
    pub notes: Vec<String>,
    /// The same, one by one, for whoever wants to look at it.
    #[serde(skip)]
    pub wrong: Vec<Wrong>,
}

/// Something that a rule did not tell, or told though nobody expected it.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrong {
    /// Told and not expected; otherwise expected and not told.
    pub extra: bool,
    /// Second of the clip at which it is to be seen; absent where the truth only counts.
    pub at_s: Option<f64>,
    pub expected: String,
    pub found: String,
    /// Whom an extra event is about.
    pub bbox: Option<BBox>,
}

/// Hold what the rules said against the truth. `start` is the time of the first frame, `end` that of the last
/// one; times may differ by `tolerance_s` seconds.
pub fn score(
    clip: &ClipTruth,
    events: &[RuleEvent],
    start: Wall,
    end: Wall,
    tolerance_s: f64,
) -> Vec<FactScore> {
    let of = |id: &str| events.iter().filter(|e| e.rule.0 == id).collect::<Vec<_>>();
    let mut scores = Vec::new();
    for line in &clip.line_crossings {
        scores.push(score_line(line, &of(&line.name), start, tolerance_s));
    }
    for zone in &clip.zones {
        let occupied = occupied(events, &RuleId(zone.name.clone()), end);
        let spans: Vec<_> =
            occupied.iter().map(|s| [seconds(s.start, start), seconds(s.end, start)]).collect();
        scores.push(score_spans(zone, &spans, tolerance_s));
    }
    for truth in &clip.loitering {
        let id = loiter_id(truth);
        scores.push(score_count(&id, truth.alerts, &begins(&of(&id)), start));
    }
    if clip.distinct_people == Some(0) {
        scores.push(score_count("anybody", 0, &begins(&of("anybody")), start));
    }
    if let Some(faces) = clip.faces() {
        scores.push(score_count("face", faces, &begins(&of("face")), start));
    }
    scores
}

fn begins<'a>(events: &[&'a RuleEvent]) -> Vec<&'a RuleEvent> {
    events.iter().copied().filter(|e| e.edge == Edge::Begin).collect()
}

fn seconds(at: Wall, start: Wall) -> f64 {
    (at.0 - start.0) as f64 / 1e6
}

fn bbox(event: &RuleEvent) -> Option<BBox> {
    match event.subject {
        Subject::Track { bbox, .. } => Some(bbox),
        _ => None,
    }
}

fn score_count(id: &str, expected: usize, events: &[&RuleEvent], start: Wall) -> FactScore {
    let n = events.len();
    let at = |e: &RuleEvent| seconds(e.at, start);
    let times: Vec<String> = events.iter().map(|e| format!("{:.2}", at(e))).collect();
    let told = match n {
        0 => "none".to_owned(),
        _ => format!("{n}, at {} s", times.join(", ")),
    };
    let notes = match n == expected {
        true => Vec::new(),
        false => vec![format!("{n} instead of {expected}: {}", times.join(" "))],
    };
    let missing = (n < expected).then(|| Wrong {
        extra: false,
        at_s: None,
        expected: format!("{expected} in the whole clip"),
        found: told.clone(),
        bbox: None,
    });
    // Which of them is the wrong one nobody knows; those that came when enough had come are shown.
    let extra = events.iter().skip(expected).map(|e| Wrong {
        extra: true,
        at_s: Some(at(e)),
        expected: format!("{expected} in the whole clip"),
        found: told.clone(),
        bbox: bbox(e),
    });
    let wrong = missing.into_iter().chain(extra).collect();
    let score = Score { expected, found: n.min(expected), extra: n.saturating_sub(expected) };
    FactScore { rule: id.to_owned(), score, notes, wrong }
}

/// Direction names of a way over the line: the side it leads to.
fn direction(line: &LineTruth, way: [f32; 2]) -> &'static str {
    let [a, b] = line.line.map(point);
    let middle = Point::new((a.x + b.x) / 2.0 + way[0], (a.y + b.y) / 2.0 + way[1]);
    if side(a, b, middle) == Side::Left { "to_left" } else { "to_right" }
}

fn score_line(line: &LineTruth, events: &[&RuleEvent], start: Wall, tolerance_s: f64) -> FactScore {
    let mut raised: Vec<(&str, f64, Option<BBox>)> = events
        .iter()
        .filter_map(|e| match &e.subject {
            Subject::Track { direction: Some(d), .. } => Some((*d, seconds(e.at, start), bbox(e))),
            _ => None,
        })
        .collect();
    let all = raised.clone();
    let mut expected: Vec<(&str, f64)> = line.crossings().map(|(way, t)| (direction(line, way), t)).collect();
    expected.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut fact = FactScore {
        rule: line.name.clone(),
        score: Score { expected: expected.len(), ..Score::default() },
        notes: Vec::new(),
        wrong: Vec::new(),
    };
    for (way, t) in &expected {
        let nearest = raised
            .iter()
            .enumerate()
            .filter(|(_, (w, at, _))| w == way && (at - t).abs() <= tolerance_s)
            .min_by(|a, b| (a.1.1 - t).abs().total_cmp(&(b.1.1 - t).abs()))
            .map(|(i, _)| i);
        match nearest {
            Some(i) => {
                raised.swap_remove(i);
                fact.score.found += 1;
            }
            None => {
                fact.notes.push(format!("missed {way} at {t:.2}"));
                fact.wrong.push(Wrong {
                    extra: false,
                    at_s: Some(*t),
                    expected: format!("{way} at {t:.2} s, ± {tolerance_s:.1} s"),
                    found: nearest_of(*t, all.iter().map(|(way, at, _)| (*way, *at))),
                    bbox: None,
                });
            }
        }
    }
    fact.score.extra = raised.len();
    for (way, t, bbox) in raised {
        fact.notes.push(format!("extra {way} at {t:.2}"));
        fact.wrong.push(Wrong {
            extra: true,
            at_s: Some(t),
            expected: nearest_of(t, expected.iter().copied()),
            found: format!("{way} at {t:.2} s"),
            bbox,
        });
    }
    fact
}

/// What is nearest to a moment, whether or not it belongs to something else.
fn nearest_of<'a>(t: f64, moments: impl Iterator<Item = (&'a str, f64)>) -> String {
    let nearest = moments.min_by(|a, b| (a.1 - t).abs().total_cmp(&(b.1 - t).abs()));
    nearest.map_or("nothing at all".to_owned(), |(way, at)| {
        format!("nothing of its own; the nearest is {way} at {at:.2} s")
    })
}

fn score_spans(zone: &ZoneTruth, found: &[[f64; 2]], tolerance_s: f64) -> FactScore {
    let near = |a: f64, b: f64| (a - b).abs() <= tolerance_s;
    let mut left: Vec<[f64; 2]> = found.to_vec();
    let mut fact = FactScore {
        rule: zone.name.clone(),
        score: Score { expected: zone.occupied.len(), ..Score::default() },
        notes: Vec::new(),
        wrong: Vec::new(),
    };
    let span = |s: &[f64; 2]| format!("{:.2} to {:.2} s", s[0], s[1]);
    let list = |spans: &[[f64; 2]], over: &[f64; 2]| {
        let over: Vec<_> = spans.iter().filter(|s| s[0] <= over[1] && s[1] >= over[0]).map(span).collect();
        if over.is_empty() { "nobody".to_owned() } else { format!("somebody from {}", over.join(", ")) }
    };
    for expected in &zone.occupied {
        let [from, to] = expected;
        match left.iter().position(|s| near(s[0], *from) && near(s[1], *to)) {
            Some(i) => {
                left.remove(i);
                fact.score.found += 1;
            }
            None => {
                fact.notes.push(format!("missed {from:.2}..{to:.2}"));
                // Where the beginning is right, the end is what went wrong.
                let begun = found.iter().find(|s| near(s[0], *from));
                fact.wrong.push(Wrong {
                    extra: false,
                    at_s: Some(begun.map_or(*from, |s| s[1].min(*to))),
                    expected: format!("somebody from {}, ± {tolerance_s:.1} s", span(expected)),
                    found: list(found, expected),
                    bbox: None,
                });
            }
        }
    }
    fact.score.extra = left.len();
    for told in &left {
        fact.notes.push(format!("extra {:.2}..{:.2}", told[0], told[1]));
        let begun = zone.occupied.iter().any(|s| near(s[0], told[0]));
        fact.wrong.push(Wrong {
            extra: true,
            at_s: Some(if begun { told[1] } else { told[0] }),
            expected: list(&zone.occupied, told),
            found: format!("somebody from {}", span(told)),
            bbox: None,
        });
    }
    fact
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::eval::truth::{AnchorTruth, Moment};

    fn zone(occupied: &[[f64; 2]]) -> ZoneTruth {
        let polygon = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]];
        ZoneTruth { name: "z".into(), anchor: AnchorTruth::Foot, polygon, occupied: occupied.to_vec() }
    }

    #[test]
    fn a_stay_that_ends_too_early_is_shown_where_it_ended() {
        let fact = score_spans(&zone(&[[1.0, 9.0], [20.0, 30.0]]), &[[1.2, 5.0], [20.1, 29.8]], 0.7);
        assert_eq!(fact.score, Score { expected: 2, found: 1, extra: 1 });
        assert_eq!(fact.notes, ["missed 1.00..9.00", "extra 1.20..5.00"]);
        let [missed, extra] = &fact.wrong[..] else { panic!("{:?}", fact.wrong) };
        assert_eq!((missed.extra, missed.at_s), (false, Some(5.0)));
        assert_eq!(missed.found, "somebody from 1.20 to 5.00 s");
        assert_eq!((extra.extra, extra.at_s), (true, Some(5.0)));
        let fact = score_spans(&zone(&[[1.0, 9.0]]), &[], 0.7);
        assert_eq!((fact.wrong[0].at_s, fact.wrong[0].found.as_str()), (Some(1.0), "nobody"));
    }

    #[test]
    fn a_missed_crossing_says_what_was_nearest() {
        let moment = |t| vec![Moment { t }];
        let line = LineTruth {
            name: "l".into(),
            anchor: AnchorTruth::Foot,
            line: [[0.0, 0.5], [1.0, 0.5]],
            upward: moment(3.0),
            downward: Vec::new(),
            leftward: Vec::new(),
            rightward: Vec::new(),
        };
        let fact = score_line(&line, &[], Wall(0), 0.7);
        assert_eq!(fact.score, Score { expected: 1, found: 0, extra: 0 });
        let [missed] = &fact.wrong[..] else { panic!("{:?}", fact.wrong) };
        assert_eq!((missed.at_s, missed.found.as_str()), (Some(3.0), "nothing at all"));
        assert_eq!(
            nearest_of(3.0, [("a", 1.0), ("b", 4.5)].into_iter()),
            "nothing of its own; the nearest is b at 4.50 s"
        );
    }

    #[test]
    fn where_only_the_number_is_known_what_came_after_enough_is_extra_and_what_lacks_is_one() {
        let fact = score_count("face", 3, &[], Wall(0));
        assert_eq!((fact.score.found, fact.wrong.len()), (0, 1));
        assert_eq!((fact.wrong[0].at_s, fact.wrong[0].found.as_str()), (None, "none"));
    }
}
