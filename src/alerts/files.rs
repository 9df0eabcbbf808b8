//! Snapshot files: `<root>/<last two characters of the id>/<id>.jpg`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::alert::AlertId;
use super::error::Error;

pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    pub fn open(root: PathBuf) -> Result<Files, Error> {
        fs::create_dir_all(&root).map_err(|source| Error::Folder { path: root.clone(), source })?;
        Ok(Files { root })
    }

    /// The end of a UUID v7 is random, so the files spread over 256 folders.
    pub fn path(&self, id: AlertId) -> PathBuf {
        let name = id.to_string();
        self.root.join(&name[name.len() - 2..]).join(format!("{name}.jpg"))
    }

    /// Whole and on the disk when this returns: a row never points to half a file.
    pub fn write(&self, id: AlertId, jpeg: &[u8]) -> Result<PathBuf, Error> {
        let path = self.path(id);
        write_whole(&path, jpeg).map_err(|source| Error::Snapshot { path: path.clone(), source })?;
        Ok(path)
    }

    /// Best effort: a file without a row is swept by the next prune.
    pub fn remove(&self, path: &Path) {
        let _ = fs::remove_file(path);
    }

    /// Remove the files of no alert in `keep`. A crash between file and row leaves such a one.
    pub fn sweep(&self, keep: &HashSet<PathBuf>) -> io::Result<()> {
        for folder in fs::read_dir(&self.root)? {
            let folder = folder?.path();
            if !folder.is_dir() {
                continue;
            }
            for file in fs::read_dir(&folder)? {
                let file = file?.path();
                let ours = file.extension().is_some_and(|e| e == "jpg" || e == "part");
                if ours && !keep.contains(&file) {
                    fs::remove_file(&file)?;
                }
            }
        }
        Ok(())
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(e) = written.and_then(|()| fs::rename(&part, path)) {
        let _ = fs::remove_file(&part);
        return Err(e);
    }
    File::open(folder)?.sync_all()
}
