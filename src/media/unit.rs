//! The encoded access unit: what ingest hands to the recorder and to decoding.

use std::sync::Arc;

use bytes::Bytes;

use super::params::Params;
use super::time::Pts;
use crate::base::queue::Weigh;
use crate::base::{CameraId, StreamKind, Wall};

/// One access unit (a coded picture, or one AAC frame) as it came from the source, undecoded.
#[derive(Clone, Debug)]
pub struct EncodedUnit {
    pub camera: CameraId,
    pub stream: StreamKind,
    /// Counts the source's connections: units of one connection share a time line (`pts`) and a
    /// loss history; a new number means that nothing of the older one continues.
    pub connection: u32,
    /// Presentation time on the connection's time line. Video: decoding order = order of arrival.
    pub pts: Pts,
    /// Decoding time; equals `pts` unless the stream has B frames. Never decreases within a
    /// connection and track.
    pub dts: Pts,
    /// Server time (UTC) of this unit: its arrival, smoothed against `pts` so that the network's
    /// jitter does not show. Never decreases within a connection.
    pub received: Wall,
    /// Decoding can start here (IDR, or an intra-coded random-access picture: CRA, BLA).
    /// Always true for audio.
    pub key: bool,
    /// RTP packets that were lost between the unit before and this one.
    pub lost_before: u32,
    /// Codec parameters in force for this unit. A change is a new `Arc`.
    pub params: Arc<Params>,
    /// Video: NAL units, each with its length in 4 bytes, big endian, in front (ISO 14496-15).
    /// Audio: one raw AAC frame.
    pub data: Bytes,
}

impl EncodedUnit {
    pub fn is_video(&self) -> bool {
        matches!(*self.params, Params::Video(_))
    }
}

impl Weigh for EncodedUnit {
    fn weight(&self) -> usize {
        // The unit's own fields and its place in a queue.
        self.data.len() + 160
    }
}
