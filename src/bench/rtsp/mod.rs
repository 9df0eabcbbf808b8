//! A small RTSP 1.0 server (RFC 2326) that plays clips as cameras would: for the demo, for tests of
//! ingest with faults on demand, and as a load generator that must cost far less than what it loads.
//!
//! How it stays cheap: a clip is cut into RTP packets once ([`packets`]); sending an access unit is
//! one copy, a patch of sequence number, timestamp and SSRC in each packet, and one `write`. All
//! sessions stand on the tick of a few `pacer` tasks; a session has no timer of its own.

pub mod packets;
mod auth;
mod connection;
mod message;
mod mount;
mod outlet;
mod pacer;
mod player;
mod sdp;
mod server;
#[cfg(test)]
mod tests;

pub use auth::{Auth, AuthScheme};
pub use mount::{Begun, Mount, MountStats, Start};
pub use server::{Loss, Send, SimError, SimOptions, SimServer};
