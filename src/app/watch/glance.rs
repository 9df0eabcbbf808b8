//! One decoded picture: from its pixels to what rules say of it. The server and rules that are tried on
//! recordings look alike.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::camera::Frame;
use crate::infer::Outcome;
use crate::media::BBox;
use crate::rules::RuleEvent;

use super::attending::Shows;
use super::eyes::Eyes;
use super::models::Inference;
use crate::app::chain::Chain;

/// As a part of the picture: within so much of it a box lies at its edge.
const EDGE: f32 = 0.02;
/// And reaches in no further than this.
const REST: f32 = 0.25;

/// Where a worker's time goes.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    Decode,
    Motion,
    Infer,
    Rules,
}

impl Stage {
    pub const ALL: [(Stage, &'static str); 4] = [
        (Stage::Decode, "decode"),
        (Stage::Motion, "motion"),
        (Stage::Infer, "infer"),
        (Stage::Rules, "rules"),
    ];
}

/// How a picture is looked at.
pub(super) struct Way {
    /// By itself, not as one of a stream that is followed.
    pub look: bool,
    /// Something that moves in it makes the camera a followed one.
    pub begins: bool,
    /// CPU time that may go into looking closer.
    pub spare: Duration,
}

/// What came of it.
pub(super) struct Glance {
    pub shows: Shows,
    /// In the order in which they came about; the picture shows them.
    pub events: Vec<RuleEvent>,
    /// Tracker and rules have been told, or will be when the picture comes in its turn.
    pub analysed: bool,
    /// Something stands for which a rule waits.
    pub stays: bool,
    /// What looking closer took.
    pub closer: Duration,
}

impl Eyes {
    /// Look at a frame of `connection`. `was`: told when a stage has ended.
    pub fn see(
        &mut self,
        (connection, frame): (u32, &Frame),
        way: &Way,
        models: &mut Inference,
        chain: &Mutex<Chain>,
        was: &mut dyn FnMut(Stage),
    ) -> Glance {
        // Not for as long as a model runs: the gate thread lets rules see time pass.
        let chain = || chain.lock().unwrap_or_else(PoisonError::into_inner);
        let before = way.begins.then(|| self.stir.clone());
        let moving = self.motion.look(&frame.image, frame.at);
        let shows = match self.stir.moves(&moving, frame.at) {
            true if moving.iter().all(|found| is_at_edge(&found.bbox)) => Shows::Leaving,
            true => Shows::Moving,
            false if moving.is_empty() => Shows::Nothing,
            false => Shows::Standing,
        };
        was(Stage::Motion);
        let mut glance =
            Glance { shows, events: Vec::new(), analysed: true, stays: false, closer: Duration::ZERO };
        if let Some(before) = before
            && shows.moves()
        {
            // What came since the last look is decoded now, and this picture comes in its turn. Until then nothing
            // has been seen where it shows it: else what stands in earlier pictures would be new there.
            self.stir = before;
            return glance;
        }
        self.seen = Some((connection, frame.pts));
        if self.setup.tamper
            && let Some(reading) = self.view.look(&frame.image, frame.at)
        {
            glance.events.extend(chain().on_view(frame.at, &reading));
            was(Stage::Motion);
        }
        self.known.begin(frame.at, chain().tracked(frame.at));
        let (outcome, closer) = self.recognise(frame, way.look, &moving, way.spare, models);
        glance.closer = closer;
        was(Stage::Infer);
        let told = if self.setup.motion { moving.as_slice() } else { &[] };
        let seen = chain().on_frame(frame.at, &outcome, told);
        glance.events.extend(seen.events);
        if self.setup.standing
            && let Some(things) = self.standing.look(&self.motion, frame.at)
        {
            glance.events.extend(chain().on_standing(frame.at, &things));
        }
        glance.stays = seen.tracks.is_some_and(|tracks| self.stays.waits(&tracks));
        glance.analysed = matches!(outcome, Outcome::Done(_));
        was(Stage::Rules);
        glance
    }
}

/// Where one who goes out of the picture is seen last, when most of him is gone. Whoever stands near the camera is cut off
/// by the edge for as long as he stays.
fn is_at_edge(b: &BBox) -> bool {
    let out = |near: f32, far: f32| near <= EDGE && far <= REST;
    out(b.x1, b.x2) || out(b.y1, b.y2) || out(1.0 - b.x2, 1.0 - b.x1) || out(1.0 - b.y2, 1.0 - b.y1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_nearly_out_of_the_picture_is_at_its_edge_and_who_is_cut_off_by_it_is_not() {
        for (sides, want) in [
            ([0.0, 0.3, 0.1, 0.9], true),
            ([0.9, 0.3, 1.0, 0.9], true),
            ([0.4, 0.0, 0.5, 0.2], true),
            ([0.4, 0.85, 0.6, 1.0], true),
            ([0.3, 0.4, 0.6, 1.0], false),
            ([0.0, 0.4, 0.4, 0.8], false),
            ([0.05, 0.3, 0.15, 0.9], false),
        ] {
            let [x1, y1, x2, y2] = sides;
            assert_eq!(is_at_edge(&BBox::new(x1, y1, x2, y2)), want, "{sides:?}");
        }
    }
}
