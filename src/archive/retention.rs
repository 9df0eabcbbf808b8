//! Deleting the oldest. Two phases, so that a crash at any point leaves rows and files in agreement
//! after recovery: rows are marked, files are unlinked, then the rows go and one gap stands for them.
//! A file that cannot be deleted gets its row back and is tried again in the next round.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics::{counter, gauge};
use rusqlite::{Connection, params};

use super::disks::{DiskId, free_bytes};
use super::error::{Error, Result};
use super::store::Archive;
use super::trust::{self, Verdict};
use super::{db, ledger};
use crate::base::Wall;
use crate::base::metrics::{ARCHIVE_BYTES, ARCHIVE_SEGMENTS_DELETED};
use crate::base::task::Tasks;

/// Segments deleted in one go: enough to be quick, few enough that the recorder hardly waits.
const BATCH: usize = 32;
/// How often the rules are looked at when nobody asks.
const EVERY: Duration = Duration::from_secs(10);
/// What is made free on a full disk even where no reserve is set,
const ROOM: u64 = 32 << 20;
/// but at most this part (one over it) of what is held at a time: on a small disk, or beside
/// somebody who fills it, not everything may go at once.
const ROOM_SHARE: u64 = 10;
/// Files that cannot be deleted in one round before it ends: then the disk refuses, not the file, and
/// trying all of a large archive would take long.
const MAX_STUCK: usize = 256;

/// What [`Archive::enforce`] deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Deleted {
    pub segments: u64,
    pub bytes: u64,
    /// Segments whose files could not be deleted; they still count as held and are still listed.
    pub stuck: u64,
}

impl std::ops::AddAssign for Deleted {
    fn add_assign(&mut self, more: Deleted) {
        self.segments += more.segments;
        self.bytes += more.bytes;
        self.stuck += more.stuck;
    }
}

/// What could not be deleted in this round, and the first error not told before.
#[derive(Default)]
struct Stuck {
    ids: BTreeSet<i64>,
    news: Option<Error>,
}

