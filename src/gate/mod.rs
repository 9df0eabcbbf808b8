//! What is worth decoding, and in which order. Imports `base`, `media`, `camera`.
//!
//! [`Gate`] says from the compressed stream alone whether something moves; [`Ring`] keeps what may yet be
//! decoded; [`schedule`] says which camera is worked on next.
//!
//! # The gate
//!
//! An encoder spends on a predicted picture what differs from the pictures before it. That effort
//! stands in the stream for nothing: the bytes of the slices, and in their headers the QP that the
//! bytes have to be read with. [`crate::media::slice`] reads both (ITU-T H.264 §7.3.3, H.265 §7.3.6.1), `activity`
//! makes a level of effort out of them over a fifth of a second, `calm` knows what level is usual
//! while nothing moves, [`Gate`] compares. The
//! ratio from calm to motion runs from 1.2 to 16 between cameras (measured), so no fixed threshold
//! works: calm is learnt per camera.
//!
//! - **Calm level**: a low quantile of the last one and a half minutes, and one for each quarter of a
//!   second of the GOP, because what rate controls do after a keyframe repeats.
//! - **Threshold**: above calm by as much as calm strays, within narrow limits; looks at decoded
//!   pictures ([`Gate::looked`]) move it both ways, further where motion was missed.
//! - **Learning** lasts five seconds, longer while looks see motion. Whoever starts in motion without
//!   a look takes it for calm until it ends.
//! - **Constant bitrate**: sizes are held and the QP speaks. Where both are held, or looks keep finding
//!   motion that did not show, [`Gate::says_little`].
//!
//! What the gate misses, the periodic look at a keyframe finds; what it follows for nothing costs
//! decoding only. Nothing here reads a clock, allocates per unit, or trusts a byte of the stream.

mod activity;
mod calm;
mod rate;
pub mod ring;
pub mod schedule;
mod verdict;

pub use ring::Ring;
pub use verdict::{Gate, Verdict};

#[cfg(test)]
mod tests;
