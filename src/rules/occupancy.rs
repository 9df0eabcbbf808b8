//! When a zone was occupied, read off the events of its intrusion rule.

use crate::base::{Wall, WallSpan};

use super::event::{Edge, RuleEvent, Subject};
use super::spec::RuleId;

/// Spans in which at least one visit of `rule` went on, in order and apart. Visits overlap (two
/// people in the zone): a span is from the first beginning to the last end. A visit that has no end
/// yet lasts until `until`. Visits that cooldown or schedule kept silent are not seen.
pub fn occupied(events: &[RuleEvent], rule: &RuleId, until: Wall) -> Vec<WallSpan> {
    let of_rule = || events.iter().filter(|e| e.rule == *rule);
    let key = |s: &Subject| match s {
        Subject::Track { id, .. } => Some(*id),
        _ => None,
    };
    let end_of = |begin: &RuleEvent| {
        of_rule()
            .filter(|e| e.edge == Edge::End && key(&e.subject) == key(&begin.subject) && e.at >= begin.at)
            .map(|e| e.at)
            .min()
    };
    let mut visits: Vec<WallSpan> = of_rule()
        .filter(|e| e.edge == Edge::Begin)
        .map(|b| WallSpan::new(b.at, end_of(b).unwrap_or(until)))
        .collect();
    visits.sort_by_key(|s| s.start);
    let mut spans: Vec<WallSpan> = Vec::new();
    for v in visits {
        match spans.last_mut() {
            Some(last) if v.start <= last.end => last.end = last.end.max(v.end),
            _ => spans.push(v),
        }
    }
    spans
}
