//! `pingan eval`: what the server finds on clips whose truth is known. The clips run through the
//! same decoder, models, tracker and rules as a camera's stream, as fast as the machine allows.
//!
//! `command` is what can be asked for; `run` plays all clips; `truth` reads the truth files; `facts`
//! turns a clip's truth into rules and compares what they said; `floors` says what must be reached;
//! `detections` compares boxes on single frames, `precision` sums them up; `play` runs a clip; `report`
//! prints; `tracks` compares tracks.

pub mod command;
pub mod detections;
pub mod facts;
pub mod floors;
#[cfg(test)]
mod phases;
pub mod play;
pub mod precision;
pub mod report;
pub mod run;
pub mod tracks;
pub mod truth;

pub use command::{EvalArgs, run};
