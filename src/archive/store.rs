//! The archive as the recorder and the readers see it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};

use super::db::{self, SEGMENT_COLUMNS, segment_row};
use super::disks::{DiskId, Disks};
use super::error::{Error, Result};
use super::fmp4::PastGap;
use super::settings::Settings;
use super::trust::Trust;
use super::types::{FragmentRef, RunId, SegmentId, SegmentRow};
use super::{ledger, recovery};
use crate::base::queue::{self, Receiver, Sender};
use crate::base::{CameraId, Clock, StreamKind, Wall, WallSpan};
use crate::camera::GapCause;

/// Index over the segment files. Shared by reference; all calls block on the disk and none may be
/// made in async code.
#[derive(Debug)]
pub struct Archive {
    pub(super) settings: Settings,
    pub(super) clock: Arc<dyn Clock>,
    disks: Disks,
    // Lock order: writer, readers, open. None is held while another thread is waited for.
    writer: Mutex<Connection>,
    /// Idle connections; readers take one out and put it back.
    readers: Mutex<Vec<Connection>>,
    /// Segments whose rows in the index are not final: those being written, and closed ones whose
    /// row could not be written yet.
    open: Mutex<BTreeMap<SegmentId, SegmentRow>>,
    pub(super) bytes: AtomicU64,
    pub(super) count: AtomicU64,
    pub(super) room: Room,
    /// Segments of which retention has said that it cannot delete them.
    told_stuck: Mutex<BTreeSet<i64>>,
    trust: Mutex<Trust>,
}

/// How the recorder asks retention to make room at once.
pub(super) struct Room {
    pub ask: Sender<DiskId>,
    pub asked: Receiver<DiskId>,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Room")
    }
}

/// A segment about to be written.
#[derive(Clone, PartialEq, Debug)]
pub struct NewSegment {
    pub camera: CameraId,
    pub stream: StreamKind,
    pub run: RunId,
    pub seq_in_run: u32,
    pub start: Wall,
    pub path: PathBuf,
    pub header_bytes: u64,
    pub width: u16,
    pub height: u16,
    pub codecs: String,
}

/// What the archive holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Totals {
    pub bytes: u64,
    pub segments: u64,
}

impl Archive {
    /// Open or create the archive and bring index and files into agreement: open segments are cut
    /// to their last whole fragment and closed, files without a row are read in, rows without a
    /// file become gaps. A damaged index is moved aside and rebuilt from the files.
    pub fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<Archive> {
        std::fs::create_dir_all(&settings.root).map_err(Error::io("create", &settings.root))?;
        let (mut conn, fresh) = db::open_index(&settings.index)?;
        let index = |source| Error::Index { path: settings.index.clone(), source };
        let disks = Disks::open(&settings, &conn).map_err(index)?;
        recovery::recover(&mut conn, &settings, &disks, fresh, clock.wall())?;
        disks.settle(&conn).map_err(index)?;
        let (bytes, count) = conn
            .query_row("SELECT coalesce(sum(bytes), 0), count(*) FROM segment WHERE state = 1", [], |r| {
                Ok((r.get::<_, i64>(0)? as u64, r.get::<_, i64>(1)? as u64))
            })
            .map_err(index)?;
        // What was last believed, or recorded, before this start.
        let good: Option<i64> = conn
            .query_row(
                "SELECT coalesce((SELECT value FROM meta WHERE key = 'trusted'), (SELECT max(end) FROM segment))",
                [],
                |r| r.get(0),
            )
            .map_err(index)?;
        let trust = Trust::new(good.map_or(clock.wall(), Wall), clock.now());
        let (ask, asked) = queue::items("retention", disks.all().len());
        Ok(Archive {
            settings,
            clock,
            disks,
            writer: Mutex::new(conn),
            readers: Mutex::default(),
            open: Mutex::default(),
            bytes: AtomicU64::new(bytes),
            count: AtomicU64::new(count),
            room: Room { ask, asked },
            told_stuck: Mutex::default(),
            trust: Mutex::new(trust),
        })
    }

    /// Open an existing archive to read what is closed of it, beside a server that may be writing it. Nothing is
    /// mended and nothing may be written; the segments that are being written are not seen.
    pub fn view(settings: Settings, clock: Arc<dyn Clock>) -> Result<Archive> {
        let index = |source| Error::Index { path: settings.index.clone(), source };
        let conn = db::open_reader(&settings.index).map_err(index)?;
        let disks = Disks::open(&settings, &conn).map_err(index)?;
        let (ask, asked) = queue::items("retention", disks.all().len());
        Ok(Archive {
            trust: Mutex::new(Trust::new(clock.wall(), clock.now())),
            settings,
            clock,
            disks,
            writer: Mutex::new(conn),
            readers: Mutex::default(),
            open: Mutex::default(),
            bytes: AtomicU64::new(0),
            count: AtomicU64::new(0),
            room: Room { ask, asked },
            told_stuck: Mutex::default(),
        })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn disks(&self) -> &Disks {
        &self.disks
    }

    pub fn now(&self) -> Wall {
        self.clock.wall()
    }

    pub(super) fn open_rows(&self) -> MutexGuard<'_, BTreeMap<SegmentId, SegmentRow>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn told_stuck(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.told_stuck.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn trust(&self) -> MutexGuard<'_, Trust> {
        self.trust.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn index_error(&self, source: rusqlite::Error) -> Error {
        Error::Index { path: self.settings.index.clone(), source }
    }

    /// One transaction on the writing connection.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let mut conn = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let run = |conn: &mut Connection| {
            let tx = conn.transaction()?;
            let out = work(&tx)?;
            tx.commit()?;
            Ok(out)
        };
        run(&mut conn).map_err(|e| self.index_error(e))
    }

