//! Blocks by camera and time, in SQLite.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::block::{self, Block, Look};
use crate::archive::error::{Error, Result};
use crate::base::{CameraId, Wall, WallSpan};

const VERSION: i64 = 1;

/// A look is the same for days, so blocks name it by number.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS look (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS block (
    camera TEXT NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
    look INTEGER NOT NULL REFERENCES look (id), began INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS block_by_time ON block (camera, start);
CREATE INDEX IF NOT EXISTS block_by_age ON block (end);
";

/// No block is longer than this, however seldom a camera is looked at.
const LONGEST: Duration = Duration::from_secs(600);

/// What was seen. Shared by reference; all calls block on the disk.
#[derive(Debug)]
pub struct Observations {
    path: PathBuf,
    conn: Mutex<Connection>,
}

/// A closed block.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub camera: CameraId,
    pub look: Arc<Look>,
    pub began: bool,
    pub start: Wall,
    pub end: Wall,
    pub data: Vec<u8>,
}

impl Observations {
    /// Open or make the store.
    ///
    /// # Errors
    /// It cannot be opened, or a newer program made it.
    pub fn open(path: &Path) -> Result<Observations> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        let conn = open(path).map_err(|source| Error::Observations { path: path.into(), source })?;
        Ok(Observations { path: path.into(), conn: Mutex::new(conn) })
    }

    pub(super) fn append(&self, rows: &[Row]) -> Result<()> {
        self.with(|conn| {
            let tx = conn.transaction()?;
            for row in rows {
                let text = serde_json::to_string(&*row.look)
                    .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
                let look = look_id(&tx, &text)?;
                tx.prepare_cached("INSERT INTO block VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(params![
                    row.camera.as_str(),
                    row.start.micros(),
                    row.end.micros(),
                    look,
                    row.began,
                    row.data
                ])?;
            }
            tx.commit()
        })
    }

    /// Blocks of a camera that reach into `span`, in the order in which they were written. Blocks that cannot
    /// be read are left out: what they held counts as not seen.
    pub fn blocks(&self, camera: &CameraId, span: WallSpan) -> Result<Vec<Block>> {
        let read = |r: &rusqlite::Row| -> rusqlite::Result<Option<Block>> {
            let look = serde_json::from_str(&r.get::<_, String>(0)?).ok();
            let (began, data): (bool, Vec<u8>) = (r.get(1)?, r.get(2)?);
            let entries = block::read(&data).filter(|e| !e.is_empty());
            Ok(look.zip(entries).map(|(look, entries)| Block { look, began, entries }))
        };
        self.with(|conn| {
            let earliest = (span.start - LONGEST).micros();
            conn.prepare_cached(
                "SELECT l.text, b.began, b.data FROM block b JOIN look l ON l.id = b.look
                 WHERE b.camera = ?1 AND b.start >= ?2 AND b.start < ?3 AND b.end >= ?4 ORDER BY b.rowid",
            )?
            .query_map(params![camera.as_str(), earliest, span.end.micros(), span.start.micros()], read)?
            .filter_map(rusqlite::Result::transpose)
            .collect()
        })
    }

    /// Delete what ended before `before`. Returns how many blocks went.
    pub fn prune(&self, before: Wall) -> Result<usize> {
        self.with(|conn| conn.execute("DELETE FROM block WHERE end < ?1", [before.micros()]))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T> {
        let mut conn = self.conn.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut conn).map_err(|source| Error::Observations { path: self.path.clone(), source })
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open(path)?;
    conn.busy_timeout(Duration::from_secs(10))?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    // A minute that a power cut takes away can be decoded again.
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    let version: i64 = conn.pragma_query_value(None, "user_version", |r| r.get(0))?;
    if version > VERSION {
        return Err(rusqlite::Error::InvalidQuery);
    }
    conn.execute_batch(SCHEMA)?;
    conn.pragma_update(None, "user_version", VERSION)?;
    Ok(conn)
}

