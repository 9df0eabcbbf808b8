//! Media time.

use std::time::Duration;

/// Presentation time in ticks of 90 kHz, the RTP clock of video (RFC 6184 §5.1, RFC 7798 §4.1).
/// Counted from the start of a connection; never wraps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Pts(pub i64);

impl Pts {
    pub const HZ: i64 = 90_000;

    pub fn from_micros(us: i64) -> Self {
        Pts((us as i128 * 9 / 100) as i64)
    }

    pub fn micros(self) -> i64 {
        (self.0 as i128 * 100 / 9) as i64
    }

    /// `self - earlier`, zero when `earlier` is later.
    pub fn since(self, earlier: Pts) -> Duration {
        Duration::from_micros(Pts(self.0 - earlier.0).micros().max(0) as u64)
    }
}
