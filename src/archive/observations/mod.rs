//! What was seen, kept beside the recordings: of each frame that was analysed, what the tracker was told.
//! A rule can then be tried on yesterday without decoding yesterday, and an alert be decided once more.
//!
//! | file | idea |
//! |---|---|
//! | `grid` | numbers as they are kept; decisions are made from these, so that nothing is lost by keeping them |
//! | `block` | some minutes of one camera as bytes |
//! | `journal` | the block that is being written |
//! | `store` | SQLite: blocks by camera and time |

mod block;
mod grid;
mod journal;
mod store;

pub use block::{Block, Entry, Look};
pub use grid::on_grid;
#[cfg(test)]
pub(crate) use journal::keep;
pub use journal::{Journal, Keeper};
pub use store::Observations;
