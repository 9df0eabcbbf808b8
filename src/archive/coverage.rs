//! Expected against recorded time.

use std::time::Duration;

use rusqlite::{Row, params};

use super::error::Result;
use super::store::Archive;
use super::types::{Coverage, Gap, RunId, SegmentId, SegmentRow};
use super::{db, ledger};
use crate::base::{CameraId, StreamKind, Wall, WallSpan};
use crate::camera::GapCause;

/// Less than this between two segments is the jitter of their time stamps, not a gap.
pub const JITTER: Duration = Duration::from_millis(500);

/// When a segment is, without its fragments: a month of a camera is 45 000 segments.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Stretch {
    pub id: SegmentId,
    pub span: WallSpan,
    pub run: RunId,
    pub seq_in_run: u32,
}

impl From<&SegmentRow> for Stretch {
    fn from(row: &SegmentRow) -> Self {
        Stretch { id: row.id, span: row.span, run: row.run, seq_in_run: row.seq_in_run }
    }
}

const STRETCH_COLUMNS: &str = "g.id, g.start, g.end, g.run, g.seq";

fn stretch(r: &Row<'_>) -> rusqlite::Result<Stretch> {
    let span = WallSpan::new(Wall(r.get(1)?), Wall(r.get(2)?));
    Ok(Stretch { id: SegmentId(r.get(0)?), span, run: db::run(r, 3)?, seq_in_run: r.get(4)? })
}

impl Archive {
    /// What of `span` is recorded and what is missing, and why. Time before recording was first
    /// expected is not counted, nor time in which it was switched off, nor the moments between the
    /// last fragment on the disk and now while recording goes on.
    pub fn coverage(&self, camera: &CameraId, stream: StreamKind, span: WallSpan) -> Result<Coverage> {
        let now = self.now();
        let rows = self.stretches(camera, stream, span)?;
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

    /// As [`segments`](Self::segments), only when they are.
    fn stretches(&self, camera: &CameraId, stream: StreamKind, span: WallSpan) -> Result<Vec<Stretch>> {
        // Memory before the index: a segment closed in between is seen twice, not never.
        let mut rows = self.open_stretches(camera, stream);
        rows.retain(|r| r.span.intersect(span).is_some());
        let sql = format!("SELECT {STRETCH_COLUMNS} {}", db::FROM_SEGMENTS_IN_SPAN);
        let stored: Vec<Stretch> = self.read(|c| {
            c.prepare_cached(&sql)?
                .query_map(
                    params![camera.as_str(), stream.as_str(), span.start.micros(), span.end.micros()],
                    stretch,
                )?
                .collect()
        })?;
        rows.retain(|r| stored.iter().all(|s| s.id != r.id));
        rows.extend(stored);
        rows.sort_by_key(|r| (r.span.start, r.id));
        Ok(rows)
    }

    fn open_stretches(&self, camera: &CameraId, stream: StreamKind) -> Vec<Stretch> {
        self.open_rows()
            .values()
            .filter(|r| &r.camera == camera && r.stream == stream && !r.fragments.is_empty())
            .map(Stretch::from)
            .collect()
    }

    /// The segment that is the least time away from `span`.
    pub fn nearest(&self, camera: &CameraId, stream: StreamKind, span: WallSpan) -> Result<Option<WallSpan>> {
        let mut found: Vec<WallSpan> = self.open_stretches(camera, stream).iter().map(|s| s.span).collect();
        let side = |which: &str, at: Wall| {
            let sql = format!(
                "SELECT g.start, g.end FROM segment g JOIN stream s ON s.id = g.stream_id
                 WHERE s.camera = ?1 AND s.stream = ?2 AND g.state = 1 AND g.start {which} LIMIT 1"
            );
            self.read(|c| {
                c.prepare_cached(&sql)?
                    .query_map(params![camera.as_str(), stream.as_str(), at.micros()], |r| {
                        Ok(WallSpan::new(Wall(r.get(0)?), Wall(r.get(1)?)))
                    })?
                    .collect::<rusqlite::Result<Vec<_>>>()
            })
        };
        found.extend(side("< ?3 ORDER BY g.start DESC", span.start)?);
        found.extend(side(">= ?3 ORDER BY g.start", span.start)?);
        Ok(found.into_iter().min_by_key(|s| s.start.since(span.end).max(span.start.since(s.end))))
    }
}

/// The decision, without the index.
pub fn cover(span: WallSpan, expected: Option<WallSpan>, rows: &[Stretch], mut gaps: Vec<Gap>) -> Coverage {
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
fn join(rows: &[Stretch], span: WallSpan) -> Vec<WallSpan> {
    let mut joined: Vec<(WallSpan, &Stretch)> = Vec::new();
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
