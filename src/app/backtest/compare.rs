//! What would be told beside what was. Pure.

use std::time::Duration;

use crate::alerts::{Alert, AlertBox};
use crate::api::{Counts, Standing, TrialAlert, TrialBox};
use crate::base::Wall;
use crate::rules::Severity;

/// So far apart two alerts of the same rule may be and be about the same: a decoded main stream shows things a
/// little earlier or later than the sub stream that was watched.
const SAME: Duration = Duration::from_secs(2);

/// An alert that would be raised.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Told {
    pub rule: String,
    pub kind: &'static str,
    pub severity: Severity,
    pub at: Wall,
    pub ended: Option<Wall>,
    pub message: String,
    pub boxes: Vec<AlertBox>,
    pub direction: Option<&'static str>,
}

/// Join what would be told of a camera with what was, by time. Both are of rules that were tried.
pub(super) fn compare(told: Vec<Told>, raised: Vec<Alert>) -> (Vec<TrialAlert>, Counts) {
    let mut pairs = Vec::new();
    for (t, would) in told.iter().enumerate() {
        for (r, was) in raised.iter().enumerate() {
            let apart = would.at.since(was.at).max(was.at.since(would.at));
            let alike = would.kind == was.kind && would.direction == was.direction.as_deref();
            if alike && apart <= SAME {
                // A rule that was renamed still tells the same, but its namesake comes first.
                pairs.push((would.rule != was.rule.0, apart, t, r));
            }
        }
    }
    pairs.sort_unstable();
    let (mut of_told, mut of_raised) = (vec![None; told.len()], vec![false; raised.len()]);
    for (_, _, t, r) in pairs {
        if of_told[t].is_none() && !of_raised[r] {
            (of_told[t], of_raised[r]) = (Some(r), true);
        }
    }
    let mut out: Vec<TrialAlert> = Vec::new();
    for (would, pair) in told.into_iter().zip(of_told) {
        out.push(would.shown(pair.map(|r: usize| raised[r].id.to_string())));
    }
    let gone = raised.iter().zip(of_raised).filter(|(_, paired)| !paired);
    out.extend(gone.map(|(was, _)| shown(was)));
    out.sort_by_key(|a| a.at);
    let count = |s: Standing| out.iter().filter(|a| a.standing == s).count();
    let counts =
        Counts { kept: count(Standing::Kept), new: count(Standing::New), gone: count(Standing::Gone) };
    (out, counts)
}

impl Told {
    fn shown(self, alert: Option<String>) -> TrialAlert {
        TrialAlert {
            standing: if alert.is_some() { Standing::Kept } else { Standing::New },
            rule: self.rule,
            kind: self.kind.into(),
            severity: self.severity,
            at: self.at,
            ended: self.ended,
            message: self.message,
            boxes: self.boxes.iter().map(shown_box).collect(),
            direction: self.direction.map(str::to_owned),
            alert,
            picture: None,
        }
    }
}

fn shown(was: &Alert) -> TrialAlert {
    TrialAlert {
        standing: Standing::Gone,
        rule: was.rule.0.clone(),
        kind: was.kind.clone(),
        severity: was.severity,
        at: was.at,
        ended: was.ended,
        message: was.message.clone(),
        boxes: was.boxes.iter().map(shown_box).collect(),
        direction: was.direction.clone(),
        alert: Some(was.id.to_string()),
        picture: None,
    }
}

fn shown_box(b: &AlertBox) -> TrialBox {
    let r = b.bbox;
    TrialBox { class: b.class, score: b.score, x1: r.x1, y1: r.y1, x2: r.x2, y2: r.y2 }
}
