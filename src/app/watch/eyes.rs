//! What one camera's pictures are looked at with. One worker at a time.

use std::sync::Arc;
use std::time::Duration;

use crate::camera::Frame;
use crate::decode::{FollowDecoder, Pictures};
use crate::infer::{
    Class, Closer, Detection, Known, MotionDetector, MotionSettings, Outcome, StandingDetector, ViewMeter,
};
use crate::media::{BBox, Pts};

use super::models::Inference;
use super::setup::Setup;
use super::stays::Stays;
use super::stir::Stir;
use crate::app::pick::Pick;

/// So many pictures are looked at with the models, whatever moves: motion is not told before the background
/// is known.
const NEW: u32 = 4;
/// After so many looks at a picture in which nothing differs from the background, what was seen in it is made
/// sure of.
const MAKE_SURE: u32 = 8;
/// The part of a person's box, from above, in which the face is, also of one who sits.
const HEAD: f32 = 0.4;

pub(super) struct Eyes {
    pub setup: Arc<Setup>,
    pub motion: MotionDetector,
    pub view: ViewMeter,
    pub standing: StandingDetector,
    pub stir: Stir,
    pub stays: Stays,
    pub pick: Pick,
    /// While the camera is followed.
    pub decoder: Option<FollowDecoder>,
    /// No decoder could be opened, and it was said.
    pub stands_still: bool,
    /// Connection and time of the last frame analysed. None is analysed twice.
    pub seen: Option<(u32, Pts)>,
    /// What the models need not be asked about.
    pub known: Known,
    /// What the models saw last, and how many pictures were taken to show the same since.
    found: Vec<Detection>,
    same: u32,
    pictures: u32,
}

impl Eyes {
    pub fn new(setup: Arc<Setup>) -> Eyes {
        Eyes {
            motion: MotionDetector::new(MotionSettings::default()),
            view: ViewMeter::default(),
            standing: StandingDetector::default(),
            stir: Stir::default(),
            stays: Stays::new(&setup.rules),
            pick: Pick::new(setup.need.fps),
            setup,
            decoder: None,
            stands_still: false,
            seen: None,
            known: Known::default(),
            found: Vec::new(),
            same: 0,
            pictures: 0,
        }
    }

    /// Go on as the configuration says now. The background, the view and the decoder are the stream's and
    /// stay.
    pub fn adopt(&mut self, setup: Arc<Setup>) {
        if !Arc::ptr_eq(&self.setup, &setup) {
            self.stays = Stays::new(&setup.rules);
            self.found.clear();
            self.pictures = 0;
            self.setup = setup;
        }
    }

    /// Whether a frame of `connection` comes after all that were analysed.
    pub fn is_new(&self, connection: u32, pts: Pts) -> bool {
        self.seen.is_none_or(|(c, last)| c != connection || pts > last)
    }

    /// What the models see in the frame; `moving`: what motion detection saw in it.
    ///
    /// Where nothing differs from the background, the models would see what they saw before. In looks that is
    /// taken for granted for half a minute, because all that comes or goes differs. While the camera is
    /// followed it is for a second, and only where nothing was seen: somebody of the background's brightness
    /// must not be missed, and somebody who stands there must not be lost.
    ///
    /// `spare`: CPU time that may go into looking closer; what it took comes back beside the outcome.
    pub fn recognise(
        &mut self,
        frame: &Frame,
        look: bool,
        moving: &[Detection],
        spare: Duration,
        models: &mut Inference,
    ) -> (Outcome, Duration) {
        self.pictures = self.pictures.saturating_add(1);
        let sure = match look {
            true => self.found.is_empty() || self.same < MAKE_SURE,
            false => self.found.is_empty() && (self.same as f32) < self.setup.need.fps,
        };
        let gated = look || self.setup.pictures == Pictures::Auto;
        if gated && self.pictures > NEW && moving.is_empty() && sure {
            self.same += 1;
            return (Outcome::Done(self.found.clone()), Duration::ZERO);
        }
        let mut outcome = models.look(frame, &self.setup.models, &mut self.known);
        let mut took = Duration::ZERO;
        if let Outcome::Done(found) = &mut outcome {
            if self.setup.closer && !spare.is_zero() {
                let interest = places_of_faces(found, moving);
                let closer = Closer { class: Class::Face, interest: &interest, budget: spare };
                took = models.look_closer(frame, &self.setup.models, closer, &mut self.known, found);
            }
            self.found.clone_from(found);
            self.same = 0;
        }
        (outcome, took)
    }
}

/// Where faces may be that are too small in the whole picture: at the heads of people, then wherever
/// something moves.
fn places_of_faces(found: &[Detection], moving: &[Detection]) -> Vec<BBox> {
    let head = |b: &BBox| BBox::new(b.x1, b.y1, b.x2, b.y1 + b.height() * HEAD);
    let people = found.iter().filter(|d| d.class == Class::Person).map(|d| head(&d.bbox));
    people.chain(moving.iter().map(|d| d.bbox)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_looked_at_before_what_merely_moves() {
        let of = |class, bbox| Detection { class, bbox, score: 0.9, landmarks: None };
        let person = of(Class::Person, BBox::new(0.5, 0.2, 0.6, 0.7));
        let vehicle = of(Class::Vehicle, BBox::new(0.0, 0.0, 0.4, 0.4));
        let moving = of(Class::Motion, BBox::new(0.1, 0.1, 0.3, 0.3));
        let places = places_of_faces(&[vehicle, person], &[moving]);
        assert_eq!(places, [BBox::new(0.5, 0.2, 0.6, 0.4), moving.bbox]);
    }
}
