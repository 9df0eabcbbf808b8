//! Counts what was really recorded, by walking the boxes of MP4 files (ISO 14496-12) and without
//! any of the recorder's own code.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, ensure};

/// Boxes that only hold other boxes and lead to what is counted.
const CONTAINERS: [&[u8; 4]; 7] = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"];
/// Bytes read at a time: the head of a fragment fits, and little of the pictures behind it is read.
const WINDOW: usize = 4096;

/// Whether a file of this name holds recordings.
pub fn is_recording(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "mp4" || e == "m4s")
}

/// Video frames in all `.mp4` and `.m4s` files of a folder tree. Frames of a fragment whose data
/// are not there in full do not count.
pub fn count_frames(dir: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", dir.display()))?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            sum += count_frames(&path)?;
        } else if is_recording(&path) {
            sum += count_in(&path)?;
        }
    }
    Ok(sum)
}

/// Video frames in one file.
pub fn count_in(path: &Path) -> anyhow::Result<u64> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut place = Place::default();
    place.go_on(&file).with_context(|| format!("{} is damaged", path.display()))
}

/// How far a file has been walked. It can grow in between; what is deleted is lost to the walk.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The first box of the file that was not there in full.
    at: u64,
    /// Track of the box being read, and the video tracks seen.
    track: u32,
    video: Vec<u32>,
    /// Frames of the fragment whose data come next.
    pending: u64,
}

impl Place {
    /// Walks on from where the last walk ended; returns the frames that are there in full since then.
    pub fn go_on(&mut self, file: &File) -> anyhow::Result<u64> {
        let len = file.metadata()?.len();
        let mut walk = Walk { file, window: [0; WINDOW], filled: 0..0, place: self, whole: 0 };
        let at = walk.place.at;
        let at = walk.boxes(at, len, 0)?;
        let whole = walk.whole;
        self.at = at;
        Ok(whole)
    }
}

struct Walk<'a> {
    file: &'a File,
    window: [u8; WINDOW],
    /// Part of the file that the window holds.
    filled: std::ops::Range<u64>,
    place: &'a mut Place,
    /// Frames whose data are there.
    whole: u64,
}

