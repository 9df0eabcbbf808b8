//! One rising time line for the decoder, and the way back from its times to the access units'.

use std::collections::BTreeMap;

use crate::base::Wall;
use crate::media::{EncodedUnit, Pts};

/// Room before the first picture for decoding times that lie before presentation, and between
/// connections, nanoseconds.
const LEAD_NS: i64 = 10_000_000_000;
/// Pictures a decoder may hold (16 in both codecs) and some that it swallowed.
const MAX_PENDING: usize = 64;

/// Maps access units to decoder times (nanoseconds) and back. Decoders put pictures into
/// presentation order and may swallow damaged ones, so counting does not do.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    connection: Option<u32>,
    /// `pts` of the connection's first unit, and the decoder time it got.
    origin: (i64, i64),
    /// Latest decoder time handed out.
    latest: i64,
    /// By decoder time: units whose picture has not come out.
    pending: BTreeMap<i64, (Pts, Wall)>,
}

impl Timeline {
    /// Decoder times (presentation, decoding) of a unit that goes in.
    pub fn enter(&mut self, unit: &EncodedUnit) -> (u64, u64) {
        if self.connection != Some(unit.connection) {
            self.connection = Some(unit.connection);
            self.origin = (unit.pts.0, self.latest + LEAD_NS);
        }
        let time = |pts: Pts| {
            let ticks = (pts.0 - self.origin.0) as i128;
            (self.origin.1 + (ticks * 100_000).div_euclid(9) as i64).max(0)
        };
        let (pts, dts) = (time(unit.pts), time(unit.dts));
        self.latest = self.latest.max(pts);
        self.pending.insert(pts, (unit.pts, unit.received));
        if self.pending.len() > MAX_PENDING {
            self.pending.pop_first();
        }
        (pts as u64, dts as u64)
    }

    /// The unit behind the picture that came out at `ns`. Earlier ones will not come any more.
    pub fn leave(&mut self, ns: u64) -> Option<(Pts, Wall)> {
        let later = self.pending.split_off(&(ns as i64 + 1));
        std::mem::replace(&mut self.pending, later).pop_last().map(|(_, unit)| unit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::base::{CameraId, StreamKind};
    use crate::media::{AudioParams, Params};

    fn unit(connection: u32, pts: i64) -> EncodedUnit {
        let params =
            AudioParams { sample_rate: 1, channels: 1, config: Bytes::new(), rfc6381: String::new() };
        EncodedUnit {
            camera: CameraId::new("t").unwrap(),
            stream: StreamKind::Main,
            connection,
            pts: Pts(pts),
            dts: Pts(pts),
            received: Wall(pts),
            key: true,
            lost_before: 0,
            params: Arc::new(Params::Audio(params)),
            data: Bytes::new(),
        }
    }

    #[test]
    fn reordered_and_swallowed_pictures_find_their_units() {
        let mut line = Timeline::default();
        let ns: Vec<u64> = [0, 9000, 3000, 6000].map(|p| line.enter(&unit(1, p)).0).into();
        assert_eq!(line.leave(ns[0]), Some((Pts(0), Wall(0))));
        assert_eq!(line.leave(ns[3]), Some((Pts(6000), Wall(6000))));
        assert_eq!(line.leave(ns[1]), Some((Pts(9000), Wall(9000))));
        assert_eq!(line.leave(ns[2]), None, "3000 was passed over");
    }

    #[test]
    fn a_new_connection_goes_on_later_though_its_times_begin_anew() {
        let mut line = Timeline::default();
        let old = line.enter(&unit(1, 1_000_000)).0;
        let new = line.enter(&unit(2, -5)).0;
        assert!(new > old);
        assert_eq!(line.leave(new), Some((Pts(-5), Wall(-5))));
    }
}
