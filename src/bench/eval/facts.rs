//! A clip's truth as rules.

use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use crate::infer::Class;
use crate::media::{Point, Polygon};
use crate::rules::{Anchor, Direction, RuleId, RuleKind, RuleSpec, Severity};

use super::truth::{AnchorTruth, ClipTruth, LoiterTruth, ZoneTruth};

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

/// The rules that put a clip's truth to the test. Ids: a line's or zone's name, `<zone>-loiter-<s>`, `anybody`,
/// `face`.
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
        let dwell = Duration::try_from_secs_f64(truth.threshold_s)?;
        let kind = RuleKind::Loitering { zone: polygon(zone)?, anchor: anchor(zone.anchor), dwell };
        rules.push(rule(&loiter_id(truth), kind, subject));
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

pub(super) fn loiter_id(truth: &LoiterTruth) -> String {
    format!("{}-loiter-{}", truth.zone, truth.threshold_s)
}

pub(super) fn point([x, y]: [f32; 2]) -> Point {
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
