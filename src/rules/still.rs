//! What stands where it stood: parked cars, mannequins, posters that a detector takes for somebody.

use std::time::Duration;

use crate::base::Wall;
use crate::infer::Class;
use crate::media::BBox;
use crate::track::{Track, TrackId, TrackSet};

/// Overlap by which a thing has not moved.
const SAME: f32 = 0.6;
/// What was there in the first seconds was there before.
const BEGINNING: Duration = Duration::from_secs(10);
/// A place is kept for so long after nothing was seen there: a detector loses parked cars again and again.
const KEEP: Duration = Duration::from_secs(600);
/// The same where something stood for less than [`STOOD`] only: whoever walks leaves many places, and an idle
/// camera is looked at every few seconds.
const KEEP_SHORT: Duration = Duration::from_secs(15);
const STOOD: Duration = Duration::from_secs(10);
/// Most places remembered.
const MOST: usize = 256;

/// The places at which things stand, by class; tracks come and go over them.
#[derive(Default)]
pub(super) struct Places {
    places: Vec<Place>,
    began: Option<Wall>,
}

struct Place {
    class: Class,
    bbox: BBox,
    since: Wall,
    seen: Wall,
    /// Something was there when the camera was looked at first, and had not moved.
    from_beginning: bool,
}

/// Tracks that have stood for how long; `Duration::MAX`: since the beginning.
pub(super) type Standing = Vec<(TrackId, Duration)>;

impl Places {
    /// Take in a frame.
    pub fn on_tracks(&mut self, set: &TrackSet) -> Standing {
        let now = set.at;
        // Places of a later time are of before the clock was set back.
        self.places.retain(|p| {
            let keep = if p.seen.since(p.since) >= STOOD { KEEP } else { KEEP_SHORT };
            p.seen <= now && now.since(p.seen) <= keep
        });
        let began = *self.began.get_or_insert(now);
        let mut standing = Standing::new();
        for track in set.tracks.iter().filter(|t| t.observed) {
            let unmoved = track.first_bbox.iou(&track.bbox) >= SAME;
            let place = self.place(track, now, unmoved && now.since(began) < BEGINNING);
            place.seen = now;
            let stood = if place.from_beginning { Duration::MAX } else { now.since(place.since) };
            standing.push((track.id, stood));
        }
        standing
    }

    /// Where the track stands: the oldest place that it covers, or a new one.
    fn place(&mut self, track: &Track, now: Wall, from_beginning: bool) -> &mut Place {
        let covers = |p: &Place| p.class == track.class && p.bbox.iou(&track.bbox) >= SAME;
        let known =
            (0..self.places.len()).filter(|i| covers(&self.places[*i])).min_by_key(|i| self.places[*i].since);
        let at = known.unwrap_or_else(|| {
            if self.places.len() == MOST {
                self.places.remove(0);
            }
            let Track { class, bbox, .. } = *track;
            self.places.push(Place { class, bbox, since: now, seen: now, from_beginning });
            self.places.len() - 1
        });
        &mut self.places[at]
    }
}
