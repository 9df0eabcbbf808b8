//! Both measures of one comparison, and how they are told.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::clear::{Clear, clear};
use super::identity::{Identity, identity};
use super::mot::{Numbered, Sequence};
use super::truth::Truth;

/// Figures of one comparison, or of several added up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrackScore {
    pub clear: Clear,
    pub identity: Identity,
}

impl TrackScore {
    /// Compare what a tracker says with the truth; boxes from an overlap (IoU) of `min_iou` on may
    /// belong together.
    pub fn of(truth: &Truth, told: &Sequence<Numbered>, min_iou: f32) -> TrackScore {
        let (truth, told) = (&truth.counted, &truth.judged(told, min_iou));
        TrackScore { clear: clear(truth, told, min_iou), identity: identity(truth, told, min_iou) }
    }
}

impl std::ops::AddAssign for TrackScore {
    fn add_assign(&mut self, o: TrackScore) {
        self.clear += o.clear;
        self.identity += o.identity;
    }
}

/// Figures as they are told. Shares are absent where there is nothing to divide by.
#[derive(Debug, Serialize)]
pub struct TrackReport {
    pub mota: Option<f64>,
    pub motp: Option<f64>,
    pub idf1: Option<f64>,
    pub idp: Option<f64>,
    pub idr: Option<f64>,
    pub expected: usize,
    pub found: usize,
    pub missed: usize,
    pub extra: usize,
    pub switches: usize,
    pub handovers: usize,
    /// Overlap from which a box counts as found.
    pub iou: f32,
}

impl TrackReport {
    pub fn new(score: &TrackScore, iou: f32) -> TrackReport {
        let TrackScore { clear, identity } = score;
        TrackReport {
            mota: clear.mota(),
            motp: clear.motp(),
            idf1: identity.f1(),
            idp: identity.precision(),
            idr: identity.recall(),
            expected: clear.expected,
            found: clear.found,
            missed: clear.missed(),
            extra: clear.extra,
            switches: clear.switches,
            handovers: clear.handovers,
            iou,
        }
    }
}

impl fmt::Display for TrackReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.4}"));
        for (name, value) in [
            ("MOTA", share(self.mota)),
            ("MOTP, mean IoU of what was found", share(self.motp)),
            ("IDF1", share(self.idf1)),
            ("IDP", share(self.idp)),
            ("IDR", share(self.idr)),
            ("boxes expected", self.expected.to_string()),
            ("found", self.found.to_string()),
            ("missed (FN)", self.missed.to_string()),
            ("extra (FP)", self.extra.to_string()),
            ("switches (IDSW)", self.switches.to_string()),
            ("handovers", self.handovers.to_string()),
        ] {
            writeln!(f, "{name:<40} {value:>8}")?;
        }
        write!(f, "boxes belong together from IoU {} on", self.iou)
    }
}

/// Frames in which either side has a box.
pub(super) fn frames(a: &Sequence<Numbered>, b: &Sequence<Numbered>) -> BTreeSet<u32> {
    a.keys().chain(b.keys()).copied().collect()
}

/// Boxes of one frame.
pub(super) fn of(sequence: &Sequence<Numbered>, frame: u32) -> &[Numbered] {
    sequence.get(&frame).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
pub(super) mod testing {
    use crate::media::BBox;

    use super::{Numbered, Sequence};

    /// A box 10 pixels wide and high.
    pub fn at(id: u64, left: f32) -> Numbered {
        Numbered { id, bbox: BBox::new(left, 0.0, left + 10.0, 10.0) }
    }

    /// Frames 1 to `n`.
    pub fn frames(n: u32, of: impl Fn(u32) -> Vec<Numbered>) -> Sequence<Numbered> {
        (1..=n).map(|f| (f, of(f))).collect()
    }
}