impl Stuck {
    /// Once, not again in each round.
    fn tell(self) {
        if let Some(e) = self.news {
            tracing::error!(error = %e, segments = self.ids.len(),
                "retention cannot delete what must go; it tries again and deletes others meanwhile");
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Victim {
    pub id: i64,
    pub stream_id: i64,
    pub path: PathBuf,
    pub end: Wall,
    pub bytes: u64,
}

impl Archive {
    /// Delete what is too old, too much, or in the way of the free space to be kept on each disk: whole
    /// closed segments, oldest first over all cameras.
    pub fn enforce(&self, now: Wall) -> Result<Deleted> {
        self.enforce_now(now, &BTreeSet::new())
    }

    /// `asked`: disks on which somebody could not write.
    fn enforce_now(&self, now: Wall, asked: &BTreeSet<DiskId>) -> Result<Deleted> {
        let mut done = self.keep_to_rules(now)?;
        for (disk, root) in self.disks().present() {
            let free = match free_bytes(root).map_err(Error::io("ask for the free space of", root)) {
                Ok(free) => free,
                // A broken disk does not keep the others from getting their room.
                Err(e) => {
                    tracing::error!(error = %e, "retention cannot look at a disk");
                    continue;
                }
            };
            let room = if asked.contains(&disk) { room(free, self.totals().bytes) } else { 0 };
            done += self.make_room(disk, free, self.settings.retention.min_free_bytes.max(room))?;
        }
        Ok(done)
    }

    /// Age, and bytes over all disks.
    fn keep_to_rules(&self, now: Wall) -> Result<Deleted> {
        let rules = &self.settings.retention;
        let too_old = match rules.max_age {
            Some(age) if self.believes(now) => now - age,
            _ => Wall::MIN,
        };
        // What the index refused to finish in an earlier round.
        let marked = self.read(|c| marked(c, &self.settings.root))?;
        let over = |_: &Deleted| rules.max_bytes.map_or(0, |max| self.totals().bytes.saturating_sub(max));
        self.delete_while(marked, None, too_old, over)
    }

    /// Have `min_free` bytes free on a disk that has `free`.
    pub(super) fn make_room(&self, disk: DiskId, free: u64, min_free: u64) -> Result<Deleted> {
        let short = |done: &Deleted| min_free.saturating_sub(free.saturating_add(done.bytes));
        self.delete_while(Vec::new(), Some(disk), Wall::MIN, short)
    }

    /// Delete `victims`, then the oldest: what ended before `too_old`, and as many bytes as `excess` says
    /// after what is done; on one disk or on all.
    fn delete_while(
        &self,
        mut victims: Vec<Victim>,
        disk: Option<DiskId>,
        too_old: Wall,
        excess: impl Fn(&Deleted) -> u64,
    ) -> Result<Deleted> {
        let mut done = Deleted::default();
        let mut stuck = Stuck::default();
        loop {
            done += self.delete(&victims, &mut stuck)?;
            victims = self.choose(disk, excess(&done), too_old, &stuck.ids)?;
            if victims.is_empty() || stuck.ids.len() >= MAX_STUCK {
                done.stuck = stuck.ids.len() as u64;
                stuck.tell();
                return Ok(done);
            }
            if let Err(e) = self.mark(&victims) {
                if !e.is_full() {
                    return Err(e);
                }
                // The index lies on the same full disk, and only the files can make room for it. A
                // crash in between leaves rows without files, which recovery finds. What cannot be
                // unlinked is met again when the marked ones are deleted.
                for v in &victims {
                    let _ = unlink(&v.path);
                }
                self.mark(&victims)?;
            }
        }
    }

    /// Whether age may delete: not while the wall clock is far ahead of where it should be.
    fn believes(&self, now: Wall) -> bool {
        let verdict = self.trust().look(now, self.clock.now());
        if let Verdict::Jumped(ahead) = verdict {
            tracing::warn!(
                ahead_seconds = ahead.as_secs(),
                held_back_seconds = trust::DOUBT.as_secs(),
                "the clock is far ahead of the last known time: nothing is deleted for its age until it has \
                 held; check the machine's clock"
            );
        }
        verdict == Verdict::Good
    }

    /// Delete the files of marked segments. Of those that are gone the rows go too; the others get
    /// theirs back.
    fn delete(&self, victims: &[Victim], stuck: &mut Stuck) -> Result<Deleted> {
        let (mut gone, mut kept) = (Vec::new(), Vec::new());
        for v in victims {
            match unlink(&v.path) {
                Ok(()) => {
                    self.told_stuck().remove(&v.id);
                    gone.push(v);
                }
                Err(e) => {
                    kept.push(v.id);
                    stuck.ids.insert(v.id);
                    if self.told_stuck().insert(v.id) {
                        stuck.news.get_or_insert(e);
                    }
                }
            }
        }
        self.write(|c| {
            unmark(c, &kept)?;
            finish(c, &gone)
        })?;
        let (segments, bytes) = (gone.len() as u64, gone.iter().map(|v| v.bytes).sum());
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.count.fetch_sub(segments, Ordering::Relaxed);
        counter!(ARCHIVE_SEGMENTS_DELETED).increment(segments);
        Ok(Deleted { segments, bytes, stuck: 0 })
    }

    /// The oldest segments, of one disk or all, that must go: to free `bytes`, and those that ended before
    /// `too_old`; none of `stuck`.
    pub(super) fn choose(
        &self,
        disk: Option<DiskId>,
        bytes: u64,
        too_old: Wall,
        stuck: &BTreeSet<i64>,
    ) -> Result<Vec<Victim>> {
        if bytes == 0 && too_old == Wall::MIN {
            return Ok(Vec::new());
        }
        // '~' is behind all that paths begin with.
        let (from, to) = disk.map_or(("/".into(), "~".into()), |d| self.disks().paths(d));
        let oldest: Vec<Victim> = self.read(|c| {
            c.prepare_cached(
                "SELECT id, stream_id, path, end, bytes FROM segment
                 WHERE state = 1 AND path >= ?2 AND path < ?3 ORDER BY end LIMIT ?1",
            )?
            .query_map(params![(BATCH + stuck.len()) as i64, from, to], |r| victim(r, &self.settings.root))?
            .collect()
        })?;
        let mut freed = 0;
        Ok(oldest
            .into_iter()
            .filter(|v| !stuck.contains(&v.id))
            .take(BATCH)
            .take_while(|v| {
                let goes = freed < bytes || v.end < too_old;
                freed += v.bytes;
                goes
            })
            .collect())
    }

    /// From here on nobody is told of them. Their bytes count until their files are gone.
    pub(super) fn mark(&self, victims: &[Victim]) -> Result<()> {
        self.write(|c| {
            let mut stmt = c.prepare_cached("UPDATE segment SET state = 2 WHERE id = ?1")?;
            victims.iter().try_for_each(|v| stmt.execute([v.id]).map(|_| ()))
        })
    }

    /// A disk is full: retention looks at once and makes some room even where no reserve is set.
    pub fn ask_for_room(&self, disk: DiskId) {
        // A full queue means that it has been asked already.
        let _ = self.room.ask.offer(disk);
    }

    /// Start the thread that enforces retention and notes that the server is alive.
    pub fn start_retention(self: &Arc<Self>, tasks: &Tasks) -> std::io::Result<()> {
        let archive = self.clone();
        tasks.thread("retention", move |stop| {
            let tick = Duration::from_millis(500);
            let mut waited = EVERY;
            while !stop.is_cancelled() {
                let mut asked: BTreeSet<DiskId> = archive.room.asked.recv_timeout(tick).into_iter().collect();
                asked.extend(std::iter::from_fn(|| archive.room.asked.try_recv()));
                waited += tick;
                if !asked.is_empty() || waited >= EVERY {
                    waited = Duration::ZERO;
                    archive.look(&asked);
                }
            }
        })
    }

    fn look(&self, asked: &BTreeSet<DiskId>) {
        let now = self.clock.wall();
        match self.enforce_now(now, asked) {
            Ok(d) if d.segments > 0 => {
                tracing::info!(segments = d.segments, bytes = d.bytes, "retention deleted the oldest");
            }
            Ok(_) => {}
            Err(e) => tracing::error!(error = %e, "retention could not delete"),
        }
        let checkpoint = || db::checkpoint(&self.settings.index).map_err(|e| self.index_error(e));
        if let Err(e) = self.note_alive(now).and_then(|()| checkpoint()) {
            tracing::warn!(error = %e, "the index could not be written");
        }
        gauge!(ARCHIVE_BYTES).set(self.totals().bytes as f64);
    }

    /// The server runs at `now`: what is missing later and was not before is the server's own absence.
    pub fn note_alive(&self, now: Wall) -> Result<()> {
        // A time that is doubted must not be what the next start holds its clock against.
        let doubted = self.trust().is_doubting();
        self.write(|c| {
            let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2)
                       ON CONFLICT (key) DO UPDATE SET value = ?2";
            c.execute(sql, params!["alive", now.micros()])?;
            if !doubted {
                c.execute(sql, params!["trusted", now.micros()])?;
            }
            Ok(())
        })
    }
}

/// Bytes to be free after somebody could not write, with `free` bytes free and `held` in the archive:
/// more than now, so that each time something goes, unless there is room enough already.
fn room(free: u64, held: u64) -> u64 {
    match ROOM.saturating_sub(free) {
        0 => 0,
        short => free + (held / ROOM_SHARE).clamp(1, short),
    }
}

fn victim(r: &rusqlite::Row<'_>, root: &Path) -> rusqlite::Result<Victim> {
    Ok(Victim {
        id: r.get(0)?,
        stream_id: r.get(1)?,
        path: root.join(r.get::<_, String>(2)?),
        end: Wall(r.get(3)?),
        bytes: r.get::<_, i64>(4)? as u64,
    })
}

/// Remove a file and its day's folder where that is empty now. A file that is gone is no error.
pub(super) fn unlink(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::io("delete", path)(e)),
        _ => {}
    }
    if let Some(folder) = path.parent() {
        // Refused while it holds anything.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// The files are gone: so go the rows, and a gap stands for them.
fn finish(c: &Connection, victims: &[&Victim]) -> rusqlite::Result<()> {
    for v in victims {
        c.prepare_cached("DELETE FROM segment WHERE id = ?1")?.execute(params![v.id])?;
        ledger::retain(c, v.stream_id, v.end)?;
    }
    Ok(())
}

/// The files are still there: so they are listed again.
fn unmark(c: &Connection, ids: &[i64]) -> rusqlite::Result<()> {
    let mut stmt = c.prepare_cached("UPDATE segment SET state = 1 WHERE id = ?1")?;
    ids.iter().try_for_each(|id| stmt.execute([id]).map(|_| ()))
}

fn marked(c: &Connection, root: &Path) -> rusqlite::Result<Vec<Victim>> {
    c.prepare_cached("SELECT id, stream_id, path, end, bytes FROM segment WHERE state = 2 ORDER BY end")?
        .query_map([], |r| victim(r, root))?
        .collect()
}

/// Finish what a crash interrupted. A file that cannot be removed is listed again, and retention
/// tries it in its next round.
pub(super) fn finish_marked(conn: &mut Connection, root: &Path) -> rusqlite::Result<()> {
    let marked = marked(conn, root)?;
    let (gone, kept): (Vec<&Victim>, Vec<&Victim>) = marked.iter().partition(|v| unlink(&v.path).is_ok());
    let kept: Vec<i64> = kept.iter().map(|v| v.id).collect();
    let tx = conn.transaction()?;
    unmark(&tx, &kept)?;
    finish(&tx, &gone)?;
    tx.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_gives_up_a_part_at_a_time() {
        assert_eq!(room(0, 1 << 40), ROOM);
        assert_eq!(room(50_000, 700_000), 120_000);
        assert_eq!(room(50_000, 0), 50_001);
        assert_eq!(room(ROOM, 1 << 40), 0);
    }
}
