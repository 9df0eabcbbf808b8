//! Access units to pictures, by GStreamer. Imports `base`, `media`, `camera`.
//!
//! A [`Decoder`] has no thread and no queue of its own: it decodes on the thread that calls
//! [`Decoder::push`], and whoever has work for it bounds that work. 500 cameras then do not mean
//! a thousand threads, and a slow decoder holds back exactly its own caller.

pub mod decoder;
pub mod error;
pub mod follow;
pub mod keyframes;
pub mod settings;
mod annex_b;
mod gate;
mod select;
mod timeline;
#[cfg(test)]
pub(crate) mod testing;

pub use decoder::{Decoder, Sink};
pub use error::Error;
pub use follow::{FollowDecoder, Leases};
pub use keyframes::KeyframeDecoder;
pub use select::available;
pub use settings::{Mode, Pictures, Profile};
