//! From access units to a verdict.

use std::sync::Arc;
use std::time::Duration;

use super::activity::Activity;
use super::calm::Calm;
use super::rate::Rate;
use crate::base::Wall;
use crate::media::slice::Headers;
use crate::media::{EncodedUnit, Params, Pts};

/// Below this part of the threshold it is calm again, once it has been so for [`HOLD`].
const CALM_AGAIN: f32 = 0.7;
const HOLD: Duration = Duration::from_millis(1500);
/// Above the threshold for so long, or so far at once: a single large picture is no motion.
const SURE: Duration = Duration::from_millis(60);
const SURE_EXCESS: f32 = 1.6;
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
    rate: Rate,
    connection: u32,
    last: Pts,
    verdict: Verdict,
    /// How long the threshold has been passed, and how long it has been clearly calm.
    above_for: Duration,
    calm_for: Duration,
}

impl Gate {
    pub fn new() -> Gate {
        Gate::default()
    }

    /// Every video unit in decoding order. Units of other parameters begin anew.
    pub fn push(&mut self, unit: &EncodedUnit) -> Verdict {
        let same = |s: &mut Stream| {
            Arc::ptr_eq(&s.params, &unit.params) || {
                let same = s.params == unit.params;
                s.params = unit.params.clone();
                same
            }
        };
        if !self.stream.as_mut().is_some_and(same) {
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
        self.stream.as_ref().is_some_and(|s| s.rate.is_mute() || s.calm.hides_motion())
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
            rate: Rate::new(macroblocks),
            connection: unit.connection,
            last: unit.dts,
            verdict: Verdict::Learning,
            above_for: Duration::ZERO,
            calm_for: Duration::ZERO,
        })
    }

    fn push(&mut self, unit: &EncodedUnit) -> Verdict {
        if unit.connection != self.connection {
            self.begin_connection(unit);
        }
        let step = unit.dts.since(self.last).min(LONGEST_STEP);
        self.last = unit.dts;
        let picture = self.headers.read(&unit.data);
        // After a loss the picture may be part of one: it must not count, nor be learnt from.
        let whole = unit.lost_before == 0;
        let reading = self.activity.push(picture, unit.key, whole, step);
        self.rate.push(picture, reading.is_some());
        let Some(reading) = reading else { return self.verdict };
        if reading.sample {
            self.calm.learn(unit.received, reading.level, reading.part, self.verdict == Verdict::Active);
        }
        if self.calm.is_known() {
            let excess = self.calm.excess(reading.level, reading.part);
            self.judge(excess, step);
        }
        self.verdict
    }

    fn judge(&mut self, excess: f32, step: Duration) {
        self.above_for = if excess >= 1.0 { self.above_for + step } else { Duration::ZERO };
        if self.above_for >= SURE || excess >= SURE_EXCESS {
            self.calm_for = Duration::ZERO;
            self.verdict = Verdict::Active;
            return;
        }
        self.calm_for = if excess < CALM_AGAIN { self.calm_for + step } else { Duration::ZERO };
        if self.verdict != Verdict::Active || self.calm_for >= HOLD {
            self.verdict = Verdict::Calm;
        }
    }

    /// What calm looks like is still known; what was going on is not.
    fn begin_connection(&mut self, unit: &EncodedUnit) {
        self.connection = unit.connection;
        self.last = unit.dts;
        self.activity.restart();
        (self.above_for, self.calm_for) = (Duration::ZERO, Duration::ZERO);
        self.verdict = if self.calm.is_known() { Verdict::Calm } else { Verdict::Learning };
    }
}
