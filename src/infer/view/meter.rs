//! One camera's view: what was learnt of it, and what a picture says against that.

use std::time::Duration;

use crate::base::Wall;
use crate::camera::{Tampering, ViewReading};
use crate::media::I420;

use super::learnt::{Comparison, Learnt, compare, is_telling};
use super::measure::{BLOCKS, Means, edges, is_grey, is_measurable, means};
use super::stillness::Stillness;

/// A picture is measured at most so often.
const APART: Duration = Duration::from_millis(900);
/// A view is learnt over so long and so many pictures.
const LEARN: Duration = Duration::from_secs(10);
const LEARN_PICTURES: u32 = 3;
/// A learnt view follows the picture with this time constant while nothing speaks against it.
const FOLLOW: Duration = Duration::from_secs(300);
/// A longer pause tells no more than this one.
const LONGEST_STEP: Duration = Duration::from_secs(10);
/// What a camera has shown for so long without a change is one of its views from then on, although it was
/// told: somebody meant it, or nobody minds.
const SETTLE: Duration = Duration::from_secs(30 * 60);
/// Views remembered: by day and by lamp, by infrared, and a preset or two.
const VIEWS: usize = 4;

/// Beyond doubt and in doubt: luma and spread of a black picture, 16 is black;
const DARK: [(f32, f32); 2] = [(30.0, 5.0), (36.0, 8.0)];
/// share of flat tiles of a covered one;
const COVERED: [f32; 2] = [0.75, 0.5];
/// share of like tiles of another view;
const GONE: [f32; 2] = [0.3, 0.45];
/// edge energy left of a picture out of focus.
const DEFOCUSED: [f32; 2] = [0.3, 0.6];
/// Another view with no more of the edges than this is no view.
const EMPTY: f32 = 0.3;
/// Focus is judged where so many tiles are like, and contrast is not much lower or higher than learnt.
const LIKE_ENOUGH: f32 = 0.5;
const GAINS: std::ops::RangeInclusive<f32> = 0.35..=3.0;
/// So many tiles of two successive pictures are like where nothing moves the camera.
const SETTLED: f32 = 0.6;

/// Says of the pictures of one camera whether they still show its view.
#[derive(Debug)]
pub struct ViewMeter {
    /// Views known, the one that was shown last at the end.
    views: Vec<Learnt>,
    /// A view that is being learnt.
    newcomer: Option<Newcomer>,
    last: Option<(Wall, Means)>,
    stillness: Stillness,
    scratch: Means,
    sums: Vec<u16>,
}

#[derive(Debug)]
struct Newcomer {
    learnt: Learnt,
    since: Wall,
    pictures: u32,
}

impl Default for ViewMeter {
    fn default() -> Self {
        let scratch = Box::new([0.0; BLOCKS]);
        ViewMeter {
            views: Vec::new(),
            newcomer: None,
            last: None,
            stillness: Stillness::default(),
            scratch,
            sums: Vec::new(),
        }
    }
}

impl ViewMeter {
    /// What the picture taken at `at` says; `None`: another one was measured less than a second ago, or
    /// this one is smaller than 96 × 60 pixels.
    pub fn look(&mut self, picture: &I420, at: Wall) -> Option<ViewReading> {
        // A last one that is later is of before the clock was set back.
        let last = self.last.take().filter(|(then, _)| *then <= at);
        if !is_measurable(picture) || last.as_ref().is_some_and(|(then, _)| at.since(*then) < APART) {
            self.last = last;
            return None;
        }
        means(picture, &mut self.sums, &mut self.scratch);
        let steady = last
            .as_ref()
            .is_some_and(|(_, then)| compare(then, &self.scratch).is_none_or(|c| c.like >= SETTLED));
        let frozen = self.stillness.look(last.as_ref().map(|(then, m)| (*then, &**m)), &self.scratch, at);
        let dt = last.as_ref().map_or(Duration::ZERO, |(then, _)| at.since(*then)).min(LONGEST_STEP);
        let mut reading = self.judge(picture, steady, at, dt);
        if frozen && reading.doubt.is_none() {
            (reading.sign, reading.doubt) = (Some(Tampering::Frozen), Some(Tampering::Frozen));
        }
        // The older picture's buffer takes the next one.
        let old = last.map_or_else(|| Box::new([0.0; BLOCKS]), |(_, means)| means);
        self.last = Some((at, std::mem::replace(&mut self.scratch, old)));
        Some(reading)
    }

