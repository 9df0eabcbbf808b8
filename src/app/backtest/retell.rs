//! What was seen, told to tracker and rules once more.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::app::chain::Chain;
use crate::archive::Block;
use crate::base::{CameraId, Wall, WallSpan};
use crate::rules::{RuleEvent, RuleSpec};
use crate::track::TrackNumbers;

/// Rules see time pass this often, as in the server: what waits for time alone comes out this exactly.
pub(super) const TICK: Duration = Duration::from_millis(500);

/// Tracker and rules of one camera, in the past.
pub(super) struct Retelling {
    camera: CameraId,
    rules: Vec<RuleSpec>,
    /// For what watches recordings, too.
    pub chain: Mutex<Chain>,
    /// Rules have seen time pass until then.
    passed: Option<Wall>,
}

impl Retelling {
    pub fn new(camera: CameraId, rules: Vec<RuleSpec>) -> Retelling {
        Retelling { chain: Mutex::new(chain(&camera, &rules)), camera, rules, passed: None }
    }

    fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tell what was seen in `span`; `told` gets what rules say. Gives how many frames that were.
    pub fn observe(
        &mut self,
        blocks: &[Block],
        span: WallSpan,
        told: &mut dyn FnMut(Vec<RuleEvent>),
    ) -> usize {
        let mut frames = 0;
        for block in blocks {
            for (i, entry) in block.entries.iter().enumerate().filter(|(_, e)| span.contains(e.at)) {
                if block.began && i == 0 {
                    let fresh = chain(&self.camera, &self.rules);
                    *self.chain() = fresh;
                }
                told(self.pass(entry.at));
                told(self.chain().on_frame(entry.at, &entry.outcome, &[]).events);
                frames += 1;
            }
        }
        frames
    }

    /// Let rules see time pass until `at`; gives what they say of it.
    pub fn pass(&mut self, at: Wall) -> Vec<RuleEvent> {
        let (mut now, mut told) = (self.passed.unwrap_or(at), Vec::new());
        while now + TICK <= at {
            now = now + TICK;
            told.extend(self.chain().tick(now));
        }
        // Also when the clock was set back.
        self.passed = Some(now.min(at));
        told
    }
}

fn chain(camera: &CameraId, rules: &[RuleSpec]) -> Chain {
    Chain::new(camera.clone(), rules.to_vec(), TrackNumbers::default())
}
