//! Which camera is worked on next. Pure: time comes in, nothing is started here.
//!
//! **Earliest deadline first** over all cameras (Liu & Layland 1973): a camera is owed a look every
//! `look_every` while idle, a frame every `1/fps` while followed. Workers pull jobs; a camera has at
//! most one job at a time, and none without something offered to look at.
//!
//! **When the machine is too small, all periods grow by one factor**, the stretch (Buttazzo et al.,
//! "Elastic scheduling for flexible workload management", 2002), so that rates shrink evenly; those of looks by a
//! fifth less. It is computed from measured costs, not searched for by trial (`plan`), and applied by letting the
//! time in which periods count run slower (`pace`): a changed stretch moves all deadlines at once
//! and touches no queue. `docs/adr/0004` tells why.
//!
//! | file | idea |
//! |---|---|
//! | `scheduler` | the cameras and their jobs |
//! | `camera` | one camera: when it is due, what is offered |
//! | `pace` | time that runs slower the larger the stretch is |
//! | `line` | who waits for their time, and who for a worker |
//! | `cost` | what a camera's jobs cost, and what it asks of the machine |
//! | `plan` | demand against capacity: the stretch, and whether following is affordable |
//! | `tally` | what a camera was owed and what it got |

mod camera;
mod cost;
mod line;
mod pace;
mod plan;
mod scheduler;
mod slots;
mod tally;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use cost::Spent;
pub use scheduler::{Job, JobKind, Load, Offer, Scheduler, Settings};
pub use slots::Slot;
