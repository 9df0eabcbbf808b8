//! Recorded video read back: the access units of a stretch of time, as they once came from the camera.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::error::{Error, Result};
use super::fmp4::scan::{read_header, read_moof};
use super::fmp4::{Moof, tracks};
use super::store::Archive;
use super::types::{FragmentRef, RunId, SegmentRow};
use crate::base::{CameraId, StreamKind, Wall, WallSpan};
use crate::media::{EncodedUnit, Params, Pts};

/// Units in decoding order, a fragment at a time. Blocks on the disk. After an error it goes on with the next
/// fragment.
pub struct Units {
    /// The next one last.
    todo: Vec<(SegmentRow, Vec<FragmentRef>)>,
    open: Option<Segment>,
    /// Counts runs, as a source counts connections.
    connection: u32,
    run: Option<RunId>,
    /// Units of a fragment that was read, the next one last.
    ready: Vec<EncodedUnit>,
}

/// A segment file being read.
struct Segment {
    row: SegmentRow,
    file: File,
    params: Arc<Params>,
    /// The next one last.
    todo: Vec<FragmentRef>,
}

impl Archive {
    /// What is recorded of `span`, from the key at or before its start; nothing when nothing is.
    ///
    /// # Errors
    /// The index refuses.
    pub fn units(&self, camera: &CameraId, stream: StreamKind, span: WallSpan) -> Result<Units> {
        let mut todo: Vec<_> = self
            .segments(camera, stream, span)?
            .into_iter()
            .map(|row| (row.wanted(span).iter().rev().copied().collect::<Vec<_>>(), row))
            .filter(|(fragments, _)| !fragments.is_empty())
            .map(|(fragments, row)| (row, fragments))
            .collect();
        todo.reverse();
        Ok(Units { todo, open: None, connection: 0, run: None, ready: Vec::new() })
    }
}

impl Units {
    fn read(&mut self) -> Result<bool> {
        if self.open.as_ref().is_none_or(|s| s.todo.is_empty()) {
            self.open = None;
            let Some((row, todo)) = self.todo.pop() else { return Ok(false) };
            if self.run != Some(row.run) {
                self.connection += 1;
                self.run = Some(row.run);
            }
            self.open = Some(Segment::open(row, todo)?);
        }
        let segment = self.open.as_mut().expect("invariant: opened above");
        if let Some(fragment) = segment.todo.pop() {
            self.ready = segment.units(&fragment, self.connection)?;
            self.ready.reverse();
        }
        Ok(true)
    }
}

impl Iterator for Units {
    type Item = Result<EncodedUnit>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(unit) = self.ready.pop() {
                return Some(Ok(unit));
            }
            match self.read() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(e) => return Some(Err(e)),
            }
        }
    }
}

impl Segment {
    fn open(row: SegmentRow, todo: Vec<FragmentRef>) -> Result<Segment> {
        let entry = read_header(&row.path)?.entries.video;
        let params = tracks::video_params(&entry).map_err(|reason| format(&row.path, reason))?;
        let file = File::open(&row.path).map_err(Error::io("open", &row.path))?;
        Ok(Segment { row, file, params: Arc::new(Params::Video(params)), todo })
    }

    fn units(&self, f: &FragmentRef, connection: u32) -> Result<Vec<EncodedUnit>> {
        let path = &self.row.path;
        let moof = read_moof(&self.file, f.offset, f.offset + u64::from(f.bytes))
            .map_err(Error::io("read", path))?
            .ok_or_else(|| format(path, format!("the fragment at byte {} is damaged", f.offset)))?;
        let size: u64 = moof.video.infos.iter().map(|s| u64::from(s.size)).sum();
        let mut data = vec![0; size as usize];
        self.file.read_exact_at(&mut data, moof.video.offset).map_err(Error::io("read", path))?;
        Ok(self.cut(&moof, data.into(), connection))
    }

