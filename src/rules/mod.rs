//! What an operator wants to be told. Imports `track`.
//!
//! A [`RuleSet`] holds the rules of one camera. Each kind of rule stands in a file of its own and
//! makes findings; `outlet` decides which of them are told (schedule, cooldown). Nothing here reads
//! a clock: times come with what is seen. `docs/RULES.md` says what each rule means.

mod camera_lost;
mod crowd;
pub mod event;
mod face_seen;
mod intrusion;
mod left_object;
mod line_crossing;
mod loitering;
mod motion;
pub mod occupancy;
mod outlet;
pub mod rule_set;
mod schedule;
mod sight;
pub mod spec;
mod still;
mod tamper;
mod under_watched;
mod visits;
mod wrong_way;

#[cfg(test)]
mod tests;

pub use event::{Edge, RuleEvent, Seen, Subject};
pub use occupancy::occupied;
pub use rule_set::RuleSet;
pub use spec::{Anchor, Direction, Heading, Limits, RuleId, RuleKind, RuleSpec, Schedule, Severity};
