//! The SQLite index: schema, connections, rows. Times are microseconds of UTC.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{Connection, OpenFlags, Row, params};

use super::blob;
use super::error::{Error, Result};
use super::types::{Gap, RunId, SegmentId, SegmentRow};
use crate::base::{CameraId, StreamKind, Wall, WallSpan};
use crate::camera::GapCause;

/// States of a segment row. 2 stands for "marked by retention": its file goes or is gone, then the row.
pub const OPEN: i64 = 0;
pub const CLOSED: i64 = 1;

const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS stream (
    id INTEGER PRIMARY KEY, camera TEXT NOT NULL, stream TEXT NOT NULL,
    expected_since INTEGER NOT NULL, UNIQUE (camera, stream));
CREATE TABLE IF NOT EXISTS segment (
    id INTEGER PRIMARY KEY AUTOINCREMENT, stream_id INTEGER NOT NULL REFERENCES stream (id),
    start INTEGER NOT NULL, end INTEGER NOT NULL, run BLOB NOT NULL, seq INTEGER NOT NULL,
    path TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, header_bytes INTEGER NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, codecs TEXT NOT NULL,
    fragments BLOB NOT NULL, state INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS segment_by_time ON segment (stream_id, start);
CREATE INDEX IF NOT EXISTS segment_by_age ON segment (state, end);
CREATE TABLE IF NOT EXISTS gap (
    id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL REFERENCES stream (id),
    start INTEGER NOT NULL, end INTEGER, cause TEXT NOT NULL, note TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS gap_by_time ON gap (stream_id, start);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL);
";

/// The index, and whether it was made anew (so the files must fill it).
pub fn open_index(path: &Path) -> Result<(Connection, bool)> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
    }
    if !path.exists() {
        // A log without its database would be played into the new one.
        for tail in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(with_tail(path, tail));
        }
    }
    match try_open(path) {
        Ok(opened) => Ok(opened),
        Err(e) if is_damage(&e) => {
            let aside = move_aside(path)?;
            tracing::warn!(index = %path.display(), aside = %aside.display(), error = %e,
                "the archive's index is damaged: moved aside, rebuilding it from the files");
            try_open(path).map_err(|source| Error::Index { path: path.to_owned(), source })
        }
        Err(source) => Err(Error::Index { path: path.to_owned(), source }),
    }
}

fn try_open(path: &Path) -> rusqlite::Result<(Connection, bool)> {
    let conn = Connection::open(path)?;
    conn.busy_timeout(Duration::from_secs(10))?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    // A checkpoint waits for the disk; retention's thread makes it, not whoever happens to write.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    let version: i64 = conn.pragma_query_value(None, "user_version", |r| r.get(0))?;
    if version > VERSION {
        return Err(rusqlite::Error::InvalidQuery);
    }
    // Reading all of a large index would delay the start; its damage shows when it is used.
    if std::fs::metadata(path).is_ok_and(|m| m.len() < 128 << 20) {
        let found: String = conn.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
        if found != "ok" {
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
                Some(found),
            ));
        }
    }
    conn.execute_batch(SCHEMA)?;
    conn.pragma_update(None, "user_version", VERSION)?;
    Ok((conn, version == 0))
}

