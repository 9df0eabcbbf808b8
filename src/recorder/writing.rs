//! One stream's way to the disk: carries out the segmenter's steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use metrics::counter;
use uuid::Uuid;

use super::blocks::Blocks;
use super::disk::{Disk, SegmentFile};
use super::error::Error;
use super::segmenter::{Fragment, Segmenter, Start, Step};
use super::settings::Settings;
use crate::archive::fmp4::{Entries, Facts, encode_header, encode_tables, tracks};
use crate::archive::{Archive, DiskId, FragmentRef, NewSegment, RunId, SegmentId};
use crate::base::metrics::{
    RECORDER_BYTES, RECORDER_ERRORS, RECORDER_GAPS, RECORDER_SEGMENTS, RECORDER_UNITS,
};
use crate::base::{CameraId, Kind, StreamKind, Wall};
use crate::camera::GapCause;
use crate::media::{EncodedUnit, Params};

/// What all streams of one disk's thread share.
pub struct Desk {
    pub archive: Arc<Archive>,
    pub disk_id: DiskId,
    pub disk: Box<dyn Disk>,
    /// What is written next; both are reused from fragment to fragment.
    pub blocks: Blocks,
    pub tables: Vec<u8>,
    /// Told to those who find the tray full.
    pub writing: Arc<AtomicBool>,
}

/// One recorded stream.
pub struct Writing {
    camera: CameraId,
    stream: StreamKind,
    segmenter: Segmenter,
    run: RunId,
    seq_in_run: u32,
    /// A segment to begin with the next fragment.
    opens: Option<Start>,
    current: Option<Current>,
    /// The last write failed, and it was said.
    trouble: bool,
    /// The disk refused a write since the last look.
    failed: bool,
    /// A gap that the index refused; entered before the next run begins.
    owed: Option<Owed>,
}

struct Owed {
    at: Wall,
    cause: GapCause,
    note: String,
}

struct Current {
    id: SegmentId,
    file: SegmentFile,
    /// Sequence number of the next fragment, from 1 (ISO 14496-12 §8.8.5).
    sequence: u32,
}

impl Writing {
    pub fn new(camera: CameraId, stream: StreamKind, settings: &Settings) -> Self {
        Writing {
            camera,
            stream,
            segmenter: Segmenter::new(settings),
            run: RunId(Uuid::nil()),
            seq_in_run: 0,
            opens: None,
            current: None,
            trouble: false,
            failed: false,
            owed: None,
        }
    }

    pub fn push(&mut self, desk: &mut Desk, unit: EncodedUnit) -> Option<SegmentFile> {
        let steps = self.segmenter.push(unit);
        self.carry_out(desk, steps)
    }

    pub fn interrupt(
        &mut self,
        desk: &mut Desk,
        at: Wall,
        cause: GapCause,
        note: &str,
    ) -> Option<SegmentFile> {
        let steps = self.segmenter.interrupt(at, cause, note);
        self.carry_out(desk, steps)
    }

    pub fn finish(&mut self, desk: &mut Desk) -> Option<SegmentFile> {
        let steps = self.segmenter.finish();
        self.carry_out(desk, steps)
    }

    /// Whether the disk refused a write since the last call.
    pub fn take_failed(&mut self) -> bool {
        std::mem::take(&mut self.failed)
    }

    /// Another disk's thread takes over with the next key; what waits to be written is given up.
    pub fn uproot(&mut self) {
        self.segmenter.abandon();
        self.opens = None;
    }

    /// Returns a finished file, to be synced off the hot path.
    fn carry_out(&mut self, desk: &mut Desk, steps: Vec<Step>) -> Option<SegmentFile> {
        let mut finished = None;
        for step in steps {
            match step {
                Step::Open(start) => self.opens = Some(start),
                Step::Fragment(fragment) => match self.write_watched(desk, &fragment) {
                    Ok(()) if self.trouble => {
                        self.trouble = false;
                        tracing::info!(camera = %self.camera, "recording goes on");
                    }
                    Ok(()) => {}
                    Err(e) => finished = self.fail(desk, fragment.start, e).or(finished),
                },
                Step::Close => finished = self.close(desk).or(finished),
                Step::Gap { at, cause, note } => self.gap(desk, at, cause, &note),
            }
        }
        finished
    }

    fn gap(&mut self, desk: &Desk, at: Wall, cause: GapCause, note: &str) {
        counter!(RECORDER_GAPS, "camera" => self.camera.to_string(), "cause" => cause.as_str()).increment(1);
        let entered = desk.archive.gap_begins(&self.camera, self.stream, at, cause, note);
        if let (Err(e), None) = (entered, &self.owed) {
            tracing::error!(camera = %self.camera, error = %e, "a gap will be entered once the index can be written");
            self.owed = Some(Owed { at, cause, note: note.into() });
        }
    }

    fn write_watched(&mut self, desk: &mut Desk, fragment: &Fragment) -> Result<(), Error> {
        desk.writing.store(true, Ordering::Relaxed);
        let written = self.write(desk, fragment);
        desk.writing.store(false, Ordering::Relaxed);
        written
    }

