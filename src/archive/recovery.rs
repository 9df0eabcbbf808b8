//! Bringing index and files into agreement at the start: what the server was doing when it ended is
//! finished, what the index does not know is read in, what is gone is entered as a gap.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::db::{self, SEGMENT_COLUMNS, segment_row};
use super::disks::Disks;
use super::error::{Error, Result};
use super::fmp4::{Scan, scan, tracks};
use super::settings::Settings;
use super::types::{RunId, SegmentId, SegmentRow};
use super::{ledger, retention};
use crate::base::{CameraId, StreamKind, Wall, WallSpan};
use crate::camera::GapCause;

/// Run recovery over the disks that are there. `fresh`: the index was made anew. `now`: the time of the
/// start.
pub fn recover(
    conn: &mut Connection,
    settings: &Settings,
    disks: &Disks,
    fresh: bool,
    now: Wall,
) -> Result<()> {
    let index: Arc<Path> = settings.index.as_path().into();
    let r = Recovery { root: &settings.root, disks, index };
    retention::finish_marked(conn, &settings.root).map_err(|e| r.index_error(e))?;
    r.finish_open(conn)?;
    let mut visited = BTreeSet::new();
    for (_, root) in disks.present() {
        for (camera, stream, folder) in stream_folders(root)? {
            for day in subfolders(&folder)? {
                r.reconcile_folder(conn, &camera, stream, &day)?;
                visited.insert(db::relative(&settings.root, &day));
            }
        }
    }
    r.drop_lost_folders(conn, &visited)?;
    if fresh {
        r.infer_retention(conn)?;
    }
    r.begin_server_down(conn, now).map_err(|e| r.index_error(e))
}

struct Recovery<'a> {
    root: &'a Path,
    disks: &'a Disks,
    index: Arc<Path>,
}

