//! A clip's truth as rules, and what the rules said held against it.

use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use crate::base::Wall;
use crate::infer::Class;
use crate::media::geometry::{Side, side};
use crate::media::{Point, Polygon};
use crate::rules::event::Edge;
use crate::rules::{Anchor, Direction, RuleEvent, RuleId, RuleKind, RuleSpec, Severity, Subject, occupied};

use super::truth::{AnchorTruth, ClipTruth, LineTruth, ZoneTruth};

/// What a rule that gives no `min_score` has.
const MIN_SCORE: f32 = 0.3;

/// How many of the expected events were found, and how many came that nobody expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Score {
    pub expected: usize,
    pub found: usize,
    pub extra: usize,
}

impl std::ops::AddAssign for Score {
    fn add_assign(&mut self, o: Score) {
        self.expected += o.expected;
        self.found += o.found;
        self.extra += o.extra;
    }
}

/// Score of one rule on one clip.
#[derive(Clone, Debug, Serialize)]
pub struct FactScore {
    pub rule: String,
    #[serde(flatten)]
    pub score: Score,
    /// What is missing or too much, for people.
    pub notes: Vec<String>,
}

/// The rules that put a clip's truth to the test. Ids: a line's or zone's name, `loiter-<s>`, `face`.
pub fn rules(clip: &ClipTruth) -> anyhow::Result<Vec<RuleSpec>> {
    let subject = if clip.distinct_people.is_some() || clip.line_crossings.is_empty() {
        Class::Person
    } else {
        Class::Vehicle
    };
    let rule = |id: &str, kind: RuleKind, class: Class| RuleSpec {
        id: RuleId(id.to_owned()),
        kind,
        classes: vec![class],
        min_score: MIN_SCORE,
        limits: crate::rules::Limits::default(),
        severity: Severity::Info,
        schedule: None,
        cooldown: Duration::ZERO,
    };
    let mut rules = Vec::new();
    for line in &clip.line_crossings {
        let [a, b] = line.line.map(point);
        let kind = RuleKind::LineCrossing { a, b, direction: Direction::Both, anchor: anchor(line.anchor) };
        rules.push(rule(&line.name, kind, subject));
    }
    for zone in &clip.zones {
        let kind = RuleKind::Intrusion { zone: polygon(zone)?, anchor: anchor(zone.anchor) };
        rules.push(rule(&zone.name, kind, subject));
    }
    for truth in &clip.loitering {
        let zone = clip.zones.iter().find(|z| z.name == truth.zone);
        let zone =
            zone.with_context(|| format!("loitering names the zone '{}', which is not there", truth.zone))?;
        let dwell = Duration::from_secs_f64(truth.threshold_s);
        let kind = RuleKind::Loitering { zone: polygon(zone)?, anchor: anchor(zone.anchor), dwell };
        rules.push(rule(&loiter_id(truth.threshold_s), kind, subject));
    }
    if clip.distinct_people == Some(0) {
        let whole = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]].into_iter().map(point).collect();
        let kind = RuleKind::Intrusion { zone: Polygon::new(whole)?, anchor: Anchor::Center };
        rules.push(rule("anybody", kind, Class::Person));
    }
    if clip.faces().is_some() {
        rules.push(rule("face", RuleKind::FaceSeen { zone: None }, Class::Face));
    }
    Ok(rules)
}

fn loiter_id(threshold_s: f64) -> String {
    format!("loiter-{threshold_s}")
}

/// Hold what the rules said against the truth. `start` is the time of the first frame.
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
        let id = loiter_id(truth.threshold_s);
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

fn score_count(id: &str, expected: usize, events: &[&RuleEvent], start: Wall) -> FactScore {
    let n = events.len();
    let notes = if n == expected {
        Vec::new()
    } else {
        let times: Vec<String> = events.iter().map(|e| format!("{:.2}", seconds(e.at, start))).collect();
        vec![format!("{n} instead of {expected}: {}", times.join(" "))]
    };
    let score = Score { expected, found: n.min(expected), extra: n.saturating_sub(expected) };
    FactScore { rule: id.to_owned(), score, notes }
}

/// Direction names of a way over the line: the side it leads to.
fn direction(line: &LineTruth, way: [f32; 2]) -> &'static str {
    let [a, b] = line.line.map(point);
    let middle = Point::new((a.x + b.x) / 2.0 + way[0], (a.y + b.y) / 2.0 + way[1]);
    if side(a, b, middle) == Side::Left { "to_left" } else { "to_right" }
}

fn score_line(line: &LineTruth, events: &[&RuleEvent], start: Wall, tolerance_s: f64) -> FactScore {
    let mut raised: Vec<(&str, f64)> = events
        .iter()
        .filter_map(|e| match &e.subject {
            Subject::Track { direction: Some(d), .. } => Some((*d, seconds(e.at, start))),
            _ => None,
        })
        .collect();
    let mut expected: Vec<(&str, f64)> = line.crossings().map(|(way, t)| (direction(line, way), t)).collect();
    expected.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut score = Score { expected: expected.len(), ..Score::default() };
    let mut notes = Vec::new();
    for (way, t) in expected {
        let nearest = raised
            .iter()
            .enumerate()
            .filter(|(_, (w, at))| *w == way && (at - t).abs() <= tolerance_s)
            .min_by(|a, b| (a.1.1 - t).abs().total_cmp(&(b.1.1 - t).abs()))
            .map(|(i, _)| i);
        match nearest {
            Some(i) => {
                raised.swap_remove(i);
                score.found += 1;
            }
            None => notes.push(format!("missed {way} at {t:.2}")),
        }
    }
    score.extra = raised.len();
    notes.extend(raised.iter().map(|(way, t)| format!("extra {way} at {t:.2}")));
    FactScore { rule: line.name.clone(), score, notes }
}

fn score_spans(zone: &ZoneTruth, found: &[[f64; 2]], tolerance_s: f64) -> FactScore {
    let near = |a: f64, b: f64| (a - b).abs() <= tolerance_s;
    let mut left: Vec<[f64; 2]> = found.to_vec();
    let mut score = Score { expected: zone.occupied.len(), ..Score::default() };
    let mut notes = Vec::new();
    for [from, to] in &zone.occupied {
        match left.iter().position(|s| near(s[0], *from) && near(s[1], *to)) {
            Some(i) => {
                left.remove(i);
                score.found += 1;
            }
            None => notes.push(format!("missed {from:.2}..{to:.2}")),
        }
    }
    score.extra = left.len();
    notes.extend(left.iter().map(|s| format!("extra {:.2}..{:.2}", s[0], s[1])));
    FactScore { rule: zone.name.clone(), score, notes }
}

fn point([x, y]: [f32; 2]) -> Point {
    Point::new(x, y)
}

fn anchor(a: AnchorTruth) -> Anchor {
    match a {
        AnchorTruth::Foot => Anchor::Foot,
        AnchorTruth::Centre => Anchor::Center,
    }
}

fn polygon(zone: &ZoneTruth) -> anyhow::Result<Polygon> {
    Polygon::new(zone.polygon.iter().copied().map(point).collect())
        .with_context(|| format!("zone '{}'", zone.name))
}
