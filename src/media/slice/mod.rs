//! Slice headers of H.264 and H.265, read and changed without decoding a picture.
//!
//! [`Headers`] reads what a slice says of itself, and makes units whose pictures are decoded without the loop
//! filter ([`Headers::unfiltered`]). Nothing here trusts a byte of the stream.

mod bits;
mod h264;
mod h265;
mod h265_refs;
mod headers;
mod unfiltered;

pub use headers::{Headers, Kind, Picture, probe};
