//! The file of one segment. Written front to back, one call per fragment, past the page cache: what is
//! written is rarely read soon, and a cache that fills up at 250 MB/s stalls its writers when the
//! kernel empties it.
//!
//! Space is not reserved (fallocate): on ext4 it saved 0.02 CPU-ms of 0.1 a write, and the end of each file
//! would have to be cut off again.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, OFlags};

use super::blocks::Blocks;
use super::error::Error;

/// The one effect that tests replace: a disk that is slow, fills up or breaks.
pub trait Disk: Send + 'static {
    /// Create a file that is not there yet.
    fn create(&mut self, path: &Path) -> io::Result<File> {
        File::options().write(true).create_new(true).open(path)
    }

    /// Write all of `bytes` at `at`; after an error any part of them may have been written. Address,
    /// length and `at` are multiples of [`BLOCK`](crate::archive::fmp4::BLOCK).
    fn write(&mut self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }
}

/// One of the machine's disks.
#[derive(Debug)]
pub struct RealDisk {
    /// For people.
    root: PathBuf,
    /// No write was refused yet.
    direct: bool,
}

impl RealDisk {
    /// The disk that holds `root`.
    pub fn new(root: &Path) -> RealDisk {
        RealDisk { root: root.to_owned(), direct: true }
    }

    /// A refusal of O_DIRECT, not of the write: from now on this disk is written through the cache.
    fn gives_up_direct(&mut self, e: &io::Error) -> bool {
        // open(2), write(2): EINVAL where the file system knows no O_DIRECT, or wants larger blocks.
        let refused = matches!(e.raw_os_error(), Some(EINVAL | EOPNOTSUPP));
        if refused && std::mem::replace(&mut self.direct, false) {
            tracing::warn!(root = %self.root.display(), error = %e,
                "the file system refuses O_DIRECT: recordings go through the page cache, which may stall under load");
        }
        refused
    }
}

const EINVAL: i32 = rustix::io::Errno::INVAL.raw_os_error();
const EOPNOTSUPP: i32 = rustix::io::Errno::OPNOTSUPP.raw_os_error();

impl Disk for RealDisk {
    fn create(&mut self, path: &Path) -> io::Result<File> {
        let file = File::options().write(true).create_new(true).open(path)?;
        // Not when opening: where it is refused, the file would have been made all the same.
        if self.direct
            && let Err(e) = rustix::fs::fcntl_setfl(&file, OFlags::DIRECT).map_err(io::Error::from)
            && !self.gives_up_direct(&e)
        {
            return Err(e);
        }
        Ok(file)
    }

    fn write(&mut self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        match file.write_all_at(bytes, at) {
            Err(e) if self.gives_up_direct(&e) => {
                // Files that were begun with it must go on without.
                rustix::fs::fcntl_setfl(file, OFlags::empty())?;
                file.write_all_at(bytes, at)
            }
            written => written,
        }
    }
}

#[derive(Debug)]
pub struct SegmentFile {
    file: File,
    pub path: PathBuf,
    /// Invariant: the file's first `whole` bytes are its header and whole fragments, and end at a block.
    whole: u64,
}

impl SegmentFile {
    pub fn create(disk: &mut dyn Disk, path: PathBuf) -> Result<SegmentFile, Error> {
        let error = |what, path: &Path, source| Error::Write { what, path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| error("create", folder, e))?;
        }
        match disk.create(&path) {
            Ok(file) => Ok(SegmentFile { file, path, whole: 0 }),
            Err(e) => Err(error("create", &path, e)),
        }
    }

    /// Append a whole fragment, the first with the header in front; tells where. After an error the
    /// file is cut back to what was whole, so that nothing torn stays on a disk that fills up.
    pub fn append(&mut self, disk: &mut dyn Disk, blocks: &Blocks) -> Result<u64, Error> {
        let at = self.whole;
        match disk.write(&self.file, blocks.bytes(), at) {
            Ok(()) => {
                self.whole += blocks.len() as u64;
                Ok(at)
            }
            Err(source) => {
                // Should this fail too, recovery cuts the torn end off.
                let _ = self.file.set_len(self.whole);
                Err(Error::Write { what: "write", path: self.path.clone(), source })
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.whole == 0
    }

    /// Give the disk what the kernel and its own cache still hold: the size and extents of a file
    /// written directly, else also its data, which the kernel may then forget.
    pub fn sync(self) -> Result<(), Error> {
        self.file.sync_data().map_err(|source| Error::Write { what: "sync", path: self.path, source })?;
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed);
        Ok(())
    }

    /// Remove a file into which nothing whole could be written.
    pub fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }
}