impl Recovery<'_> {
    fn index_error(&self, source: rusqlite::Error) -> Error {
        Error::Index { path: self.index.to_path_buf(), source }
    }

    fn in_tx<T>(
        &self,
        conn: &mut Connection,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let run = || {
            let tx = conn.transaction()?;
            let out = work(&tx)?;
            tx.commit()?;
            Ok(out)
        };
        run().map_err(|e| self.index_error(e))
    }

    fn rows(&self, conn: &Connection, filter: &str, of: &[&dyn rusqlite::ToSql]) -> Result<Vec<SegmentRow>> {
        let sql = format!(
            "SELECT {SEGMENT_COLUMNS} FROM segment g JOIN stream s ON s.id = g.stream_id WHERE {filter}"
        );
        let run = || -> rusqlite::Result<Vec<SegmentRow>> {
            conn.prepare(&sql)?.query_map(of, |r| segment_row(r, self.root))?.collect()
        };
        run().map_err(|e| self.index_error(e))
    }

    /// Segments that were being written: cut to the last whole fragment and closed.
    fn finish_open(&self, conn: &mut Connection) -> Result<()> {
        for row in self.rows(conn, "g.state = 0", &[])? {
            if !self.disks.is_there(&row.path) {
                continue;
            }
            let found = if row.path.exists() { read_whole(&row.path) } else { Ok(None) };
            // One unreadable file, as a power failure leaves it, must not keep the server from starting.
            let found = found.unwrap_or_else(|e| {
                tracing::warn!(error = %e, "left alone a segment that cannot be read; it is not listed");
                None
            });
            match found {
                Some(s) => {
                    let row = SegmentRow { id: row.id, ..row_of(&row.path, &s) };
                    self.in_tx(conn, |c| db::close_segment(c, &row))?;
                }
                // Killed before its first fragment was whole: nothing was ever recorded in it. Or it
                // is damaged: then its row says no more than that it began.
                None => self.delete_row(conn, row.id)?,
            }
        }
        Ok(())
    }

    fn delete_row(&self, conn: &mut Connection, id: SegmentId) -> Result<()> {
        self.in_tx(conn, |c| c.execute("DELETE FROM segment WHERE id = ?1", [id.0]).map(|_| ()))
    }

    /// Compare the files of one day with their rows.
    fn reconcile_folder(
        &self,
        conn: &mut Connection,
        camera: &CameraId,
        stream: StreamKind,
        day: &Path,
    ) -> Result<()> {
        let prefix = format!("{}/", db::relative(self.root, day));
        // '0' follows '/' in ASCII: the range holds exactly the paths in this folder.
        let end = format!("{}0", db::relative(self.root, day));
        let list = || -> rusqlite::Result<BTreeMap<PathBuf, (SegmentId, u64)>> {
            conn.prepare_cached("SELECT path, id, bytes FROM segment WHERE path >= ?1 AND path < ?2")?
                .query_map(params![prefix, end], |r| {
                    let path = self.root.join(r.get::<_, String>(0)?);
                    Ok((path, (SegmentId(r.get(1)?), r.get::<_, i64>(2)? as u64)))
                })?
                .collect()
        };
        let known = list().map_err(|e| self.index_error(e))?;
        let files = segment_files(day)?;
        for (path, len) in &files {
            match known.get(path) {
                None => self.read_in(conn, camera, stream, path)?,
                Some((id, bytes)) if len < bytes => self.shrink(conn, *id, path)?,
                Some(_) => {}
            }
        }
        for (path, (id, _)) in &known {
            if !files.contains_key(path) {
                self.lose(conn, *id, "the file is gone")?;
            }
        }
        Ok(())
    }

    /// A file without a row.
    fn read_in(
        &self,
        conn: &mut Connection,
        camera: &CameraId,
        stream: StreamKind,
        path: &Path,
    ) -> Result<()> {
        let s = match read_whole(path) {
            Ok(Some(s)) => s,
            Ok(None) => return Ok(()),
            Err(e) => {
                tracing::warn!(error = %e, "left alone a file that cannot be read in");
                return Ok(());
            }
        };
        if &s.header.facts.camera != camera || s.header.facts.stream != stream {
            tracing::warn!(path = %path.display(), camera = %s.header.facts.camera,
                "left alone a segment that lies in another camera's folder");
            return Ok(());
        }
        let row = row_of(path, &s);
        self.in_tx(conn, |c| {
            let id = db::stream_id(c, camera, stream, Wall(s.header.facts.expected_since_us))?;
            db::insert_segment(c, self.root, &row)?;
            for g in &s.header.facts.gaps_before {
                ledger::enter(c, id, g.span(), g.cause, &g.note)?;
            }
            Ok(())
        })
    }

    /// A closed segment whose file has become shorter, as a power failure can leave it.
    fn shrink(&self, conn: &mut Connection, id: SegmentId, path: &Path) -> Result<()> {
        let Ok(Some(s)) = read_whole(path) else {
            return self.lose(conn, id, "the file is damaged");
        };
        let Some(old) = self.rows(conn, "g.id = ?1", &[&id.0])?.pop() else { return Ok(()) };
        let row = SegmentRow { id, ..row_of(path, &s) };
        self.in_tx(conn, |c| {
            db::close_segment(c, &row)?;
            let stream = db::stream_id(c, &row.camera, row.stream, row.span.start)?;
            let lost = WallSpan::new(row.span.end, old.span.end);
            ledger::enter(c, stream, lost, GapCause::FileLost, "the end of the file is gone")
        })
    }

    /// A row whose file is gone or useless becomes a gap.
    fn lose(&self, conn: &mut Connection, id: SegmentId, note: &str) -> Result<()> {
        self.in_tx(conn, |c| {
            let row: Option<(i64, i64, i64)> = c
                .query_row("SELECT stream_id, start, end FROM segment WHERE id = ?1", [id.0], |r| {
                    Ok((r.get(0)?, r.get(1)?, r.get(2)?))
                })
                .optional()?;
            if let Some((stream, start, end)) = row {
                c.execute("DELETE FROM segment WHERE id = ?1", [id.0])?;
                let span = WallSpan::new(Wall(start), Wall(end));
                ledger::enter(c, stream, span, GapCause::FileLost, note)?;
            }
            Ok(())
        })
    }

    /// Rows in folders that are gone as a whole.
    fn drop_lost_folders(&self, conn: &mut Connection, visited: &BTreeSet<String>) -> Result<()> {
        let list = || -> rusqlite::Result<Vec<String>> {
            // rtrim takes off the name: everything behind the last '/'.
            conn.prepare("SELECT DISTINCT rtrim(rtrim(path, replace(path, '/', '')), '/') FROM segment")?
                .query_map([], |r| r.get(0))?
                .collect()
        };
        let folders = list().map_err(|e| self.index_error(e))?;
        let gone = |f: &&String| !visited.contains(*f) && self.disks.is_there(&self.root.join(f.as_str()));
        for folder in folders.iter().filter(gone) {
            let (from, to) = (format!("{folder}/"), format!("{folder}0"));
            let rows = self.rows(conn, "g.path >= ?1 AND g.path < ?2", &[&from, &to])?;
            for row in rows {
                self.lose(conn, row.id, "the folder is gone")?;
            }
        }
        Ok(())
    }

    /// In a rebuilt index: retention deletes the oldest first, so what was expected before the first
    /// thing known is what it deleted.
    fn infer_retention(&self, conn: &mut Connection) -> Result<()> {
        self.in_tx(conn, |c| {
            let first: Vec<(i64, i64, i64)> = c
                .prepare(
                    "SELECT s.id, s.expected_since,
                     min((SELECT min(start) FROM segment WHERE stream_id = s.id),
                         coalesce((SELECT min(start) FROM gap WHERE stream_id = s.id), 1 << 62))
                     FROM stream s WHERE EXISTS (SELECT 1 FROM segment WHERE stream_id = s.id)",
                )?
                .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
                .collect::<rusqlite::Result<_>>()?;
            for (id, since, first) in first {
                if first > since {
                    ledger::retain(c, id, Wall(first))?;
                }
            }
            Ok(())
        })
    }

    /// From the last recorded moment on the server was not running; where a gap was open, from the
    /// last moment at which the server was known to run.
    fn begin_server_down(&self, conn: &mut Connection, now: Wall) -> rusqlite::Result<()> {
        let tx = conn.transaction()?;
        let alive: Option<i64> =
            tx.query_row("SELECT value FROM meta WHERE key = 'alive'", [], |r| r.get(0)).optional()?;
        type Last = (CameraId, StreamKind, i64, Option<String>, Option<i64>);
        let streams: Vec<Last> = tx
            .prepare(
                "SELECT s.camera, s.stream,
                 coalesce((SELECT max(end) FROM segment WHERE stream_id = s.id AND state = 1), s.expected_since),
                 g.cause, g.start FROM stream s LEFT JOIN gap g ON g.stream_id = s.id AND g.end IS NULL",
            )?
            .query_map([], |r| {
                Ok((db::camera(r, 0)?, db::stream(r, 1)?, r.get(2)?, r.get(3)?, r.get(4)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        for (camera, stream, last, cause, start) in streams {
            if cause.as_deref() == Some(GapCause::NotConfigured.as_str()) {
                continue;
            }
            let at = start.map_or(last, |s| s.max(alive.unwrap_or(s)).max(last)).min(now.micros());
            let note = "the server was not running";
            ledger::begin(&tx, &camera, stream, Wall(at), GapCause::ServerDown, note)?;
        }
        tx.commit()
    }
}

/// Scan a file and cut off its torn end. `None`: there is no whole fragment in it; it is removed.
fn read_whole(path: &Path) -> Result<Option<Scan>> {
    let s = match scan(path) {
        Ok(s) => s,
        // A header is written together with the first fragment: a torn one is followed by nothing.
        // The bytes of another program's file are not ours to remove.
        Err(e @ Error::Format { .. }) => {
            if !is_torn_header(path)? {
                return Err(e);
            }
            fs::remove_file(path).map_err(Error::io("remove", path))?;
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    if s.fragments.is_empty() {
        fs::remove_file(path).map_err(Error::io("remove", path))?;
        return Ok(None);
    }
    if s.whole_bytes < s.file_bytes {
        let file = fs::OpenOptions::new().write(true).open(path).map_err(Error::io("open", path))?;
        file.set_len(s.whole_bytes).map_err(Error::io("cut the torn end off", path))?;
    }
    Ok(Some(s))
}

/// Whether the file is a front part of what we write, ending before the header does.
fn is_torn_header(path: &Path) -> Result<bool> {
    // Headers are a few kB; a large file of another program need not be read.
    if fs::metadata(path).map_err(Error::io("look at", path))?.len() > 1 << 20 {
        return Ok(false);
    }
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let Some(kind) = bytes.get(4..8) else { return Ok(true) };
    let size = |b: &[u8]| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize;
    let ftyp = size(&bytes);
    Ok(kind == b"ftyp"
        && match bytes.get(ftyp..ftyp + 8) {
            None => bytes.len() < ftyp + 8,
            Some(next) => &next[4..] == b"moov" && bytes.len() < ftyp + size(next),
        })
}

fn row_of(path: &Path, s: &Scan) -> SegmentRow {
    let facts = &s.header.facts;
    let (width, height) = tracks::picture_size(&s.header.entries.video);
    let entries = std::iter::once(&s.header.entries.video).chain(&s.header.entries.audio);
    let start = Wall(facts.start_us);
    SegmentRow {
        id: SegmentId(0),
        camera: facts.camera.clone(),
        stream: facts.stream,
        run: RunId(facts.run),
        seq_in_run: facts.seq_in_run,
        span: WallSpan::new(start, s.fragments.last().map_or(start, |f| f.span().end)),
        path: path.to_owned(),
        bytes: s.whole_bytes,
        header_bytes: s.header.bytes,
        width,
        height,
        codecs: tracks::codecs_of(entries),
        fragments: s.fragments.clone(),
        open: false,
    }
}

fn stream_folders(root: &Path) -> Result<Vec<(CameraId, StreamKind, PathBuf)>> {
    let mut found = Vec::new();
    let name = |p: &Path| p.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
    for camera in subfolders(root)? {
        let Ok(id) = CameraId::new(&name(&camera)) else { continue };
        for folder in subfolders(&camera)? {
            if let Ok(stream) = name(&folder).parse() {
                found.push((id.clone(), stream, folder));
            }
        }
    }
    Ok(found)
}

fn subfolders(path: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(Error::io("list", path))? {
        let entry = entry.map_err(Error::io("list", path))?;
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Segment files of a folder with their sizes.
fn segment_files(path: &Path) -> Result<BTreeMap<PathBuf, u64>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path).map_err(Error::io("list", path))? {
        let entry = entry.map_err(Error::io("list", path))?;
        if entry.path().extension().is_some_and(|e| e == "mp4") {
            match entry.metadata() {
                Ok(m) if m.is_file() => drop(found.insert(entry.path(), m.len())),
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io("look at", &entry.path())(e)),
            }
        }
    }
    Ok(found)
}
