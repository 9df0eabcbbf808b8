//! The disks of the archive, and which of them each stream is recorded on. No placement is stored: a
//! stream's home is where its newest segment lies.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::db;
use super::settings::Settings;
use crate::base::{CameraId, StreamKind};

/// A disk: its place in the settings, 0 for `root`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DiskId(pub usize);

/// Tells a disk of ours from the empty folder it is mounted on.
const MARK: &str = ".pingan-archive";

#[derive(Debug)]
pub struct Disk {
    pub root: PathBuf,
    /// It was there at the start. What lies on a disk that is not stays in the index, untouched.
    pub present: bool,
}

#[derive(Debug)]
pub struct Disks {
    all: Vec<Disk>,
    homes: Mutex<BTreeMap<(CameraId, StreamKind), DiskId>>,
}

impl Disks {
    /// Look which disks are there; the first must be. `conn` tells which have held segments.
    pub fn open(settings: &Settings, conn: &Connection) -> rusqlite::Result<Disks> {
        let mut all = vec![Disk { root: settings.root.clone(), present: true }];
        for root in &settings.more_roots {
            let (from, to) = below(root);
            let used: bool = conn.query_row(
                "SELECT EXISTS (SELECT 1 FROM segment WHERE path >= ?1 AND path < ?2)",
                [from, to],
                |r| r.get(0),
            )?;
            let found = mark(root, used);
            if let Err(e) = &found {
                tracing::error!(root = %root.display(), error = %e,
                    "this disk is left out: its cameras are recorded on the others, and what it holds cannot be \
                     played; mount it and start the server again");
            }
            all.push(Disk { root: root.clone(), present: found.is_ok() });
        }
        Ok(Disks { all, homes: Mutex::default() })
    }

    /// Find each stream's home.
    pub fn settle(&self, conn: &Connection) -> rusqlite::Result<()> {
        let mut stmt = conn.prepare(
            "SELECT s.camera, s.stream, g.path FROM stream s JOIN segment g ON g.id =
                 (SELECT id FROM segment WHERE stream_id = s.id ORDER BY start DESC LIMIT 1)",
        )?;
        let rows = stmt.query_map([], |r| {
            Ok((db::camera(r, 0)?, db::stream(r, 1)?, self.all[0].root.join(r.get::<_, String>(2)?)))
        })?;
        for row in rows {
            let (camera, stream, path) = row?;
            if let Some(disk) = self.holding(&path).filter(|d| self.get(*d).present) {
                self.homes().insert((camera, stream), disk);
            }
        }
        Ok(())
    }

    pub fn all(&self) -> &[Disk] {
        &self.all
    }

    pub fn get(&self, disk: DiskId) -> &Disk {
        &self.all[disk.0]
    }

    /// The disks that are there.
    pub fn present(&self) -> impl Iterator<Item = (DiskId, &Path)> {
        let numbered = self.all.iter().enumerate();
        numbered.filter(|(_, d)| d.present).map(|(i, d)| (DiskId(i), d.root.as_path()))
    }

    /// The disk on which a file lies; none where its root is not in the settings any more.
    pub fn holding(&self, path: &Path) -> Option<DiskId> {
        self.all.iter().position(|d| path.starts_with(&d.root)).map(DiskId)
    }

    /// Whether what the index says about this file can be compared with the disk.
    pub fn is_there(&self, path: &Path) -> bool {
        self.holding(path).is_some_and(|d| self.get(d).present)
    }

    fn homes(&self) -> MutexGuard<'_, BTreeMap<(CameraId, StreamKind), DiskId>> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn home_of(&self, camera: &CameraId, stream: StreamKind) -> Option<DiskId> {
        self.homes().get(&(camera.clone(), stream)).copied()
    }

    /// The disk on which a stream without a home is best recorded, of those that are there and `fit`:
    /// where most free space falls to each stream.
    pub fn best(&self, fit: impl Fn(DiskId) -> bool) -> Option<DiskId> {
        let homes = self.homes();
        let share = |disk: DiskId, root: &Path| {
            let streams = homes.values().filter(|d| **d == disk).count() as u64;
            free_bytes(root).ok().map(|free| free / (streams + 1))
        };
        let shares =
            self.present().filter(|(d, _)| fit(*d)).filter_map(|(d, root)| Some((share(d, root)?, d)));
        // Of equal ones the first.
        shares.max_by_key(|(share, disk)| (*share, std::cmp::Reverse(*disk))).map(|(_, disk)| disk)
    }

    pub fn set_home(&self, camera: &CameraId, stream: StreamKind, disk: DiskId) {
        self.homes().insert((camera.clone(), stream), disk);
    }

    /// From where on and up to where the paths of this disk's segments stand in the index.
    pub fn paths(&self, disk: DiskId) -> (String, String) {
        match disk {
            // Relative, and so beginning with a camera's id, of which each is below '{'.
            DiskId(0) => ("0".into(), "{".into()),
            other => below(&self.get(other).root),
        }
    }
}

/// '0' follows '/' in ASCII: the range holds exactly the paths in this folder.
fn below(folder: &Path) -> (String, String) {
    let folder = folder.display();
    (format!("{folder}/"), format!("{folder}0"))
}

/// Bytes that may be written to the disk that holds `root`.
pub fn free_bytes(root: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(root)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Make the root and its mark where there are none. `used`: there must be.
fn mark(root: &Path, used: bool) -> io::Result<()> {
    let mark = root.join(MARK);
    if mark.try_exists()? {
        return fs::read_dir(root).map(drop);
    }
    if used {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{} is not there", mark.display())));
    }
    fs::create_dir_all(root)?;
    fs::write(
        mark,
        "An archive of recordings. Without this file the folder is taken for an unmounted disk.\n",
    )
}
