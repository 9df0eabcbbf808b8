//! Expected against recorded time.

use std::time::Duration;

use super::error::Result;
use super::ledger;
use super::store::Archive;
use super::types::{Coverage, Gap, SegmentRow};
use crate::base::{CameraId, StreamKind, Wall, WallSpan};
use crate::camera::GapCause;

/// Less than this between two segments is the jitter of their time stamps, not a gap.
pub const JITTER: Duration = Duration::from_millis(500);

impl Archive {
    /// What of `span` is recorded and what is missing, and why. Time before recording was first
    /// expected is not counted, nor time in which it was switched off, nor the moments between the
    /// last fragment on the disk and now while recording goes on.
    pub fn coverage(&self, camera: &CameraId, stream: StreamKind, span: WallSpan) -> Result<Coverage> {
        let now = self.now();
        let rows = self.segments(camera, stream, span)?;
        let ledger = self.read(|c| ledger::overlapping(c, camera, stream, span, now))?;
        // Where nothing open tells of a gap, recording goes on and its newest part is in memory.
        let gap_open = ledger.iter().any(|g| g.open);
        let horizon = match self.extent(camera, stream)? {
            Some(all) if !gap_open => all.end.min(now),
            _ => now,
        };
        let since = self.expected_since(camera, stream)?;
        let expected = since.and_then(|s| WallSpan::new(s, horizon.max(s)).intersect(span));
        Ok(cover(span, expected, &rows, ledger))
    }
}

/// The decision, without the index.
pub fn cover(
    span: WallSpan,
    expected: Option<WallSpan>,
    rows: &[SegmentRow],
    mut gaps: Vec<Gap>,
) -> Coverage {
    let recorded = join(rows, span);
    gaps.retain_mut(|g| match g.span.intersect(span) {
        Some(part) => {
            g.open &= part.end == g.span.end;
            g.span = part;
            true
        }
        None => false,
    });
    if let Some(expected) = expected {
        let mut told: Vec<WallSpan> = recorded.iter().copied().chain(gaps.iter().map(|g| g.span)).collect();
        told.sort_by_key(|s| s.start);
        gaps.extend(holes(expected, &told).into_iter().map(|span| Gap {
            span,
            cause: GapCause::Unknown,
            note: "nothing is recorded and nothing tells why".into(),
            open: false,
        }));
        gaps.sort_by_key(|g| g.span.start);
    }
    let seconds = |s: WallSpan| s.duration().as_secs_f64();
    let off: f64 = gaps
        .iter()
        .filter(|g| g.cause == GapCause::NotConfigured)
        .filter_map(|g| expected.and_then(|e| e.intersect(g.span)))
        .map(seconds)
        .sum();
    Coverage {
        span,
        recorded_seconds: recorded.iter().copied().map(seconds).sum(),
        expected_seconds: (expected.map_or(0.0, seconds) - off).max(0.0),
        recorded,
        gaps,
    }
}

/// Recorded spans within `span`, joined. Segments of one run are one by definition.
fn join(rows: &[SegmentRow], span: WallSpan) -> Vec<WallSpan> {
    let mut joined: Vec<(WallSpan, &SegmentRow)> = Vec::new();
    for row in rows {
        match joined.last_mut() {
            Some((last, prev))
                if row.span.start <= last.end
                    || (prev.run == row.run && prev.seq_in_run + 1 == row.seq_in_run)
                    || row.span.start.since(last.end) <= JITTER =>
            {
                last.end = last.end.max(row.span.end);
                *prev = row;
            }
            _ => joined.push((row.span, row)),
        }
    }
    joined.into_iter().filter_map(|(s, _)| s.intersect(span)).collect()
}

/// Parts of `whole` that no span of `told` (sorted by start) covers, jitter apart.
fn holes(whole: WallSpan, told: &[WallSpan]) -> Vec<WallSpan> {
    let mut found = Vec::new();
    let mut at = whole.start;
    let mut close = |from: Wall, to: Wall| {
        let hole = WallSpan::new(from, to.min(whole.end));
        if hole.duration() > JITTER {
            found.push(hole);
        }
    };
    for t in told {
        close(at, t.start);
        at = at.max(t.end);
    }
    close(at, whole.end);
    found
}
