//! A stretch of one camera's frames as bytes: LEB128 time differences, then what was seen.

use serde::{Deserialize, Serialize};

use super::grid::{self, BYTES};
use crate::archive::varint::{put, take, unzigzag, zigzag};
use crate::base::{StreamKind, Wall};
use crate::infer::{Class, Detection, ModelRef, Outcome, SkipReason};

const VERSION: u8 = 1;
/// In place of the number of detections: nobody looked at this frame.
const SKIPPED: u64 = u64::MAX;

/// With what, and at what, was looked.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Look {
    pub stream: StreamKind,
    pub models: Vec<ModelRef>,
    /// What would have been seen had it been there. [`Class::Motion`] where moving areas were told.
    pub classes: Vec<Class>,
    /// Version of the program that looked.
    pub program: String,
}

/// One frame.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// Time of the frame.
    pub at: Wall,
    /// All that the tracker was told, on the grid.
    pub outcome: Outcome,
}

/// Frames of one camera, in the order in which they were looked at.
#[derive(Clone, PartialEq, Debug)]
pub struct Block {
    pub look: Look,
    /// Tracker and rules began anew before the first of them.
    pub began: bool,
    /// Not empty; times rise, but for a clock set back.
    pub entries: Vec<Entry>,
}

/// The bytes of a block, entry by entry.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// Least and greatest time of an entry, and the last one's.
    pub span: Option<(Wall, Wall)>,
    last: Wall,
}

impl Writer {
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn push(&mut self, at: Wall, outcome: &Outcome) {
        if self.bytes.is_empty() {
            self.bytes.push(VERSION);
        }
        put(&mut self.bytes, zigzag(at.micros() - self.last.micros()));
        self.last = at;
        let (from, to) = self.span.unwrap_or((at, at));
        self.span = Some((from.min(at), to.max(at)));
        match outcome {
            Outcome::Skipped(_) => put(&mut self.bytes, SKIPPED),
            Outcome::Done(seen) => {
                put(&mut self.bytes, seen.len() as u64);
                for d in seen {
                    self.bytes.extend_from_slice(&grid::write(d));
                }
            }
        }
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// The entries of a block; `None` when it is damaged.
pub(super) fn read(bytes: &[u8]) -> Option<Vec<Entry>> {
    let (version, mut rest) = bytes.split_first()?;
    if *version != VERSION {
        return None;
    }
    let (mut last, mut entries) = (0i64, Vec::new());
    while !rest.is_empty() {
        last = last.checked_add(unzigzag(take(&mut rest)?))?;
        let outcome = match take(&mut rest)? {
            SKIPPED => Outcome::Skipped(SkipReason::ModelFailed),
            count => Outcome::Done(detections(&mut rest, usize::try_from(count).ok()?)?),
        };
        entries.push(Entry { at: Wall(last), outcome });
    }
    Some(entries)
}

fn detections(rest: &mut &[u8], count: usize) -> Option<Vec<Detection>> {
    let (mine, after) = rest.split_at_checked(count.checked_mul(BYTES)?)?;
    *rest = after;
    mine.chunks_exact(BYTES).map(|d| grid::read(d.try_into().ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::BBox;

    fn seen(n: usize) -> Outcome {
        let one = |i: usize| Detection {
            class: Class::ALL[i % 4],
            bbox: BBox::new(0.1 * i as f32, 0.25, 0.1 * i as f32 + 0.125, 0.5),
            score: 0.75,
            landmarks: None,
        };
        Outcome::Done((0..n).map(|i| super::super::on_grid(&one(i))).collect())
    }

    #[test]
    fn a_block_comes_back_as_it_was_written_also_over_a_clock_set_back() {
        let skipped = Outcome::Skipped(SkipReason::ModelFailed);
        let entries: Vec<Entry> =
            [(1_000_000, seen(0)), (1_160_001, seen(3)), (400_000, skipped), (9_000_000_000, seen(1))]
                .map(|(at, outcome)| Entry { at: Wall(at), outcome })
                .into();
        let mut writer = Writer::default();
        entries.iter().for_each(|e| writer.push(e.at, &e.outcome));
        assert_eq!(writer.span, Some((Wall(400_000), Wall(9_000_000_000))));
        assert_eq!(read(&writer.finish()), Some(entries));
    }

    #[test]
    fn a_torn_block_is_no_block() {
        let mut writer = Writer::default();
        writer.push(Wall(5), &seen(2));
        let bytes = writer.finish();
        assert!(read(&bytes).is_some());
        for cut in [0, 2, bytes.len() - 1] {
            assert_eq!(read(&bytes[..cut]), None, "cut at {cut}");
        }
        let mut unknown = bytes.clone();
        let class = unknown.len() - BYTES;
        unknown[class] = 9;
        assert_eq!(read(&unknown), None, "no class has the number 9");
        // A count that no block can hold must not be believed.
        assert_eq!(read(&[VERSION, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), None);
    }
}
