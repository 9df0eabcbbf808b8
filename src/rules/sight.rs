//! What one rule sees of a frame, and what it finds.

use crate::base::Wall;
use crate::media::{BBox, Point, Polygon};
use crate::track::{Track, TrackId, TrackSet};

use super::event::{Edge, Subject};
use super::spec::{Anchor, RuleSpec};
use super::still::Standing;

/// The tracks of a frame as a rule sees them.
pub(super) struct Sight<'a> {
    pub at: Wall,
    /// Of the rule's classes, found in this very frame, once with a score high enough. By number, so that
    /// what a rule says does not hang on the order in which tracks come.
    pub seen: Vec<&'a Track>,
    /// Likewise, but not found in this frame: their boxes are where their course would have them.
    pub coasting: Vec<&'a Track>,
    /// Found in this frame, but standing for longer than the rule wants to know of.
    pub still: Vec<TrackId>,
    /// Found in this frame, but smaller or larger than the rule wants.
    pub unfit: Vec<TrackId>,
    /// Of any class.
    pub ended: &'a [TrackId],
}

impl<'a> Sight<'a> {
    pub fn new(spec: &RuleSpec, set: &'a TrackSet, standing: &Standing) -> Self {
        let limits = &spec.limits;
        let fits = |b: &BBox| (limits.min_size..=limits.max_size).contains(&b.clamped().height());
        let wanted = |t: &&Track| t.best_score >= spec.min_score && spec.classes.contains(&t.class);
        let (wanted, unfit): (Vec<&Track>, Vec<&Track>) =
            set.tracks.iter().filter(wanted).partition(|t| fits(&t.bbox));
        let unfit = unfit.iter().filter(|t| t.observed).map(|t| t.id).collect();
        let (mut seen, coasting): (Vec<&Track>, Vec<&Track>) = wanted.into_iter().partition(|t| t.observed);
        seen.sort_by_key(|t| t.id);
        let mut still = Vec::new();
        if let Some(most) = limits.ignore_still {
            still.extend(standing.iter().filter(|(_, stood)| *stood >= most).map(|(id, _)| *id));
            seen.retain(|t| !still.contains(&t.id));
        }
        Sight { at: set.at, seen, coasting, still, unfit, ended: &set.ended }
    }
}

/// What a rule found, before schedule and cooldown.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Finding {
    pub edge: Edge,
    pub at: Wall,
    pub subject: Subject,
    pub message: String,
}

/// Where a box stands for a rule: its anchor, held inside the picture. Boxes reach over the
/// picture's edge, and a zone drawn down to the edge must still hold them.
pub(super) fn place(anchor: Anchor, b: &BBox) -> Point {
    const EDGE: f32 = 1e-3;
    let p = anchor.of(b);
    Point::new(p.x.clamp(EDGE, 1.0 - EDGE), p.y.clamp(EDGE, 1.0 - EDGE))
}

/// Whether the place is in the zone; no zone is the whole picture.
pub(super) fn within(zone: Option<&Polygon>, p: Point) -> bool {
    zone.is_none_or(|z| z.contains(p))
}

/// `word` with a capital, for the beginning of a message.
pub(super) fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}