    /// One snapshot on a reading connection.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let run = || {
            let mut conn = idle.map_or_else(|| db::open_reader(&self.settings.index), Ok)?;
            let tx = conn.transaction()?;
            let out = work(&tx)?;
            tx.finish()?;
            Ok((conn, out))
        };
        let (conn, out) = run().map_err(|e| self.index_error(e))?;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < 8 {
            readers.push(conn);
        }
        Ok(out)
    }

    /// Where on a disk a segment that starts at `start` goes. No such file exists yet; its folder may not
    /// either.
    pub fn path_for(&self, disk: DiskId, camera: &CameraId, stream: StreamKind, start: Wall) -> PathBuf {
        let t = start.timestamp();
        let folder = self.disks.get(disk).root.join(camera.as_str()).join(stream.as_str());
        let folder = folder.join(t.strftime("%Y-%m-%d").to_string());
        let name = t.strftime("%H%M%S.%6f").to_string();
        // The wall clock may have been stepped back onto a start that was used.
        (0..)
            .map(|n| folder.join(if n == 0 { format!("{name}.mp4") } else { format!("{name}-{n}.mp4") }))
            .find(|p| !p.exists())
            .expect("invariant: the numbers do not end")
    }

    /// Recording of this stream is on from `at`. Until its first unit it has an open gap.
    pub fn expect(&self, camera: &CameraId, stream: StreamKind, at: Wall) -> Result<()> {
        self.write(|c| {
            let id = db::stream_id(c, camera, stream, at)?;
            let open: Option<String> = c
                .query_row("SELECT cause FROM gap WHERE stream_id = ?1 AND end IS NULL", [id], |r| r.get(0))
                .optional()?;
            match open {
                // What was so far still tells why nothing is there.
                Some(cause) if cause != GapCause::NotConfigured.as_str() => Ok(()),
                _ => ledger::begin(c, camera, stream, at, GapCause::CameraLost, ledger::WAITING),
            }
        })
    }

    /// Since when recording of this stream is expected.
    pub fn expected_since(&self, camera: &CameraId, stream: StreamKind) -> Result<Option<Wall>> {
        self.read(|c| {
            c.prepare_cached("SELECT expected_since FROM stream WHERE camera = ?1 AND stream = ?2")?
                .query_row(params![camera.as_str(), stream.as_str()], |r| r.get(0).map(Wall))
                .optional()
        })
    }

    /// All streams that were ever expected.
    pub fn streams(&self) -> Result<Vec<(CameraId, StreamKind)>> {
        self.read(|c| {
            c.prepare_cached("SELECT camera, stream FROM stream ORDER BY camera, stream")?
                .query_map([], |r| Ok((db::camera(r, 0)?, db::stream(r, 1)?)))?
                .collect()
        })
    }

    /// A gap begins where the recording of this stream ended.
    pub fn gap_begins(
        &self,
        camera: &CameraId,
        stream: StreamKind,
        at: Wall,
        cause: GapCause,
        note: &str,
    ) -> Result<()> {
        self.write(|c| ledger::begin(c, camera, stream, at, cause, note))
    }

    /// The open gap of this stream, if any, ends at `at`. Returns all gaps since the last segment.
    pub fn gap_ends(&self, camera: &CameraId, stream: StreamKind, at: Wall) -> Result<Vec<PastGap>> {
        self.write(|c| {
            ledger::end(c, camera, stream, at)?;
            let last: Option<i64> = c.query_row(
                "SELECT max(g.end) FROM segment g JOIN stream s ON s.id = g.stream_id
                 WHERE s.camera = ?1 AND s.stream = ?2",
                params![camera.as_str(), stream.as_str()],
                |r| r.get(0),
            )?;
            let span = WallSpan::new(last.map_or(Wall::MIN, Wall), Wall::MAX);
            let gaps = ledger::overlapping(c, camera, stream, span, at)?;
            let past = |g: super::types::Gap| PastGap {
                start_us: g.span.start.micros(),
                end_us: g.span.end.micros(),
                cause: g.cause,
                note: g.note,
            };
            Ok(gaps.into_iter().filter(|g| !g.open && g.cause != GapCause::Retention).map(past).collect())
        })
    }

    /// A segment begins. Its row stands before its file, so that no file is ever unknown.
    pub fn begin(&self, new: NewSegment) -> Result<SegmentId> {
        let mut row = SegmentRow {
            id: SegmentId(0),
            camera: new.camera,
            stream: new.stream,
            run: new.run,
            seq_in_run: new.seq_in_run,
            span: WallSpan::new(new.start, new.start),
            path: new.path,
            bytes: new.header_bytes,
            header_bytes: new.header_bytes,
            width: new.width,
            height: new.height,
            codecs: new.codecs,
            fragments: vec![],
            open: true,
        };
        row.id = self.write(|c| db::insert_segment(c, &self.settings.root, &row))?;
        let id = row.id;
        self.bytes.fetch_add(row.bytes, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.open_rows().insert(id, row);
        Ok(id)
    }

    /// A whole fragment of an open segment is in its file.
    pub fn fragment(&self, id: SegmentId, fragment: FragmentRef) {
        if let Some(row) = self.open_rows().get_mut(&id) {
            row.bytes += fragment.bytes as u64;
            row.span.end = fragment.span().end;
            row.fragments.push(fragment);
            self.bytes.fetch_add(fragment.bytes as u64, Ordering::Relaxed);
        }
    }

    /// An open segment is finished. When the index refuses, the row is written with a later one.
    pub fn close(&self, id: SegmentId) -> Result<()> {
        let done: Vec<SegmentRow> = {
            let mut open = self.open_rows();
            if let Some(row) = open.get_mut(&id) {
                row.open = false;
            }
            open.values().filter(|r| !r.open).cloned().collect()
        };
        self.write(|c| done.iter().try_for_each(|row| db::close_segment(c, row)))?;
        let mut open = self.open_rows();
        done.iter().for_each(|row| {
            open.remove(&row.id);
        });
        Ok(())
    }

    /// An open segment of which no fragment could be written. Its file must be gone already.
    pub fn abandon(&self, id: SegmentId) -> Result<()> {
        if let Some(row) = self.open_rows().remove(&id) {
            self.bytes.fetch_sub(row.bytes, Ordering::Relaxed);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        self.write(|c| c.execute("DELETE FROM segment WHERE id = ?1", [id.0]).map(|_| ()))
    }

    /// Segments of a stream that overlap `span`, by start; the open one up to its last whole fragment.
    pub fn segments(&self, camera: &CameraId, stream: StreamKind, span: WallSpan) -> Result<Vec<SegmentRow>> {
        // Memory before the index: a segment closed in between is seen twice, not never.
        let mine = |r: &&SegmentRow| &r.camera == camera && r.stream == stream;
        let mut rows: Vec<SegmentRow> = self.open_rows().values().filter(mine).cloned().collect();
        let sql = format!("SELECT {SEGMENT_COLUMNS} {}", db::FROM_SEGMENTS_IN_SPAN);
        let stored: Vec<SegmentRow> = self.read(|c| {
            c.prepare_cached(&sql)?
                .query_map(
                    params![camera.as_str(), stream.as_str(), span.start.micros(), span.end.micros()],
                    |r| segment_row(r, &self.settings.root),
                )?
                .collect()
        })?;
        rows.retain(|r| {
            let there = stored.iter().any(|s| s.id == r.id);
            !there && !r.fragments.is_empty() && r.span.intersect(span).is_some()
        });
        rows.extend(stored);
        rows.sort_by_key(|r| (r.span.start, r.id));
        Ok(rows)
    }

    pub fn segment(&self, id: SegmentId) -> Result<SegmentRow> {
        let open = self.open_rows().get(&id).filter(|r| !r.fragments.is_empty()).cloned();
        if let Some(row) = open {
            return Ok(row);
        }
        let sql = format!(
            "SELECT {SEGMENT_COLUMNS} FROM segment g JOIN stream s ON s.id = g.stream_id
             WHERE g.id = ?1 AND g.state = 1"
        );
        self.read(|c| {
            c.prepare_cached(&sql)?.query_row([id.0], |r| segment_row(r, &self.settings.root)).optional()
        })?
        .ok_or(Error::NoSegment(id))
    }

    /// From the first to the last recorded moment of a stream.
    pub fn extent(&self, camera: &CameraId, stream: StreamKind) -> Result<Option<WallSpan>> {
        let open: Vec<WallSpan> = self
            .open_rows()
            .values()
            .filter(|r| &r.camera == camera && r.stream == stream && !r.fragments.is_empty())
            .map(|r| r.span)
            .collect();
        let stored: (Option<i64>, Option<i64>) = self.read(|c| {
            c.prepare_cached(
                "SELECT min(g.start), max(g.end) FROM segment g JOIN stream s ON s.id = g.stream_id
                 WHERE s.camera = ?1 AND s.stream = ?2 AND g.state = 1",
            )?
            .query_row(params![camera.as_str(), stream.as_str()], |r| Ok((r.get(0)?, r.get(1)?)))
        })?;
        let stored = stored.0.zip(stored.1).map(|(a, b)| WallSpan::new(Wall(a), Wall(b)));
        let join = |a: WallSpan, b: WallSpan| WallSpan::new(a.start.min(b.start), a.end.max(b.end));
        Ok(open.into_iter().chain(stored).reduce(join))
    }

    pub fn totals(&self) -> Totals {
        Totals { bytes: self.bytes.load(Ordering::Relaxed), segments: self.count.load(Ordering::Relaxed) }
    }
}
