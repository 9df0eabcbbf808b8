//! What the tracker says about a frame.

use crate::base::Wall;
use crate::infer::Class;
use crate::media::BBox;

/// Number of a track, unique within one camera and server run; never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TrackId(pub u64);

/// One thing followed over time.
#[derive(Clone, PartialEq, Debug)]
pub struct Track {
    pub id: TrackId,
    pub class: Class,
    /// Where it is at the set's time: as detected, or as predicted when `observed` is false.
    pub bbox: BBox,
    /// Score of the last detection.
    pub score: f32,
    /// Best score of any detection so far. A thing half hidden scores low and is still that thing.
    pub best_score: f32,
    /// Whether a detection of this very frame stands behind `bbox`.
    pub observed: bool,
    pub first_seen: Wall,
    /// Where it was found first. Rules look at the way from here: a track becomes known only after
    /// some detections, and what it did until then counts.
    pub first_bbox: BBox,
    /// When a detection last stood behind it.
    pub last_seen: Wall,
}

/// All confirmed tracks at one time.
#[derive(Clone, PartialEq, Debug)]
pub struct TrackSet {
    pub at: Wall,
    pub tracks: Vec<Track>,
    /// Tracks that ended with this frame: not seen for longer than the tracker waits.
    pub ended: Vec<TrackId>,
}
