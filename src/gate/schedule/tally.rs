//! What a camera was owed and what it got, over the last minute.
//!
//! From one analysed frame to the next, `time / period` frames were owed, with the period the camera
//! needs (not the one it was granted). So two frames that came twice as far apart as needed are a
//! ratio of one half, however short the time watched is.

use std::time::Duration;

use crate::base::Mono;
use crate::camera::{Attention, Need, WatchLevel};

const BUCKET: Duration = Duration::from_secs(10);
const BUCKETS: usize = 6;

/// One kind of attention within ten seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    /// Seconds in which frames were owed.
    time: f32,
    owed: f32,
    /// Frames got, as far as they count.
    got: f32,
    /// Frames got.
    frames: u32,
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
        if frames == 0 {
            return;
        }
        self.enter(now, attention, period, frames as f32, frames);
    }

    /// Attention or need change: what ran until now ends without a frame.
    pub fn changed(&mut self, now: Mono, attention: Attention, period: Duration) {
        if now.since(self.mark) > period {
            // The time since the last frame counts as if one came now.
            self.dry += self.wanted(now, period);
            self.enter(now, attention, period, 1.0, 0);
        }
        self.mark = now;
        self.dry = Duration::ZERO;
        self.dry_since = self.dry_since.map(|_| now);
    }

    fn enter(&mut self, now: Mono, attention: Attention, period: Duration, got: f32, frames: u32) {
        let span = now.since(self.mark).saturating_sub(self.dry);
        let dry = std::mem::take(&mut self.dry);
        self.mark = self.mark.max(now);
        let bucket = self.bucket(now);
        bucket.longest = bucket.longest.max(span);
        bucket.unoffered += dry;
        let share = match attention {
            Attention::Idle => &mut bucket.idle,
            Attention::Followed => &mut bucket.followed,
        };
        share.time += span.as_secs_f32();
        share.owed += span.as_secs_f32() / period.as_secs_f32();
        share.got += got;
        share.frames += frames;
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

    pub fn level(&self, now: Mono, attention: Attention, need: Need, stretch: f32) -> WatchLevel {
        let period = super::camera::period(&need, attention);
        let first = number(now).saturating_sub(BUCKETS as u64 - 1);
        let written = first.max((self.newest + 1).saturating_sub(BUCKETS as u64))..=self.newest;
        let mut sum = Bucket::default();
        for b in written.map(|n| &self.buckets[(n % BUCKETS as u64) as usize]) {
            sum.idle.add(&b.idle);
            sum.followed.add(&b.followed);
            sum.longest = sum.longest.max(b.longest);
            sum.unoffered += b.unoffered;
        }
        // The running interval counts once it is longer than it should be.
        let wanted = self.dry + self.wanted(now, period);
        let open = now.since(self.mark).saturating_sub(wanted);
        sum.unoffered += wanted;
        sum.longest = sum.longest.max(open);
        let (idle, followed) = (sum.idle, sum.followed);
        if open > period {
            let share = match attention {
                Attention::Idle => &mut sum.idle,
                Attention::Followed => &mut sum.followed,
            };
            share.time += open.as_secs_f32();
            share.owed += open.as_secs_f32() / period.as_secs_f32();
            share.got += 1.0;
        }
        let begin = self.born.max(Mono(BUCKET * first as u32));
        WatchLevel {
            attention,
            needed: need,
            look_every: (idle.frames > 0).then(|| Duration::from_secs_f32(idle.time / idle.frames as f32)),
            fps: (followed.time > 0.0).then(|| followed.frames as f32 / followed.time),
            ratio: ratio(&sum.idle, &sum.followed),
            longest: sum.longest,
            unoffered: sum.unoffered,
            window: now.since(begin),
            stretch,
        }
    }
}

impl Share {
    fn add(&mut self, other: &Share) {
        self.time += other.time;
        self.owed += other.owed;
        self.got += other.got;
        self.frames += other.frames;
    }

    fn ratio(&self) -> f32 {
        if self.owed > 0.0 { (self.got / self.owed).min(1.0) } else { 1.0 }
    }
}

/// Both kinds of attention by the time they held. Nothing owed is nothing missed.
fn ratio(idle: &Share, followed: &Share) -> f32 {
    let time = idle.time + followed.time;
    if time <= 0.0 {
        return 1.0;
    }
    (idle.ratio() * idle.time + followed.ratio() * followed.time) / time
}

fn number(now: Mono) -> u64 {
    now.0.as_secs() / BUCKET.as_secs()
}
