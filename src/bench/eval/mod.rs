//! `pingan eval`: what the server finds on clips whose truth is known. The clips run through the
//! same decoder, models, tracker and rules as a camera's stream, as fast as the machine allows.
//!
//! `command` is what can be asked for; `run` plays all clips, `job` one of them; `truth` reads the truth
//! files; `facts` turns a clip's truth into rules, `judge` holds what they said against it; `detections`
//! compares boxes on single frames, `precision` sums them up; `pictures` decodes a clip, `play` watches it;
//! `degrade` makes footage worse; `sum` and `report` tell what was found, `sheet` shows it; `floors` says what
//! must be reached; `tracks` compares tracks.

pub mod checks;
mod command;
pub mod degrade;
pub mod detections;
pub mod facts;
pub mod floors;
pub mod job;
pub mod judge;
#[cfg(test)]
mod phases;
pub mod pictures;
pub mod play;
pub mod precision;
pub mod report;
pub mod run;
pub mod sheet;
pub mod sum;
pub mod tracks;
pub mod truth;
#[cfg(test)]
mod validation;

pub use command::{EvalArgs, run};
