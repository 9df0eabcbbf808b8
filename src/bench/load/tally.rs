//! Frames on the disk, counted while the recorder writes and before retention deletes.
//!
//! Each look lists the archive and walks on in every file that has grown since. The frames of a
//! fragment count once its data are there in full. Nothing is taken from the server's own numbers,
//! and a file that is deleted before it was walked to its end is missing in the sum: the tally can
//! hide no loss, it can only invent one.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;

use crate::bench::frames::{Place, is_recording};

/// How often a running archive is looked at: several times within the life of the shortest segment
/// that retention may delete.
pub const LOOK_EVERY: Duration = Duration::from_secs(4);

#[derive(Debug, Default)]
struct Seen {
    place: Place,
    /// Length and time of the last change when it was walked.
    state: Option<(u64, SystemTime)>,
    /// Numbers of the first and the last look that found it.
    first: u64,
    look: u64,
    frames: u64,
}

pub struct Tally {
    root: PathBuf,
    open: HashMap<PathBuf, Seen>,
    looks: u64,
    /// Frames, and files, ever seen.
    pub frames: u64,
    pub files: u64,
    /// The most bytes that lay there at a look.
    pub highest: u64,
}

impl Tally {
    pub fn new(root: PathBuf) -> Tally {
        Tally { root, open: HashMap::new(), looks: 0, frames: 0, files: 0, highest: 0 }
    }

    /// Counts what is new. `all`: also in files that do not seem to have changed, for the last look.
    /// Reads files: not for async code.
    pub fn look(&mut self, all: bool) -> anyhow::Result<()> {
        self.looks += 1;
        let mut bytes = 0;
        let mut waiting = vec![self.root.clone()];
        while let Some(folder) = waiting.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) => return Err(e).with_context(|| format!("cannot list {}", folder.display())),
            };
            for entry in entries {
                let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
                let path = entry.path();
                // Deleted between the listing and the look at it.
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    waiting.push(path);
                } else if is_recording(&path) {
                    bytes += metadata.len();
                    let state = metadata.modified().ok().map(|changed| (metadata.len(), changed));
                    self.file(path, state.filter(|_| !all))?;
                }
            }
        }
        self.highest = self.highest.max(bytes);
        let look = self.looks;
        self.open.retain(|_, seen| seen.look == look);
        Ok(())
    }

    /// Looks so far.
    pub fn looks(&self) -> u64 {
        self.looks
    }

    /// Folders right below the root in which a file that was first seen after so many looks has frames.
    pub fn folders_after(&self, looks: u64) -> usize {
        let with = self.open.iter().filter(|(_, seen)| seen.first > looks && seen.frames > 0);
        let folder = |path: &Path| path.strip_prefix(&self.root).ok()?.iter().next().map(OsStr::to_owned);
        with.filter_map(|(path, _)| folder(path)).collect::<BTreeSet<_>>().len()
    }

    fn file(&mut self, path: PathBuf, state: Option<(u64, SystemTime)>) -> anyhow::Result<()> {
        let looks = self.looks;
        let seen = self.open.entry(path.clone()).or_insert_with(|| {
            self.files += 1;
            Seen { first: looks, ..Seen::default() }
        });
        seen.look = looks;
        if state.is_some() && seen.state == state {
            return Ok(());
        }
        seen.state = state;
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e).with_context(|| format!("cannot open {}", path.display())),
        };
        dont_read_ahead(&file, &path)?;
        let frames = seen.place.go_on(&file).with_context(|| format!("{} is damaged", path.display()))?;
        seen.frames += frames;
        self.frames += frames;
        Ok(())
    }
}

/// Only heads of boxes are read; without this the kernel would fetch the pictures behind them, too,
/// from a disk that the recorder needs.
fn dont_read_ahead(file: &File, path: &Path) -> anyhow::Result<()> {
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random)
        .with_context(|| format!("cannot advise on {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(frames: u8) -> Vec<u8> {
        let boxed =
            |kind: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat();
        let tfhd = boxed(b"tfhd", &[0, 0, 0, 0, 0, 0, 0, 1]);
        let trun = boxed(b"trun", &[0, 0, 0, 0, 0, 0, 0, frames]);
        [boxed(b"moof", &boxed(b"traf", &[tfhd, trun].concat())), boxed(b"mdat", &[5; 40])].concat()
    }

    fn head() -> Vec<u8> {
        let boxed =
            |kind: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat();
        let tkhd = boxed(b"tkhd", &[&[0; 15][..], &[1], &[0; 68]].concat());
        let hdlr = boxed(b"hdlr", &[&[0; 8][..], b"vide", &[0; 13]].concat());
        boxed(b"moov", &boxed(b"trak", &[tkhd, boxed(b"mdia", &hdlr)].concat()))
    }

    #[test]
    fn deleted_files_stay_counted_and_growing_ones_count_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join("cam").join(name);
        std::fs::create_dir(dir.path().join("cam")).unwrap();
        let mut tally = Tally::new(dir.path().into());
        std::fs::write(at("a.mp4"), [head(), fragment(50)].concat()).unwrap();
        std::fs::write(at("index.db"), b"not looked at").unwrap();
        tally.look(true).unwrap();
        assert_eq!(tally.frames, 50);
        std::fs::write(at("a.mp4"), [head(), fragment(50), fragment(20)].concat()).unwrap();
        tally.look(true).unwrap();
        std::fs::remove_file(at("a.mp4")).unwrap();
        std::fs::write(at("b.mp4"), [head(), fragment(7), fragment(9)[..30].to_vec()].concat()).unwrap();
        assert_eq!(tally.folders_after(0), 1);
        let looks = tally.looks();
        tally.look(true).unwrap();
        tally.look(true).unwrap();
        assert_eq!((tally.frames, tally.files), (77, 2));
        assert_eq!((tally.folders_after(looks), tally.folders_after(tally.looks())), (1, 0));
        std::fs::write(at("b.mp4"), [head(), fragment(7), fragment(9)].concat()).unwrap();
        tally.look(true).unwrap();
        assert_eq!((tally.frames, tally.files), (86, 2));
    }
}
