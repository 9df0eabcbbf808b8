//! The file of one segment. Written front to back, one call per fragment.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::Error;

/// The one effect that tests replace: a disk that fills up or breaks.
pub trait Disk: Send + 'static {
    /// Append all of `bytes`; after an error any part of them may have been written.
    fn append(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()>;
}

/// The machine's disk.
#[derive(Debug)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn append(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }
}

#[derive(Debug)]
pub struct SegmentFile {
    file: File,
    pub path: PathBuf,
    /// Invariant: the file's first `whole` bytes are its header and whole fragments.
    whole: u64,
}

impl SegmentFile {
    pub fn create(path: PathBuf) -> Result<SegmentFile, Error> {
        let error = |what, path: &Path, source| Error::Write { what, path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| error("create", folder, e))?;
        }
        match File::options().write(true).create_new(true).open(&path) {
            Ok(file) => Ok(SegmentFile { file, path, whole: 0 }),
            Err(e) => Err(error("create", &path, e)),
        }
    }

    /// Append a whole fragment, the first with the header in front. After an error the file is cut
    /// back to what was whole, so that nothing torn stays on a disk that fills up.
    pub fn append(&mut self, disk: &mut dyn Disk, bytes: &[u8]) -> Result<u64, Error> {
        let at = self.whole;
        match disk.append(&mut self.file, bytes) {
            Ok(()) => {
                self.whole += bytes.len() as u64;
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

    /// Give the disk what the kernel still holds, then let the kernel forget it: recordings are
    /// rarely read soon, and the page cache is better used otherwise.
    pub fn sync(self) -> Result<(), Error> {
        self.file.sync_data().map_err(|source| Error::Write { what: "sync", path: self.path, source })?;
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
        Ok(())
    }

    /// Remove a file into which nothing whole could be written.
    pub fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }
}