    fn write(&mut self, desk: &mut Desk, fragment: &Fragment) -> Result<(), Error> {
        desk.blocks.clear();
        if let Some(start) = self.opens.take() {
            let (new, header) = self.prepare(desk, &start)?;
            let path = new.path.clone();
            desk.blocks.extend(&header);
            let id = desk.archive.begin(new)?;
            match SegmentFile::create(desk.disk.as_mut(), path) {
                Ok(file) => self.current = Some(Current { id, file, sequence: 1 }),
                Err(e) => {
                    desk.archive.abandon(id)?;
                    return Err(e);
                }
            }
        }
        // Fragments behind a failed one, up to the next key, go with it.
        let Some(current) = &mut self.current else { return Ok(()) };
        let header_bytes = desk.blocks.len();
        let (video, audio) = (&fragment.video, &fragment.audio);
        desk.tables.clear();
        encode_tables(&mut desk.tables, current.sequence, fragment.start, video, audio)
            .map_err(|reason| Error::Format { camera: self.camera.clone(), reason })?;
        desk.blocks.extend(&desk.tables);
        video.samples.iter().chain(&audio.samples).for_each(|s| desk.blocks.extend(&s.data));
        desk.blocks.pad();
        let at = current.file.append(desk.disk.as_mut(), &desk.blocks)?;
        current.sequence += 1;
        desk.archive.fragment(
            current.id,
            FragmentRef {
                offset: at + header_bytes as u64,
                bytes: (desk.blocks.len() - header_bytes) as u32,
                start: fragment.start,
                duration_90k: fragment.duration_90k().min(u32::MAX as u64) as u32,
                media_start_90k: video.start,
                frames: video.samples.len() as u32,
                key: video.samples.first().is_some_and(|s| s.key),
            },
        );
        counter!(RECORDER_UNITS).increment((video.samples.len() + audio.samples.len()) as u64);
        counter!(RECORDER_BYTES).increment(desk.blocks.len() as u64);
        Ok(())
    }

    /// The row and the header of a segment that begins.
    fn prepare(&mut self, desk: &Desk, start: &Start) -> Result<(NewSegment, Vec<u8>), Error> {
        let bad = |reason| Error::Format { camera: self.camera.clone(), reason };
        let Params::Video(video) = &*start.video else { return Err(bad("no video".into())) };
        let audio = match start.audio.as_deref() {
            Some(Params::Audio(a)) => Some(a),
            _ => None,
        };
        let entries = Entries {
            video: tracks::video_entry(video).map_err(bad)?,
            audio: audio.map(tracks::audio_entry),
        };
        let archive = &desk.archive;
        if let Some(owed) = &self.owed {
            archive.gap_begins(&self.camera, self.stream, owed.at, owed.cause, &owed.note)?;
            self.owed = None;
        }
        let gaps_before = match start.new_run {
            true => archive.gap_ends(&self.camera, self.stream, start.at)?,
            false => vec![],
        };
        (self.run, self.seq_in_run) = match start.new_run {
            true => (RunId(run_id(start.at)), 0),
            false => (self.run, self.seq_in_run + 1),
        };
        let since = archive.expected_since(&self.camera, self.stream)?.unwrap_or(start.at);
        let facts = Facts {
            camera: self.camera.clone(),
            stream: self.stream,
            run: self.run.0,
            seq_in_run: self.seq_in_run,
            start_us: start.at.micros(),
            expected_since_us: since.micros(),
            gaps_before,
        };
        let header = encode_header(&entries, &facts)
            .map_err(|reason| Error::Format { camera: self.camera.clone(), reason })?;
        // From the entries, as a rebuilt index finds them.
        let codecs = tracks::codecs_of(std::iter::once(&entries.video).chain(&entries.audio));
        let new = NewSegment {
            camera: self.camera.clone(),
            stream: self.stream,
            run: self.run,
            seq_in_run: self.seq_in_run,
            start: start.at,
            path: archive.path_for(desk.disk_id, &self.camera, self.stream, start.at),
            header_bytes: header.len() as u64,
            width: video.width,
            height: video.height,
            codecs,
        };
        Ok((new, header))
    }

    fn close(&mut self, desk: &Desk) -> Option<SegmentFile> {
        let current = self.current.take()?;
        let done = if current.file.is_empty() {
            current.file.remove();
            desk.archive.abandon(current.id).map(|()| None)
        } else {
            counter!(RECORDER_SEGMENTS).increment(1);
            desk.archive.close(current.id).map(|()| Some(current.file))
        };
        done.unwrap_or_else(|e| {
            tracing::error!(camera = %self.camera, error = %e, "the index refuses a finished segment; trying again with the next");
            None
        })
    }

    /// A fragment is lost. What is on the disk stays; recording is tried again at the next key.
    fn fail(&mut self, desk: &Desk, at: Wall, e: Error) -> Option<SegmentFile> {
        counter!(RECORDER_ERRORS, "camera" => self.camera.to_string()).increment(1);
        if !std::mem::replace(&mut self.trouble, true) {
            tracing::error!(camera = %self.camera, error = %e, "recording is interrupted; trying again at every keyframe");
        }
        let cause = if e.kind() == Kind::Storage { GapCause::Disk } else { GapCause::Unknown };
        self.segmenter.failed();
        let finished = self.close(desk);
        self.gap(desk, at, cause, &e.to_string());
        desk.archive.ask_for_room(desk.disk_id);
        self.failed |= matches!(e, Error::Write { .. });
        finished
    }
}

/// A time-ordered id (RFC 9562 §5.7) of the run's own start.
fn run_id(at: Wall) -> Uuid {
    let us = at.micros().max(0) as u64;
    let (secs, nanos) = (us / 1_000_000, (us % 1_000_000 * 1000) as u32);
    Uuid::new_v7(uuid::Timestamp::from_unix_time(secs, nanos, 0, 0))
}