fn is_damage(e: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(e.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

fn with_tail(path: &Path, tail: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(tail);
    name.into()
}

fn move_aside(path: &Path) -> Result<PathBuf> {
    let aside = (1..)
        .map(|n| with_tail(path, &format!(".damaged-{n}")))
        .find(|p| !p.exists())
        .expect("invariant: the numbers do not end");
    std::fs::rename(path, &aside).map_err(Error::io("move aside", path))?;
    for tail in ["-wal", "-shm"] {
        let _ = std::fs::rename(with_tail(path, tail), with_tail(&aside, tail));
    }
    Ok(aside)
}

/// Take what is in the index's log over into the index itself. Nobody who writes or reads waits for it.
pub fn checkpoint(path: &Path) -> rusqlite::Result<()> {
    let conn = Connection::open(path)?;
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// A connection that only reads, and so never holds up the recorder.
pub fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.busy_timeout(Duration::from_secs(10))?;
    Ok(conn)
}

pub const SEGMENT_COLUMNS: &str = "g.id, s.camera, s.stream, g.run, g.seq, g.start, g.end, g.path, g.bytes, \
     g.header_bytes, g.width, g.height, g.codecs, g.fragments, g.state";

/// Closed segments of camera ?1 and stream ?2 that overlap ?3 to ?4, by start. Where a segment before
/// the span reaches into it, it is the last that starts before it, unless the wall clock was stepped
/// back.
pub const FROM_SEGMENTS_IN_SPAN: &str = "FROM segment g JOIN stream s ON s.id = g.stream_id
     WHERE s.camera = ?1 AND s.stream = ?2 AND g.state = 1 AND g.end > ?3 AND g.start < ?4
     AND g.start >= coalesce((SELECT max(p.start) FROM segment p WHERE p.stream_id = s.id
         AND p.start <= ?3 AND p.state = 1), ?3)
     ORDER BY g.start";

/// Rows of [`SEGMENT_COLUMNS`] from `segment g JOIN stream s`. Paths are relative to `root`.
pub fn segment_row(r: &Row<'_>, root: &Path) -> rusqlite::Result<SegmentRow> {
    let bad = |i: usize, what: &str| rusqlite::Error::FromSqlConversionFailure(i, Type::Blob, what.into());
    let header_bytes = r.get::<_, i64>(9)? as u64;
    let blob: Vec<u8> = r.get(13)?;
    Ok(SegmentRow {
        id: SegmentId(r.get(0)?),
        camera: camera(r, 1)?,
        stream: stream(r, 2)?,
        run: run(r, 3)?,
        seq_in_run: r.get(4)?,
        span: WallSpan::new(Wall(r.get(5)?), Wall(r.get(6)?)),
        path: root.join(r.get::<_, String>(7)?),
        bytes: r.get::<_, i64>(8)? as u64,
        header_bytes,
        width: r.get(10)?,
        height: r.get(11)?,
        codecs: r.get(12)?,
        fragments: blob::decode(header_bytes, &blob).ok_or_else(|| bad(13, "bad fragment table"))?,
        open: r.get::<_, i64>(14)? == OPEN,
    })
}

pub fn run(r: &Row<'_>, i: usize) -> rusqlite::Result<RunId> {
    let bad = |_| rusqlite::Error::FromSqlConversionFailure(i, Type::Blob, "bad run".into());
    uuid::Uuid::from_slice(r.get_ref(i)?.as_blob()?).map(RunId).map_err(bad)
}

fn text_error(i: usize, e: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(i, Type::Text, e.into())
}

pub fn camera(r: &Row<'_>, i: usize) -> rusqlite::Result<CameraId> {
    CameraId::new(&r.get::<_, String>(i)?).map_err(|e| text_error(i, e))
}

pub fn stream(r: &Row<'_>, i: usize) -> rusqlite::Result<StreamKind> {
    r.get::<_, String>(i)?.parse().map_err(|e: String| text_error(i, e))
}

/// Rows of `start, end, cause, note`; an open gap ends `now`.
pub fn gap_row(r: &Row<'_>, now: Wall) -> rusqlite::Result<Gap> {
    let start = Wall(r.get(0)?);
    let end: Option<i64> = r.get(1)?;
    let cause = r.get::<_, String>(2)?.parse::<GapCause>().map_err(|e| text_error(2, e))?;
    let span = WallSpan::new(start, end.map_or(now.max(start), Wall));
    Ok(Gap { span, cause, note: r.get(3)?, open: end.is_none() })
}

/// Number of the stream; its row is made when there is none.
pub fn stream_id(
    conn: &Connection,
    camera: &CameraId,
    stream: StreamKind,
    since: Wall,
) -> rusqlite::Result<i64> {
    conn.prepare_cached(
        "INSERT INTO stream (camera, stream, expected_since) VALUES (?1, ?2, ?3)
         ON CONFLICT (camera, stream) DO UPDATE SET expected_since = min(expected_since, ?3) RETURNING id",
    )?
    .query_row(params![camera.as_str(), stream.as_str(), since.micros()], |r| r.get(0))
}

/// Insert a row as it stands; `row.id` is not looked at.
pub fn insert_segment(conn: &Connection, root: &Path, row: &SegmentRow) -> rusqlite::Result<SegmentId> {
    let stream = stream_id(conn, &row.camera, row.stream, row.span.start)?;
    conn.prepare_cached(
        "INSERT INTO segment (stream_id, start, end, run, seq, path, bytes, header_bytes, width, height,
         codecs, fragments, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(params![
        stream,
        row.span.start.micros(),
        row.span.end.micros(),
        row.run.0.as_bytes().as_slice(),
        row.seq_in_run,
        relative(root, &row.path),
        row.bytes as i64,
        row.header_bytes as i64,
        row.width,
        row.height,
        row.codecs,
        blob::encode(row.header_bytes, &row.fragments),
        if row.open { OPEN } else { CLOSED },
    ])?;
    Ok(SegmentId(conn.last_insert_rowid()))
}

/// Write what changes while a segment is recorded, and close its row.
pub fn close_segment(conn: &Connection, row: &SegmentRow) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE segment SET end = ?2, bytes = ?3, fragments = ?4, state = 1 WHERE id = ?1")?
        .execute(params![
            row.id.0,
            row.span.end.micros(),
            row.bytes as i64,
            blob::encode(row.header_bytes, &row.fragments)
        ])?;
    Ok(())
}

/// Paths in the index are relative, so that the archive can be moved. Those on further disks are not:
/// their folders say which disk they mean.
pub fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}
