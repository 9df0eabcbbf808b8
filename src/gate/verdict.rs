//! From access units to a verdict.

use std::sync::Arc;
use std::time::Duration;

use super::activity::Activity;
use super::calm::Calm;
use super::slice::Headers;
use crate::base::Wall;
use crate::media::{EncodedUnit, Params, Pts};

/// Below this part of the threshold it is calm again, once it has been so for [`HOLD`].
const CALM_AGAIN: f32 = 0.7;
const HOLD: Duration = Duration::from_millis(1500);
/// Units further apart than this are taken for so far apart.
const LONGEST_STEP: Duration = Duration::from_secs(1);

/// Whether something moves, as far as the compressed stream shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Too little is known of this camera yet.
    Learning,
    Calm,
    Active,
}

/// Says of one stream's access units, one after the other, whether something moves. One per analysed
/// stream; without I/O and without a clock.
#[derive(Debug, Default)]
pub struct Gate {
    stream: Option<Stream>,
}

#[derive(Debug)]
struct Stream {
    params: Arc<Params>,
    headers: Headers,
    activity: Activity,
    calm: Calm,
    connection: u32,
    last: Pts,
    verdict: Verdict,
    calm_for: Duration,
}

impl Gate {
    pub fn new() -> Gate {
        Gate::default()
    }

    /// Every video unit in decoding order. Units of other parameters begin anew.
    pub fn push(&mut self, unit: &EncodedUnit) -> Verdict {
        let same = |s: &Stream| Arc::ptr_eq(&s.params, &unit.params) || s.params == unit.params;
        if !self.stream.as_ref().is_some_and(same) {
            self.stream = Stream::new(unit);
        }
        self.stream.as_mut().map_or(Verdict::Learning, |s| s.push(unit))
    }

    /// Decoded pictures of the time `at` showed motion, or none.
    pub fn looked(&mut self, at: Wall, moved: bool) {
        if let Some(stream) = &mut self.stream {
            stream.calm.looked(at, moved);
        }
    }

    /// The stream shows little of what moves: trust looks, and look more often.
    pub fn says_little(&self) -> bool {
        false
    }
}

impl Stream {
    fn new(unit: &EncodedUnit) -> Option<Stream> {
        let video = unit.params.video()?;
        let macroblocks = f32::from(video.width) * f32::from(video.height) / 256.0;
        Some(Stream {
            params: unit.params.clone(),
            headers: Headers::new(video),
            activity: Activity::new(macroblocks),
            calm: Calm::new(),
            connection: unit.connection,
            last: unit.dts,
            verdict: Verdict::Learning,
            calm_for: Duration::ZERO,
        })
    }

    fn push(&mut self, unit: &EncodedUnit) -> Verdict {
        if unit.connection != self.connection {
            self.connection = unit.connection;
            self.last = unit.dts;
            self.activity.restart();
        }
        let step = unit.dts.since(self.last).min(LONGEST_STEP);
        self.last = unit.dts;
        let picture = self.headers.read(&unit.data);
        let whole = unit.lost_before == 0;
        let Some(reading) = self.activity.push(picture, unit.key, whole, step) else { return self.verdict };
        if reading.sample {
            self.calm.learn(unit.received, reading.level, reading.part);
        }
        if !self.calm.is_known() {
            return self.verdict;
        }
        let excess = self.calm.excess(reading.level, reading.part);
        if excess >= 1.0 {
            self.calm_for = Duration::ZERO;
            self.verdict = Verdict::Active;
        } else {
            self.calm_for = if excess < CALM_AGAIN { self.calm_for + step } else { Duration::ZERO };
            if self.verdict != Verdict::Active || self.calm_for >= HOLD {
                self.verdict = Verdict::Calm;
            }
        }
        self.verdict
    }
}
