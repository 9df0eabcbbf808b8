//! `pingan eval tracks`: how well tracks hold on to whom they follow, from MOT text files.
//!
//! `mot` reads the files; `truth` is what tracks are held against; `clear` and `identity` are the two
//! usual measures, pure; `score` holds one run's figures of both; `replay` lets the tracker follow given
//! detections; `run` is the command.

pub mod clear;
pub mod identity;
pub mod mot;
#[cfg(test)]
mod rates;
pub mod replay;
pub mod run;
pub mod score;
pub mod truth;

pub use run::{TracksArgs, run};