    fn judge(&mut self, picture: &I420, steady: bool, at: Wall, dt: Duration) -> ViewReading {
        if let Some(reading) = self.darkness() {
            self.newcomer = None;
            return reading;
        }
        let Some((best, found)) = self.best() else {
            self.learn(picture, LEARN, at);
            return ViewReading { known: !self.views.is_empty(), ..ViewReading::default() };
        };
        // It was shown last.
        self.views[best..].rotate_left(1);
        let view = self.views.last_mut().expect("invariant: there is a best one");
        let steep = view.steep(&found);
        let edges = edges(picture, steep);
        let left = Left {
            sharp: view.sharpness(&edges, &found),
            edges: edges.iter().sum::<f32>() / view.edges.iter().sum::<f32>().max(1e-3),
        };
        let signs = [0, 1].map(|level| against(&found, &left, steady, level));
        let doubt = signs[0].or(signs[1]);
        if doubt.is_none() {
            self.newcomer = None;
            let part = 1.0 - (-dt.as_secs_f32() / FOLLOW.as_secs_f32()).exp();
            view.follow(&self.scratch, &edges, steep, part);
            return ViewReading { known: true, ..ViewReading::default() };
        }
        let mut sign = signs[0];
        if doubt == Some(Tampering::Turned) && steady {
            // A lamp of another kind shows another picture of the same place: that is no news.
            let other_lamp = is_grey(picture) != view.grey;
            sign = sign.filter(|_| !other_lamp);
            self.learn(picture, if other_lamp { LEARN } else { SETTLE }, at);
        } else {
            self.newcomer = None;
        }
        ViewReading { sign, doubt, known: true }
    }

    fn darkness(&self) -> Option<ViewReading> {
        let n = BLOCKS as f32;
        let luma = self.scratch.iter().sum::<f32>() / n;
        let spread = (self.scratch.iter().map(|m| (m - luma).powi(2)).sum::<f32>() / n).sqrt();
        let [sign, doubt] =
            DARK.map(|(most, even)| (luma <= most && spread <= even).then_some(Tampering::Dark));
        doubt.map(|_| ViewReading { sign, doubt, known: !self.views.is_empty() })
    }

    /// The view that the picture is most like.
    fn best(&self) -> Option<(usize, Comparison)> {
        let all = self.views.iter().enumerate().filter_map(|(i, v)| Some((i, v.compare(&self.scratch)?)));
        all.max_by(|a, b| a.1.like.total_cmp(&b.1.like))
    }

    /// Learn the picture's view; it is known when it has been there for `over`.
    fn learn(&mut self, picture: &I420, over: Duration, at: Wall) {
        if !is_telling(&self.scratch) {
            self.newcomer = None;
            return;
        }
        let steep = Learnt::first_steep();
        let edges = edges(picture, steep);
        let same = |n: &&mut Newcomer| {
            n.since <= at && n.learnt.compare(&self.scratch).is_some_and(|c| c.like >= SETTLED)
        };
        match self.newcomer.as_mut().filter(same) {
            Some(n) => {
                n.pictures += 1;
                // The mean of all, and later of the last twenty.
                n.learnt.follow(&self.scratch, &edges, steep, 1.0 / n.pictures.min(20) as f32);
            }
            None => {
                let learnt = Learnt::new(self.scratch.clone(), edges, is_grey(picture));
                self.newcomer = Some(Newcomer { learnt, since: at, pictures: 1 });
            }
        }
        let done = |n: &mut Newcomer| n.pictures >= LEARN_PICTURES && at.since(n.since) >= over;
        if let Some(newcomer) = self.newcomer.take_if(done) {
            if self.views.len() == VIEWS {
                self.views.remove(0);
            }
            self.views.push(newcomer.learnt);
        }
    }
}

/// What is left of the edges.
struct Left {
    /// Where tiles are like, at their contrast; see [`Learnt::sharpness`].
    sharp: Option<f32>,
    /// Of all, wherever they are.
    edges: f32,
}

/// What speaks against the view, beyond doubt (`level` 0) or at all (1).
fn against(found: &Comparison, left: &Left, steady: bool, level: usize) -> Option<Tampering> {
    let blurred = left.sharp.is_some_and(|s| s <= DEFOCUSED[level]) && GAINS.contains(&found.gain);
    if found.flat >= COVERED[level] {
        Some(Tampering::Covered)
    } else if found.like <= GONE[level] && (steady || level > 0) {
        Some(if left.edges <= EMPTY { Tampering::Covered } else { Tampering::Turned })
    } else if found.like >= LIKE_ENOUGH && blurred {
        Some(Tampering::Defocused)
    } else {
        None
    }
}
