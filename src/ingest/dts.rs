//! Decoding times for streams that carry presentation times only, as RTP does.
//!
//! With at most `depth` pictures that precede another in decoding and follow it in output, the
//! `depth`+1 last times always hold the next decoding time as their smallest: handing them out
//! sorted gives times that never decrease and never exceed the picture's own presentation time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// No decoder holds more pictures (H.264 table A-1 with A.3.1, H.265 §A.4.2).
pub const MAX_DEPTH: usize = 16;
/// Guess for the time between the first pictures, before any difference was seen: 30 per second.
const GUESSED_TICK: i64 = 3_000;

#[derive(Debug, Default)]
pub struct DecodingTimes {
    depth: usize,
    /// Presentation times not yet handed out as decoding times; at most `depth` between calls.
    waiting: BinaryHeap<Reverse<i64>>,
    /// The latest presentation times, to notice reordering that the headers do not declare.
    recent: VecDeque<i64>,
    first: Option<i64>,
    last: Option<i64>,
}

impl DecodingTimes {
    /// `depth`: pictures of reordering that the parameter sets declare; learned where `None`.
    pub fn declare(&mut self, depth: Option<u8>) {
        self.depth = usize::from(depth.unwrap_or(0)).min(MAX_DEPTH);
    }

    /// Forget what waits: the time line jumps. Times given out stay the lower bound.
    pub fn jump(&mut self) {
        self.waiting.clear();
        self.recent.clear();
        self.first = None;
    }

    /// The decoding time of the next unit in decoding order; never decreases.
    pub fn next(&mut self, pts: i64) -> i64 {
        let first = *self.first.get_or_insert(pts);
        let overtaken = self.recent.iter().filter(|&&p| p > pts).count();
        self.depth = self.depth.max(overtaken).min(MAX_DEPTH);
        if self.recent.len() == MAX_DEPTH {
            self.recent.pop_front();
        }
        self.recent.push_back(pts);
        self.waiting.push(Reverse(pts));
        let missing = (self.depth + 1).saturating_sub(self.waiting.len());
        let mut dts = first - missing as i64 * GUESSED_TICK;
        while self.waiting.len() > self.depth {
            let Reverse(smallest) = self.waiting.pop().expect("invariant: longer than depth");
            dts = smallest;
        }
        let dts = self.last.map_or(dts, |last| dts.max(last));
        self.last = Some(dts);
        dts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(depth: Option<u8>, pts: &[i64], expected: &[i64]) {
        let mut d = DecodingTimes::default();
        d.declare(depth);
        let got: Vec<i64> = pts.iter().map(|&p| d.next(p * 3_000) / 3_000).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn without_reordering_decoding_time_is_presentation_time() {
        check(None, &[0, 1, 2, 3], &[0, 1, 2, 3]);
        check(Some(0), &[5, 6, 9], &[5, 6, 9]);
    }

    #[test]
    fn declared_reordering_gives_even_times_from_the_start() {
        // I0 P4 B2 b1 b3 P8 B6 b5 b7
        check(Some(2), &[0, 4, 2, 1, 3, 8, 6, 5, 7], &[-2, -1, 0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn undeclared_reordering_is_learned_and_times_never_decrease() {
        let mut d = DecodingTimes::default();
        let pts: Vec<i64> = (0..20).flat_map(|g| [0, 3, 1, 2].map(|p| p + 3 * g)).collect();
        let mut last = i64::MIN;
        for (i, &p) in pts.iter().enumerate() {
            let dts = d.next(p);
            assert!(dts >= last && (dts <= p || i < 8), "unit {i}: dts {dts}, pts {p}");
            last = dts;
        }
    }
}