fn look_id(conn: &Connection, text: &str) -> rusqlite::Result<i64> {
    let known = conn
        .prepare_cached("SELECT id FROM look WHERE text = ?1")?
        .query_row([text], |r| r.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    conn.execute("INSERT INTO look (text) VALUES (?1)", [text])?;
    Ok(conn.last_insert_rowid())
}

#[cfg(test)]
mod tests {
    use super::super::journal::{Journal, keep};
    use super::*;
    use crate::base::StreamKind;
    use crate::infer::{Class, Detection, Outcome};
    use crate::media::BBox;

    fn look() -> Arc<Look> {
        Arc::new(Look {
            stream: StreamKind::Sub,
            classes: vec![Class::Motion],
            program: "1".into(),
            models: Vec::new(),
        })
    }

    fn seen(score: f32) -> Outcome {
        let bbox = BBox::new(0.25, 0.25, 0.5, 0.5);
        let d = Detection { class: Class::Motion, bbox, score, landmarks: None };
        Outcome::Done(vec![super::super::on_grid(&d)])
    }

    /// Three minutes of two cameras, a frame a second; the second minute of `a` begins anew.
    fn store() -> (tempfile::TempDir, Observations) {
        let folder = tempfile::tempdir().unwrap();
        let store = Observations::open(&folder.path().join("o.sqlite")).unwrap();
        keep(&store, |keeper| {
            for name in ["a", "b"] {
                let camera = CameraId::new(name).unwrap();
                let mut journal = Journal::new(camera, look(), keeper.clone());
                for second in 0..180 {
                    if second == 90 && name == "a" {
                        journal.begin();
                    }
                    journal.note(Wall::from_secs(second), &seen(second as f32 / 200.0));
                }
            }
        })
        .unwrap();
        (folder, store)
    }

    fn seconds(from: i64, to: i64) -> WallSpan {
        WallSpan::new(Wall::from_secs(from), Wall::from_secs(to))
    }

    #[test]
    fn everything_noted_comes_back_once_and_in_order() {
        let (_folder, store) = store();
        let a = CameraId::new("a").unwrap();
        let blocks = store.blocks(&a, seconds(0, 180)).unwrap();
        let entries: Vec<_> = blocks.iter().flat_map(|b| b.entries.clone()).collect();
        assert_eq!(entries.len(), 180);
        for (i, e) in entries.iter().enumerate() {
            assert_eq!((e.at, &e.outcome), (Wall::from_secs(i as i64), &seen(i as f32 / 200.0)));
        }
        let begins: Vec<_> = blocks.iter().filter(|b| b.began).map(|b| b.entries[0].at).collect();
        assert_eq!(begins, [Wall::from_secs(0), Wall::from_secs(90)]);
        assert!(blocks.iter().all(|b| b.look == *look()));
    }

    #[test]
    fn a_span_gives_the_blocks_that_reach_into_it_and_no_others() {
        let (_folder, store) = store();
        let starts = |name: &str, from, to| -> Vec<i64> {
            let blocks = store.blocks(&CameraId::new(name).unwrap(), seconds(from, to)).unwrap();
            blocks.iter().map(|b| b.entries[0].at.micros() / 1_000_000).collect()
        };
        assert_eq!(starts("b", 70, 80), [60]);
        assert_eq!(starts("b", 59, 61), [0, 60]);
        assert_eq!(starts("a", 80, 91), [60, 90]);
        assert_eq!(starts("b", 500, 600), [] as [i64; 0]);
        assert_eq!(starts("c", 0, 600), [] as [i64; 0]);
    }

    #[test]
    fn old_blocks_go_and_a_damaged_one_is_left_out() {
        let (_folder, store) = store();
        let b = CameraId::new("b").unwrap();
        assert_eq!(store.prune(Wall::from_secs(60)).unwrap(), 2, "the first minute of both");
        assert_eq!(store.blocks(&b, seconds(0, 180)).unwrap().len(), 2);
        store.with(|c| c.execute("UPDATE block SET data = x'0102' WHERE start < 119000000", [])).unwrap();
        assert_eq!(store.blocks(&b, seconds(0, 180)).unwrap().len(), 1);
    }
}
