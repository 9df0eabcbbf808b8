//! Watching: from the access units of all cameras to alerts, with as many threads as there are cores.
//!
//! ```text
//! ingest ─units─▶ [queue per camera] ─▶ gate thread, on a tick: ring, verdict, rules' sense of time
//!                                           │ attention, offers
//!                                           ▼
//!                        desk: scheduler ─jobs─▶ look-N: decode → motion → models → tracks → rules
//! ```
//!
//! An idle camera is *looked* at: its newest keyframe is decoded now and then. When the gate or a look finds
//! that something moves, the camera is *followed*: decoding begins with the keyframe of the last look, which the ring
//! has kept, so what happened before the decision is seen too, late but not lost.
//!
//! | file | idea |
//! |---|---|
//! | `analysis` | one camera: what others hold of it |
//! | `feed` | its stream: ring and gate |
//! | `attending` | whether it is followed; pure |
//! | `eyes` | its pictures: decoder, motion, what was seen |
//! | `stir`, `stays` | what in its pictures keeps it followed; pure |
//! | `glance` | one picture, from pixels to what rules say |
//! | `job` | a look, a follow: what a worker does with it |
//! | `recorded` | the same with recorded video, as fast as it can be done |
//! | `desk` | all cameras, and who works on which |
//! | `threads` | the threads |
//! | `models` | the models of a worker |
//! | `figures` | what it is counted by |

mod analysis;
mod attending;
mod desk;
mod eyes;
mod feed;
mod figures;
mod glance;
mod job;
mod models;
mod recorded;
mod setup;
mod stays;
mod stir;
mod threads;

#[cfg(test)]
mod tests;

pub use analysis::{Analysis, Shared};
pub use desk::Desk;
pub use figures::AnalysisFigures;
pub use models::{Loaded, Models};
pub use recorded::Recorded;
pub use setup::in_force;
pub use threads::start;