impl Walk<'_> {
    fn word(&mut self, at: u64) -> anyhow::Result<u32> {
        if at < self.filled.start || at + 4 > self.filled.end {
            let n = self.file.read_at(&mut self.window, at)?;
            ensure!(n >= 4, "the file ends within a box at {at}");
            self.filled = at..at + n as u64;
        }
        let from = (at - self.filled.start) as usize;
        let word = self.window[from..].first_chunk().context("invariant: the window holds it")?;
        Ok(u32::from_be_bytes(*word))
    }

    /// Reads the boxes between two places; returns where it ended. A torn box at the end of the file
    /// ends the walk silently: that is what a killed recorder leaves, and what one that is at work
    /// has not finished. So do zeros, which lie where room was taken and nothing written yet.
    fn boxes(&mut self, mut at: u64, end: u64, depth: u32) -> anyhow::Result<u64> {
        ensure!(depth < 8, "boxes lie too deep");
        while at + 8 <= end {
            let mut size = u64::from(self.word(at)?);
            let kind = self.word(at + 4)?.to_be_bytes();
            let mut head = 8;
            if size == 1 {
                if at + 16 > end {
                    return Ok(at);
                }
                size = u64::from(self.word(at + 8)?) << 32 | u64::from(self.word(at + 12)?);
                head = 16;
            } else if size == 0 {
                if kind == [0; 4] && depth == 0 {
                    return Ok(at);
                }
                size = end - at; // up to the end of the file
            }
            ensure!(size >= head, "a box at {at} has the size {size}");
            if at + size > end {
                ensure!(depth == 0, "a box at {at} is larger than the one around it");
                return Ok(at);
            }
            self.one(&kind, at + head, at + size, depth)?;
            at += size;
        }
        Ok(at)
    }

    fn one(&mut self, kind: &[u8; 4], body: u64, end: u64, depth: u32) -> anyhow::Result<()> {
        let is_video = |walk: &Self| walk.place.video.contains(&walk.place.track);
        match kind {
            b"moof" => self.place.pending = 0,
            b"mdat" => self.whole += std::mem::take(&mut self.place.pending),
            // Full box header, two times in 4 or 8 bytes, track id.
            b"tkhd" => {
                let version = self.word(body)? >> 24;
                self.place.track = self.word(body + if version == 1 { 20 } else { 12 })?;
            }
            b"hdlr" if self.word(body + 8)?.to_be_bytes() == *b"vide" => {
                self.place.video.push(self.place.track);
            }
            b"tfhd" => self.place.track = self.word(body + 4)?,
            b"trun" if is_video(self) => self.place.pending += u64::from(self.word(body + 4)?),
            // Files that are not fragmented: full box header, sample size, count.
            b"stsz" if is_video(self) => self.whole += u64::from(self.word(body + 8)?),
            _ => {}
        }
        if CONTAINERS.contains(&kind) {
            self.boxes(body, end, depth + 1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, &body].concat()
    }

    fn track(id: u8, handler: &[u8; 4]) -> Vec<u8> {
        let tkhd = boxed(b"tkhd", &[&[0; 12], &[0, 0, 0, id], &[0; 68]]);
        let hdlr = boxed(b"hdlr", &[&[0; 8], handler, &[0; 13]]);
        boxed(b"trak", &[&tkhd, &boxed(b"mdia", &[&hdlr])])
    }

    fn fragment(runs: &[(u8, u8)]) -> Vec<u8> {
        let traf = |&(id, count): &(u8, u8)| {
            let tfhd = boxed(b"tfhd", &[&[0; 4], &[0, 0, 0, id]]);
            boxed(b"traf", &[&tfhd, &boxed(b"trun", &[&[0; 4], &[0, 0, 0, count]])])
        };
        let trafs: Vec<u8> = runs.iter().flat_map(traf).collect();
        [boxed(b"moof", &[&trafs]), boxed(b"mdat", &[&[7; 50]])].concat()
    }

    #[test]
    fn whole_fragments_of_video_count_and_torn_ones_and_sound_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let moov = boxed(b"moov", &[&track(1, b"vide"), &track(2, b"soun")]);
        let file = [moov, fragment(&[(1, 25), (2, 43)]), fragment(&[(1, 10)])].concat();
        std::fs::create_dir(dir.path().join("cam")).unwrap();
        std::fs::write(dir.path().join("cam/a.mp4"), &file).unwrap();
        std::fs::write(dir.path().join("cam/b.mp4"), &file[..file.len() - 1]).unwrap();
        std::fs::write(dir.path().join("index.db"), b"not looked at").unwrap();
        assert_eq!(count_in(&dir.path().join("cam/a.mp4")).unwrap(), 35);
        assert_eq!(count_in(&dir.path().join("cam/b.mp4")).unwrap(), 25);
        assert_eq!(count_frames(dir.path()).unwrap(), 60);
        std::fs::write(dir.path().join("bad.mp4"), [0, 0, 0, 3, b'f', b't', b'y', b'p', 0, 0]).unwrap();
        assert!(count_frames(dir.path()).is_err());
    }

    #[test]
    fn a_file_that_grows_is_counted_once_however_it_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.mp4");
        let moov = boxed(b"moov", &[&track(1, b"vide")]);
        let file = [moov, fragment(&[(1, 25)]), boxed(b"free", &[&[0; 3000]]), fragment(&[(1, 10)])].concat();
        for step in [1, 100, 2000, 5000] {
            let (mut place, mut sum) = (Place::default(), 0);
            for end in (0..=file.len()).step_by(step).chain([file.len()]) {
                std::fs::write(&path, &file[..end]).unwrap();
                sum += place.go_on(&File::open(&path).unwrap()).unwrap();
            }
            assert_eq!(sum, 35, "steps of {step}");
        }
        // Zeros stand where room was taken for what comes.
        std::fs::write(&path, [&file[..], &[0; 64]].concat()).unwrap();
        assert_eq!(count_in(&path).unwrap(), 35);
    }

    #[test]
    fn footage_has_the_frames_its_description_says() {
        let dir = std::env::var_os("PINGAN_SHARED").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
            std::path::PathBuf::from,
        );
        if !dir.is_dir() {
            eprintln!("skipped: ../shared is not there");
            return;
        }
        assert_eq!(count_in(&dir.join("footage/people-detection-768x432.mp4")).unwrap(), 596);
    }
}
