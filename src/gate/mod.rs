//! From the compressed stream alone: does something move?

mod activity;
mod bits;
mod calm;
mod h264;
mod h265;
mod h265_refs;
mod rate;
pub mod slice;
mod verdict;

pub use verdict::{Gate, Verdict};
