//! What a camera was owed and what it got, over the last minute.
//!
//! From one analysed frame to the next, `time / period` frames were owed, with the period the camera
//! needs (not the one it was granted). So two frames that came twice as far apart as needed are a
//! ratio of one half, however short the time watched is.

use std::ops::AddAssign;
use std::time::Duration;

use crate::base::Mono;
use crate::camera::{Attention, Need, WatchLevel};

use super::pace::Pace;

const BUCKET: Duration = Duration::from_secs(10);
const BUCKETS: usize = 6;

/// One kind of attention within ten seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    /// Seconds in which frames were owed.
    time: f32,
    owed: f32,
    /// Frames analysed; parts of one where an interval was cut.
    got: f32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    idle: Share,
    followed: Share,
    longest: Duration,
    unoffered: Duration,
}

#[derive(Debug)]
pub(super) struct Tally {
    born: Mono,
    /// Up to here all is entered: the last analysed frame, or a change of attention.
    mark: Mono,
    /// Since when nothing is offered.
    dry_since: Option<Mono>,
    /// Since `mark`: a frame was wanted and none was offered.
    dry: Duration,
    buckets: [Bucket; BUCKETS],
    /// Number of the bucket written last.
    newest: u64,
}

impl Tally {
    pub fn new(now: Mono) -> Self {
        Tally {
            born: now,
            mark: now,
            dry_since: Some(now),
            dry: Duration::ZERO,
            buckets: [Bucket::default(); BUCKETS],
            newest: number(now),
        }
    }

    /// What was offered has been taken.
    pub fn taken(&mut self, now: Mono) {
        self.dry_since.get_or_insert(now);
    }

    /// There is something to look at.
    pub fn offered(&mut self, now: Mono, period: Duration) {
        self.dry += self.wanted(now, period);
        self.dry_since = None;
    }

    /// How long, up to now, a frame was wanted and none was offered.
    fn wanted(&self, now: Mono, period: Duration) -> Duration {
        self.dry_since.map_or(Duration::ZERO, |dry| now.since(dry.max(self.mark + period)))
    }

    /// `frames` were analysed.
    pub fn looked(&mut self, now: Mono, attention: Attention, period: Duration, frames: u32) {
        if frames > 0 {
            self.dry += self.wanted(now, period);
            let span = now.since(self.mark).saturating_sub(self.dry);
            // The first frame ends no interval between two: it counts as far as one was owed.
            let got = if self.mark == self.born { earned(span, period, 1.0) } else { frames as f32 };
            self.enter(now, attention, period, got);
        }
    }

    /// Attention or need change: what ran until now ends without a frame. `shrunk`: by how much the rate was.
    pub fn changed(&mut self, now: Mono, attention: Attention, period: Duration, shrunk: f32) {
        self.dry += self.wanted(now, period);
        let span = now.since(self.mark).saturating_sub(self.dry);
        self.enter(now, attention, period, earned(span, period, shrunk));
    }

    fn enter(&mut self, now: Mono, attention: Attention, period: Duration, got: f32) {
        let dry = std::mem::take(&mut self.dry);
        let span = now.since(self.mark).saturating_sub(dry);
        self.mark = self.mark.max(now);
        let bucket = self.bucket(now);
        bucket.unoffered += dry;
        bucket.add(attention, span, period, got);
    }

    fn bucket(&mut self, now: Mono) -> &mut Bucket {
        let number = number(now).max(self.newest);
        // At most once around: that empties them all.
        for begun in (self.newest + 1..=number).take(BUCKETS) {
            self.buckets[(begun % BUCKETS as u64) as usize] = Bucket::default();
        }
        self.newest = number;
        &mut self.buckets[(number % BUCKETS as u64) as usize]
    }

    pub fn level(&self, now: Mono, attention: Attention, need: Need, pace: &Pace) -> WatchLevel {
        let period = super::camera::period(&need, attention);
        let first = number(now).saturating_sub(BUCKETS as u64 - 1);
        let written = first.max((self.newest + 1).saturating_sub(BUCKETS as u64))..=self.newest;
        let mut sum = Bucket::default();
        for b in written.map(|n| &self.buckets[(n % BUCKETS as u64) as usize]) {
            sum.idle += b.idle;
            sum.followed += b.followed;
            sum.longest = sum.longest.max(b.longest);
            sum.unoffered += b.unoffered;
        }
        let wanted = self.dry + self.wanted(now, period);
        let running = now.since(self.mark).saturating_sub(wanted);
        sum.unoffered += wanted;
        sum.add(attention, running, period, earned(running, period, pace.of(attention) as f32));
        let begin = self.born.max(Mono(BUCKET * first as u32));
        WatchLevel {
            attention,
            needed: need,
            look_every: (sum.idle.got > 0.0).then(|| Duration::from_secs_f32(sum.idle.time / sum.idle.got)),
            fps: (sum.followed.time > 0.0).then(|| sum.followed.got / sum.followed.time),
            ratio: sum.ratio(),
            longest: sum.longest,
            unoffered: sum.unoffered,
            window: now.since(begin),
            stretch: pace.stretch() as f32,
        }
    }
}

impl Bucket {
    fn add(&mut self, attention: Attention, span: Duration, period: Duration, got: f32) {
        self.longest = self.longest.max(span);
        let owed = span.as_secs_f32() / period.as_secs_f32();
        let share = Share { time: span.as_secs_f32(), owed, got };
        match attention {
            Attention::Idle => self.idle += share,
            Attention::Followed => self.followed += share,
        }
    }

    /// Both kinds of attention by the time they held. Nothing owed is nothing missed.
    fn ratio(&self) -> f32 {
        let time = self.idle.time + self.followed.time;
        if time <= 0.0 {
            return 1.0;
        }
        (self.idle.ratio() * self.idle.time + self.followed.ratio() * self.followed.time) / time
    }
}

impl Share {
    fn ratio(&self) -> f32 {
        if self.owed > 0.0 { (self.got / self.owed).min(1.0) } else { 1.0 }
    }
}

impl AddAssign for Share {
    fn add_assign(&mut self, other: Share) {
        self.time += other.time;
        self.owed += other.owed;
        self.got += other.got;
    }
}

/// The part of the next frame that a running interval stands for: all of it once the frame should
/// have come, shrunk as rates are now.
fn earned(running: Duration, period: Duration, shrunk: f32) -> f32 {
    (running.as_secs_f32() / (period.as_secs_f32() * shrunk)).min(1.0)
}

fn number(now: Mono) -> u64 {
    now.0.as_secs() / BUCKET.as_secs()
}
