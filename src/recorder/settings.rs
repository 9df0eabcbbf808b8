//! Settings of the recorder.

use std::time::Duration;

#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// A segment is closed at the first keyframe after this long.
    pub segment: Duration,
    /// A fragment is written at the next keyframe, or at the latest after this long, so that a
    /// camera with a long GOP loses little when the server dies.
    pub max_fragment: Duration,
    /// Bytes waiting for a disk, over all its cameras. Beyond them the unit is refused and a gap
    /// with cause `overload` or `disk` is entered.
    pub queue_bytes: usize,
    /// Bytes of the open fragment of one camera; beyond them it is written early.
    pub max_fragment_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            segment: Duration::from_secs(60),
            max_fragment: Duration::from_secs(10),
            queue_bytes: 256 << 20,
            max_fragment_bytes: 16 << 20,
        }
    }
}
