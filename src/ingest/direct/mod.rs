//! Our own RTSP client, for the many cameras that keep to the rules: RTSP 1.0 (RFC 2326) with RTP
//! interleaved in its connection or over UDP, H.264 (RFC 6184), H.265 (RFC 7798) and AAC (RFC 3640).
//!
//! It is there for its cost. A connection is read into one buffer that all connections of the thread
//! share, packets are looked at where they lie, and each payload is copied once: into the access unit
//! it belongs to. A camera keeps nothing but the unit it is in the middle of and a torn packet.
//!
//! | file | what |
//! |---|---|
//! | [`message`], [`answers`], [`sdp`] | the texts of the dialogue |
//! | [`signalling`] | the dialogue: log in, DESCRIBE, SETUP, PLAY, TEARDOWN |
//! | [`rtp`] | packet header, order, time |
//! | [`h264`], [`h265`], [`aac`] | payloads |
//! | [`sets`], [`hevc`] | parameter sets and decoder configuration records |
//! | [`video`] | access units from packets |
//! | [`stream`] | bytes of a connection to access units |
//! | [`datagrams`], [`reorder`] | UDP |
//! | [`source`] | all together as a [`Source`](super::Source) |
//!
//! What it does not know (interleaved packetisation, start codes within packets) is
//! [`Odd::Unsupported`], which becomes [`Error::Protocol`](super::Error): the supervisor then lets
//! another client try.

pub mod aac;
pub mod answers;
pub mod datagrams;
pub mod h264;
pub mod h265;
pub mod hevc;
pub mod message;
pub mod odd;
pub mod reorder;
pub mod rtp;
pub mod sdp;
pub mod sets;
pub mod signalling;
pub mod source;
pub mod stream;
pub mod video;

pub use odd::Odd;
pub use source::{DirectSource, Wanted};
