//! Whether a camera sends the same picture again and again.
//!
//! A sensor's noise makes each picture another one, also through the coder: at the latest the next keyframe
//! is coded anew. But made pictures, and those of some cameras that smooth them, have no noise; there a calm
//! scene and a frozen one are the same. So a camera is judged only once its pictures have shown noise: where
//! two of them differ, they must differ over much of the picture and not only where something moves.

use std::time::Duration;

use crate::base::Wall;

use super::measure::BLOCKS;

/// A block whose mean differs by more than this has changed, grey levels.
const CHANGED: f32 = 0.05;
/// Two pictures of which no more blocks differ are the same: a clock drawn into it may go on.
const SAME: f32 = 0.01;
/// Share of changed blocks by which noise shows, and over how many pairs of pictures.
const NOISY: f32 = 0.2;
const PAIRS_LEAST: u32 = 8;
const PAIRS: f32 = 32.0;
/// Between two keyframes a calm scene may be coded as no change at all: the same for so long is more.
const LEAST: Duration = Duration::from_secs(20);
/// Pictures further apart say nothing of what was in between.
const GAP: Duration = Duration::from_secs(15);

#[derive(Debug, Default)]
pub(super) struct Stillness {
    /// Since when all pictures have been the same.
    since: Option<Wall>,
    /// Share of blocks that differ between pictures that are not the same, and how many pairs tell so.
    noise: f32,
    pairs: u32,
}

impl Stillness {
    /// Whether the picture with the block means `now` is one more of the same.
    pub fn look(&mut self, last: Option<(Wall, &[f32; BLOCKS])>, now: &[f32; BLOCKS], at: Wall) -> bool {
        let Some((then, means)) = last.filter(|(then, _)| at.since(*then) <= GAP) else {
            self.since = None;
            return false;
        };
        let changed = means.iter().zip(now).filter(|(a, b)| (*a - *b).abs() > CHANGED).count();
        let share = changed as f32 / BLOCKS as f32;
        if share > SAME {
            self.since = None;
            self.pairs = self.pairs.saturating_add(1);
            self.noise += (share - self.noise) / (self.pairs as f32).min(PAIRS);
            return false;
        }
        let since = *self.since.get_or_insert(then);
        self.pairs >= PAIRS_LEAST && self.noise >= NOISY && at.since(since) >= LEAST
    }
}