    fn cut(&self, moof: &Moof, mut data: Bytes, connection: u32) -> Vec<EncodedUnit> {
        let mut dts = moof.video.start as i64;
        // The first picture to be shown is the fragment's first moment.
        let first = moof.video.infos.first().map_or(0, |s| i64::from(s.offset)) + dts;
        let unit = |info: &super::fmp4::SampleInfo| {
            let pts = dts + i64::from(info.offset);
            let unit = EncodedUnit {
                camera: self.row.camera.clone(),
                stream: self.row.stream,
                connection,
                pts: Pts(pts),
                dts: Pts(dts),
                received: Wall(moof.at.micros() + Pts(pts - first).micros()),
                key: info.key,
                lost_before: 0,
                params: self.params.clone(),
                data: data.split_to(info.size as usize),
            };
            dts += i64::from(info.duration);
            unit
        };
        moof.video.infos.iter().map(unit).collect()
    }
}

fn format(path: &Path, reason: String) -> Error {
    Error::Format { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{again, archive, cam, footage, keep_all, store};
    use super::*;

    #[test]
    fn what_was_recorded_comes_back_unit_by_unit() {
        let Some(units) = footage("people-detection-768x432.mp4", 12) else { return };
        let folder = tempfile::tempdir().unwrap();
        let (archive, _) = archive(folder.path(), keep_all());
        store(&archive, &units, 2, vec![]);
        let video: Vec<&EncodedUnit> = units.iter().filter(|u| u.is_video()).collect();
        let all = WallSpan::new(Wall::MIN, Wall::MAX);
        let read: Vec<EncodedUnit> =
            archive.units(&cam("gate"), StreamKind::Main, all).unwrap().map(Result::unwrap).collect();
        assert_eq!(read.len(), video.len());
        let start = video[0].received;
        for (a, b) in read.iter().zip(&video) {
            assert_eq!((&a.data, a.key, a.params.video()), (&b.data, b.key, b.params.video()));
            // NTP times of fragments are rounded to what 32 bits of a second hold.
            let off = (a.received.micros() - start.micros()) - (b.pts.since(video[0].pts).as_micros() as i64);
            assert!(off.abs() <= 1, "{off} µs off at {:?}", b.pts);
            assert_eq!(a.connection, 1);
        }
    }

    #[test]
    fn a_part_begins_with_the_key_before_it_and_a_new_run_is_a_new_connection() {
        let Some(units) = footage("people-detection-768x432.mp4", 12) else { return };
        let folder = tempfile::tempdir().unwrap();
        let (archive, _) = archive(folder.path(), keep_all());
        store(&archive, &units, 2, vec![]);
        store(&archive, &again(&units, Duration::from_secs(60), 2), 2, vec![]);
        let start = units[0].received;
        let part = WallSpan::new(start + Duration::from_millis(5200), start + Duration::from_millis(63_000));
        let read: Vec<EncodedUnit> =
            archive.units(&cam("gate"), StreamKind::Main, part).unwrap().map(Result::unwrap).collect();
        assert!(read[0].key && read[0].received <= part.start, "{:?}", read[0].received);
        let second = read.iter().position(|u| u.connection == 2).unwrap();
        assert!(read[second].key && read[second].received >= start + Duration::from_secs(60));
        let keys = read.iter().filter(|u| u.key && u.received <= part.start).count();
        assert_eq!(keys, 1, "not from the key before");
    }

    #[test]
    fn a_file_that_is_gone_is_told_and_the_rest_is_read() {
        let Some(units) = footage("people-detection-768x432.mp4", 12) else { return };
        let folder = tempfile::tempdir().unwrap();
        let (archive, _) = archive(folder.path(), keep_all());
        store(&archive, &units, 1, vec![]);
        store(&archive, &again(&units, Duration::from_secs(60), 2), 1, vec![]);
        let all = WallSpan::new(Wall::MIN, Wall::MAX);
        let rows = archive.segments(&cam("gate"), StreamKind::Main, all).unwrap();
        std::fs::remove_file(&rows[0].path).unwrap();
        let read: Vec<_> = archive.units(&cam("gate"), StreamKind::Main, all).unwrap().collect();
        assert_eq!(read.iter().filter(|r| r.is_err()).count(), 1);
        let frames: u32 = rows[1..].iter().flat_map(|r| &r.fragments).map(|f| f.frames).sum();
        assert_eq!(read.iter().filter(|r| r.is_ok()).count(), frames as usize);
    }
}
