//! Gives each access unit its place in time: presentation and decoding time counted from the
//! connection's start, and server time.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{Mono, Wall};
use crate::media::{Params, Pts};

use super::arrival::{Arrival, Smoothed};
use super::dts::DecodingTimes;
use super::headers::reordering;
use super::source::SourceUnit;

/// Stream time that goes back by more than this, or runs ahead of the server's clock by more than
/// this between two units, has leapt: the camera's clock was set, or its counter began anew.
const LEAP: Duration = Duration::from_secs(5);

/// Which server time units get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// That of arrival, smoothed.
    Arrival,
    /// That of the first unit, plus stream time: for footage played faster than it happened.
    Stream,
}

/// A unit's place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub pts: Pts,
    pub dts: Pts,
    pub received: Wall,
}

/// Stamps the units of one connection. No I/O.
#[derive(Debug)]
pub struct Stamper {
    timing: Timing,
    /// The source's time that is 0 here.
    zero: Option<i64>,
    tracks: [Track; 2],
    arrival: Arrival,
    start: Option<(Wall, i64)>,
    last_received: Wall,
}

#[derive(Debug, Default)]
struct Track {
    /// What leaps have moved this track's time by.
    shift: i64,
    last: Option<(i64, Mono)>,
    decoding: DecodingTimes,
    params: Option<Arc<Params>>,
    last_dts: Option<i64>,
}

/// The server's clock was set back: the connection's line of units must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetBack;

impl Stamper {
    pub fn new(timing: Timing) -> Self {
        Stamper {
            timing,
            zero: None,
            tracks: Default::default(),
            arrival: Arrival::default(),
            start: None,
            last_received: Wall::MIN,
        }
    }

    /// Stamps the next unit in order of arrival. After [`SetBack`] a new `Stamper` is needed.
    pub fn stamp(&mut self, unit: &SourceUnit, wall: Wall, now: Mono) -> Result<Stamp, SetBack> {
        let zero = *self.zero.get_or_insert(unit.pts);
        let is_video = unit.params.video().is_some();
        let track = &mut self.tracks[usize::from(is_video)];
        let pts = match self.timing {
            Timing::Arrival => track.without_leaps(unit.pts - zero, now),
            Timing::Stream => unit.pts - zero,
        };
        let dts = track.decoding_time(unit, pts, zero);
        let received = match self.timing {
            Timing::Stream => {
                let (start, first) = *self.start.get_or_insert((wall, dts));
                Wall(start.0 + Pts(dts - first).micros())
            }
            Timing::Arrival => {
                let Smoothed { received, set_back } = self.arrival.smooth(Pts(dts).micros(), wall, now);
                if set_back {
                    return Err(SetBack);
                }
                received
            }
        };
        self.last_received = self.last_received.max(received);
        Ok(Stamp { pts: Pts(pts), dts: Pts(dts), received: self.last_received })
    }
}

impl Track {
    /// Time `t` with leaps taken out: after one, time goes on as the server's clock says.
    fn without_leaps(&mut self, t: i64, now: Mono) -> i64 {
        let leap = Pts::from_micros(LEAP.as_micros() as i64).0;
        if let Some((last, at)) = self.last {
            let passed = Pts::from_micros(now.since(at).as_micros() as i64).0;
            let moved = t + self.shift - last;
            if moved < -leap || moved - passed > leap {
                self.shift -= moved - passed.max(1);
                self.decoding.jump();
            }
        }
        self.last = Some((t + self.shift, now));
        t + self.shift
    }

