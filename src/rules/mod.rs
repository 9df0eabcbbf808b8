//! What an operator wants to be told. Imports `track`.

pub mod event;
pub mod spec;

pub use event::{RuleEvent, Subject};
pub use spec::{Anchor, Direction, RuleId, RuleKind, RuleSpec, Schedule, Severity};
