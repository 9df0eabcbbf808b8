//! The gap ledger. A stream has at most one open gap; gaps of one stream do not overlap.

use rusqlite::{Connection, OptionalExtension, params};

use super::db::{gap_row, stream_id};
use super::types::Gap;
use crate::base::{CameraId, StreamKind, Wall, WallSpan};
use crate::camera::GapCause;

/// Note of the gap between the start of recording and the first picture.
pub const WAITING: &str = "waiting for the first picture";

/// A gap begins at `at`, the end of what is recorded. Where a gap is open already: the same cause
/// goes on; another cause ends it at `at` and begins there.
pub fn begin(
    conn: &Connection,
    camera: &CameraId,
    stream: StreamKind,
    at: Wall,
    cause: GapCause,
    note: &str,
) -> rusqlite::Result<()> {
    let id = stream_id(conn, camera, stream, at)?;
    let open: Option<(i64, i64, String)> = conn
        .prepare_cached("SELECT id, start, cause FROM gap WHERE stream_id = ?1 AND end IS NULL")?
        .query_row([id], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
        .optional()?;
    let mut start = at.micros();
    if let Some((gap, began, old)) = open {
        if old == cause.as_str() {
            // What the camera says is worth more than that it was waited for.
            conn.prepare_cached("UPDATE gap SET note = ?2 WHERE id = ?1 AND note = ?3")?
                .execute(params![gap, note, WAITING])?;
            return Ok(());
        }
        start = start.max(began);
        end_row(conn, gap, began, start)?;
    }
    // A write that failed again goes on with the gap that had just been ended.
    let again = conn
        .prepare_cached("UPDATE gap SET end = NULL WHERE stream_id = ?1 AND end = ?2 AND cause = ?3")?
        .execute(params![id, start, cause.as_str()])?;
    if again == 0 {
        conn.prepare_cached("INSERT INTO gap (stream_id, start, cause, note) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![id, start, cause.as_str(), note])?;
    }
    Ok(())
}

/// The open gap ends at `at`; an empty one is taken out.
pub fn end(conn: &Connection, camera: &CameraId, stream: StreamKind, at: Wall) -> rusqlite::Result<()> {
    let id = stream_id(conn, camera, stream, at)?;
    let open: Option<(i64, i64)> = conn
        .prepare_cached("SELECT id, start FROM gap WHERE stream_id = ?1 AND end IS NULL")?
        .query_row([id], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()?;
    match open {
        Some((gap, start)) => end_row(conn, gap, start, at.micros()),
        None => Ok(()),
    }
}

fn end_row(conn: &Connection, gap: i64, start: i64, end: i64) -> rusqlite::Result<()> {
    if end > start {
        conn.prepare_cached("UPDATE gap SET end = ?2 WHERE id = ?1")?.execute([gap, end])?;
    } else {
        conn.prepare_cached("DELETE FROM gap WHERE id = ?1")?.execute([gap])?;
    }
    Ok(())
}

/// Enter a gap that has ended, unless it stands there already.
pub fn enter(
    conn: &Connection,
    stream_id: i64,
    span: WallSpan,
    cause: GapCause,
    note: &str,
) -> rusqlite::Result<()> {
    if span.is_empty() {
        return Ok(());
    }
    conn.prepare_cached(
        "INSERT INTO gap (stream_id, start, end, cause, note) SELECT ?1, ?2, ?3, ?4, ?5
         WHERE NOT EXISTS (SELECT 1 FROM gap WHERE stream_id = ?1 AND start = ?2 AND end = ?3 AND cause = ?4)",
    )?
    .execute(params![stream_id, span.start.micros(), span.end.micros(), cause.as_str(), note])?;
    Ok(())
}

/// Gaps that meet `span`, by start. Open ones end `now`.
pub fn overlapping(
    conn: &Connection,
    camera: &CameraId,
    stream: StreamKind,
    span: WallSpan,
    now: Wall,
) -> rusqlite::Result<Vec<Gap>> {
    conn.prepare_cached(
        "SELECT g.start, g.end, g.cause, g.note FROM gap g JOIN stream s ON s.id = g.stream_id
         WHERE s.camera = ?1 AND s.stream = ?2 AND g.start < ?4 AND (g.end IS NULL OR g.end > ?3)
         ORDER BY g.start, g.id",
    )?
    .query_map(params![camera.as_str(), stream.as_str(), span.start.micros(), span.end.micros()], |r| {
        gap_row(r, now)
    })?
    .collect()
}

/// Retention deleted everything of this stream up to `until`: one gap from `since` on stands for it,
/// and what else stood there goes with it.
pub fn retain(conn: &Connection, stream_id: i64, until: Wall) -> rusqlite::Result<()> {
    let cause = GapCause::Retention.as_str();
    let (since, until): (i64, i64) = conn
        .prepare_cached(
            "SELECT min(s.expected_since, coalesce(min(g.start), s.expected_since)),
                    max(?2, coalesce(max(g.end) FILTER (WHERE g.cause = ?3), ?2))
             FROM stream s LEFT JOIN gap g ON g.stream_id = s.id AND g.start < ?2 WHERE s.id = ?1",
        )?
        .query_row(params![stream_id, until.micros(), cause], |r| Ok((r.get(0)?, r.get(1)?)))?;
    conn.prepare_cached("DELETE FROM gap WHERE stream_id = ?1 AND end IS NOT NULL AND end <= ?2")?
        .execute([stream_id, until])?;
    enter(
        conn,
        stream_id,
        WallSpan::new(Wall(since), Wall(until)),
        GapCause::Retention,
        "deleted by retention",
    )
}
