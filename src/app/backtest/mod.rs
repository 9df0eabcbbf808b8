//! Rules tried on the past, and alerts decided once more.
//!
//! What the tracker was told of every frame is kept ([`crate::archive::observations`]). A rule that looks for
//! nothing else is tried by telling it to tracker and rules again; where nothing was kept, or the rule wants what
//! nobody looked for, the recording is decoded and watched like a camera.
//!
//! | file | idea |
//! |---|---|
//! | `past` | what is known of the past: stores and settings |
//! | `plan` | which time is answered from what; pure |
//! | `retell` | what was seen, told to tracker and rules again |
//! | `trial` | one camera: pieces of time through tracker and rules |
//! | `compare` | what would be told beside what was; pure |
//! | `picture` | the picture of a moment, from the recording |
//! | `run` | all cameras, on as many threads as are given |
//! | `replay` | one alert once more |
//! | `command`, `page` | on the command line, and as a page |
//! | `jobs` | within the server |

mod command;
mod compare;
mod jobs;
mod page;
mod past;
mod picture;
mod plan;
mod replay;
mod retell;
mod run;
mod trial;

#[cfg(test)]
mod tests;

pub use command::{BacktestArgs, ReplayArgs, backtest, replay};
pub use jobs::Jobs;
pub use past::Past;
