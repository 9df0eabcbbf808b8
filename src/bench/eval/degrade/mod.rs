//! Footage made worse on purpose: what a camera at a low rate, with a bad encoder or at night would show of
//! the same scene, so that the truth still holds.
//!
//! `kind` says what can be done to a clip, `pixels` changes pictures, `make` writes the clip.

mod kind;
mod make;
mod pixels;

pub use kind::{Degradation, Degradations};
pub use make::{Degraded, make};
