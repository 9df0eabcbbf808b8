//! What a stream comes from.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::media::Params;

use super::error::Error;

/// One access unit as the source has it, on the source's own time line.
#[derive(Clone, Debug)]
pub struct SourceUnit {
    /// Presentation time, 90 kHz ticks from any origin; the same origin for video and audio.
    pub pts: i64,
    /// Decoding time where the source knows it (files do, RTP does not).
    pub dts: Option<i64>,
    pub key: bool,
    pub lost_before: u32,
    /// The same `Arc` as long as nothing changed.
    pub params: Arc<Params>,
    /// As in [`EncodedUnit::data`](crate::media::EncodedUnit::data).
    pub data: Bytes,
}

/// An open source of access units.
pub trait Source: Send {
    /// The next access unit in decoding order; `None` at the end of the footage. A live source never
    /// ends well: that its camera closed the connection is an error. May be cancelled between units
    /// without losing one.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<SourceUnit>, Error>>;

    /// Say goodbye to the other side (RTSP TEARDOWN), taking at most about two seconds.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}