    fn decoding_time(&mut self, unit: &SourceUnit, pts: i64, zero: i64) -> i64 {
        if !self.params.as_ref().is_some_and(|p| Arc::ptr_eq(p, &unit.params)) {
            if let Some(video) = unit.params.video() {
                let depth = reordering(video.codec, &video.config).and_then(|r| r.depth);
                self.decoding.declare(depth);
            }
            self.params = Some(unit.params.clone());
        }
        let dts = match unit.dts {
            Some(dts) => dts - zero,
            None if unit.params.video().is_some() => self.decoding.next(pts),
            None => pts,
        };
        let dts = self.last_dts.map_or(dts, |last| dts.max(last));
        self.last_dts = Some(dts);
        dts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{AudioParams, Codec, VideoParams};
    use bytes::Bytes;

    const SECOND: i64 = Pts::HZ;

    fn video() -> Arc<Params> {
        Arc::new(Params::Video(VideoParams {
            codec: Codec::H264,
            width: 64,
            height: 64,
            config: Bytes::new(),
            rfc6381: String::new(),
        }))
    }

    fn audio() -> Arc<Params> {
        Arc::new(Params::Audio(AudioParams {
            sample_rate: 8000,
            channels: 1,
            config: Bytes::new(),
            rfc6381: String::new(),
        }))
    }

    fn unit(params: &Arc<Params>, pts: i64) -> SourceUnit {
        let params = params.clone();
        SourceUnit { pts, dts: None, key: true, lost_before: 0, params, data: Bytes::new() }
    }

    /// Stamps video units of `pts` seconds at `at` seconds; the times that come out, in seconds.
    fn check(units: &[(i64, i64)], expected: &[i64]) {
        let params = video();
        let mut stamper = Stamper::new(Timing::Arrival);
        let stamped: Vec<i64> = units
            .iter()
            .map(|&(pts, at)| {
                let now = Mono(Duration::from_secs(at as u64));
                let s = stamper.stamp(&unit(&params, pts * SECOND), Wall::from_secs(at), now).unwrap();
                assert_eq!(s.pts, s.dts);
                s.pts.0 / SECOND
            })
            .collect();
        assert_eq!(stamped, expected);
    }

    #[test]
    fn time_counts_from_the_first_unit() {
        check(&[(100, 0), (101, 1), (102, 2)], &[0, 1, 2]);
    }

    #[test]
    fn a_leap_of_the_camera_clock_is_taken_out() {
        check(&[(100, 0), (101, 1), (9_000, 2), (9_001, 3)], &[0, 1, 2, 3]);
        check(&[(9_000, 0), (9_001, 1), (3, 2), (4, 3)], &[0, 1, 2, 3]);
    }

    #[test]
    fn an_outage_within_a_connection_is_no_leap() {
        check(&[(100, 0), (101, 1), (161, 61), (162, 62)], &[0, 1, 61, 62]);
    }

    #[test]
    fn sound_and_picture_share_zero_and_received_never_decreases() {
        let (v, a) = (video(), audio());
        let mut stamper = Stamper::new(Timing::Arrival);
        let mut last = Wall::MIN;
        for (params, pts, ms) in [(&v, 900, 0), (&a, 0, 1), (&v, 4_500, 40), (&a, 1_800, 41)] {
            let now = Mono(Duration::from_millis(ms));
            let s = stamper.stamp(&unit(params, pts), Wall(ms as i64 * 1_000), now).unwrap();
            assert_eq!(s.pts.0, pts - 900);
            assert!(s.received >= last);
            last = s.received;
        }
    }

    #[test]
    fn fast_footage_is_received_at_its_own_times() {
        let params = video();
        let mut stamper = Stamper::new(Timing::Stream);
        let mut at = |pts| {
            let now = Mono(Duration::from_micros(1));
            stamper.stamp(&unit(&params, pts * SECOND), Wall::from_secs(50), now).unwrap().received
        };
        assert_eq!([at(7), at(8), at(20)], [50, 51, 63].map(Wall::from_secs));
    }

    #[test]
    fn a_server_clock_set_back_ends_the_line() {
        let params = video();
        let mut stamper = Stamper::new(Timing::Arrival);
        let mut at = |pts: i64, wall| {
            let now = Mono(Duration::from_secs(pts as u64));
            stamper.stamp(&unit(&params, pts * SECOND), Wall::from_secs(wall), now)
        };
        at(0, 5_000).unwrap();
        assert_eq!(at(1, 1_401), Err(SetBack));
    }
}
