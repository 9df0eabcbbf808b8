//! A time range as one progressive MP4: `ftyp moov mdat`, nothing re-encoded. The sample tables are
//! in memory (about 16 bytes a picture); the media data goes from the segment files to the reader.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use bytes::Bytes;
use shiguredo_mp4::Encode;
use shiguredo_mp4::boxes::{Brand, FtypBox, MoovBox};

use super::error::Error;
use super::tables::TrackTables;
use crate::archive::fmp4::scan::{Samples, read_header};
use crate::archive::fmp4::{Entries, Moof, SampleInfo, read_moof, tracks};
use crate::archive::{Archive, FragmentRef, RunId, SegmentRow};
use crate::base::{CameraId, StreamKind, Wall, WallSpan};
use crate::media::Pts;

/// A range ready to be read.
#[derive(Debug)]
pub struct Export {
    /// What it really holds: from a key to the end of a GOP.
    pub span: WallSpan,
    /// Length of the whole file.
    pub bytes: u64,
    pub reader: ExportReader,
}

/// Export what is recorded of `span`, from the key at or before its start to the end of the GOP at
/// its end. Its time line begins at 0 and is true to the wall clock: the last picture before a gap
/// is held. `creation_time` is the UTC of the first picture. Blocks on the disk.
pub fn export(
    archive: &Archive,
    camera: &CameraId,
    stream: StreamKind,
    span: WallSpan,
) -> Result<Export, Error> {
    if span.is_empty() {
        return Err(Error::EmptyRange);
    }
    let rows = archive.segments(camera, stream, span)?;
    let Some((first, row)) = rows.iter().find_map(|r| Some((r.wanted(span).first()?, r))) else {
        return Err(nothing(archive, camera, stream, span)?);
    };
    let mut film = Film::new(first.start, read_header(&row.path)?.entries);
    for row in &rows {
        let fragments = row.wanted(span);
        if !fragments.is_empty() {
            film.add_segment(row, fragments)?;
        }
    }
    film.finish()
}

fn nothing(archive: &Archive, camera: &CameraId, stream: StreamKind, span: WallSpan) -> Result<Error, Error> {
    let nearest = archive.nearest(camera, stream, span)?;
    Ok(Error::NotRecorded { camera: camera.clone(), span, nearest })
}

/// The export as it is put together.
struct Film {
    start: Wall,
    entries: Entries,
    video: TrackTables,
    audio: Option<TrackTables>,
    /// The run of the segment before, and what to add to its media time.
    run: Option<(RunId, i64)>,
    ranges: Vec<Range>,
    media_bytes: u64,
}

/// Bytes of a segment file.
#[derive(Clone, PartialEq, Debug)]
struct Range {
    path: PathBuf,
    offset: u64,
    len: u64,
}

impl Film {
    fn new(start: Wall, entries: Entries) -> Self {
        Film {
            start,
            video: TrackTables::new(entries.video.clone()),
            audio: entries.audio.clone().map(TrackTables::new),
            entries,
            run: None,
            ranges: vec![],
            media_bytes: 0,
        }
    }

    fn add_segment(&mut self, row: &SegmentRow, fragments: &[FragmentRef]) -> Result<(), Error> {
        let entries = read_header(&row.path)?.entries;
        let sound_differs = matches!((&self.entries.audio, &entries.audio), (Some(a), Some(b)) if a != b);
        if entries.video != self.entries.video || sound_differs {
            return Err(Error::FormatChanged { camera: row.camera.clone(), at: row.span.start });
        }
        if self.audio.is_none() {
            self.entries.audio = entries.audio.clone();
            self.audio = entries.audio.map(TrackTables::new);
        }
        let file = File::open(&row.path).map_err(|source| Error::Read { path: row.path.clone(), source })?;
        for f in fragments {
            let moof = read_moof(&file, f.offset, f.offset + f.bytes as u64)
                .map_err(|source| Error::Read { path: row.path.clone(), source })?
                .ok_or_else(|| Error::Damaged { path: row.path.clone(), offset: f.offset })?;
            self.add_fragment(row, f, &moof);
        }
        Ok(())
    }

    fn add_fragment(&mut self, row: &SegmentRow, f: &FragmentRef, moof: &Moof) {
        let media = moof.video.start as i64;
        let shift = match self.run {
            Some((run, shift)) if run == row.run => shift,
            // A new run is put where the wall clock says, never before what is there.
            _ => {
                let wall = Pts::from_micros(f.start.micros() - self.start.micros()).0;
                wall.max(if self.video.is_empty() { 0 } else { self.video.end() }) - media
            }
        };
        self.run = Some((row.run, shift));
        let at = (media + shift).max(self.video.last() + 1);
        self.video.push(at, &moof.video.infos, self.media_bytes);
        self.copy(row, moof.video.offset, bytes_of(&moof.video.infos));
        if let (Some(audio), Some(samples)) = (&mut self.audio, &moof.audio)
            && let Some(cut) = Cut::of(samples, shift, audio.last())
        {
            audio.push(cut.at, cut.infos, self.media_bytes);
            let len = bytes_of(cut.infos);
            self.copy(row, cut.offset, len);
        }
    }

    fn copy(&mut self, row: &SegmentRow, offset: u64, len: u64) {
        self.media_bytes += len;
        match self.ranges.last_mut() {
            Some(r) if r.path == row.path && r.offset + r.len == offset => r.len += len,
            _ => self.ranges.push(Range { path: row.path.clone(), offset, len }),
        }
    }

    fn finish(self) -> Result<Export, Error> {
        let wide = self.media_bytes > u32::MAX as u64 - (256 << 20);
        let brands = [Brand::ISOM, Brand::ISO2, Brand::MP41];
        let ftyp = FtypBox { major_brand: Brand::ISOM, minor_version: 512, compatible_brands: brands.into() };
        let fault = |e: shiguredo_mp4::Error| Error::Format(e.to_string());
        let mut head = ftyp.encode_to_vec().map_err(fault)?;
        let mdat_header = if wide { 16 } else { 8 };
        // Offsets have a fixed width, so the size of `moov` does not depend on their values.
        let moov_len = self.moov(0, wide).encode_to_vec().map_err(fault)?.len();
        let base = (head.len() + moov_len + mdat_header) as u64;
        head.extend(self.moov(base, wide).encode_to_vec().map_err(fault)?);
        let mdat = self.media_bytes + mdat_header as u64;
        if wide {
            head.extend_from_slice(&1u32.to_be_bytes());
            head.extend_from_slice(b"mdat");
            head.extend_from_slice(&mdat.to_be_bytes());
        } else {
            head.extend_from_slice(&(mdat as u32).to_be_bytes());
            head.extend_from_slice(b"mdat");
        }
        let length = Pts(self.video.duration() as i64).since(Pts(0));
        Ok(Export {
            span: WallSpan::new(self.start, self.start + length),
            bytes: head.len() as u64 + self.media_bytes,
            reader: ExportReader { rest: head.into(), ranges: self.ranges.into_iter(), current: None },
        })
    }

    fn moov(&self, base: u64, wide: bool) -> MoovBox {
        let zero = self.video.earliest();
        let tables = std::iter::once(&self.video).chain(self.audio.as_ref().filter(|a| !a.is_empty()));
        MoovBox {
            mvhd_box: tracks::mvhd(self.start, self.video.duration()),
            trak_boxes: tables
                .map(|t| tracks::trak(t.stbl(base, wide), self.start, t.duration(), t.edits(zero)))
                .collect(),
            mvex_box: None,
            unknown_boxes: vec![],
        }
    }
}

/// The sounds of a fragment that come after what is there already and after the first picture.
struct Cut<'a> {
    at: i64,
    infos: &'a [SampleInfo],
    offset: u64,
}

impl<'a> Cut<'a> {
    fn of(samples: &'a Samples, shift: i64, last: i64) -> Option<Cut<'a>> {
        let (mut at, mut offset) = (samples.start as i64 + shift, samples.offset);
        for (i, s) in samples.infos.iter().enumerate() {
            if at > last {
                return Some(Cut { at, infos: &samples.infos[i..], offset });
            }
            at += s.duration as i64;
            offset += s.size as u64;
        }
        None
    }
}

fn bytes_of(infos: &[SampleInfo]) -> u64 {
    infos.iter().map(|s| s.size as u64).sum()
}

/// The bytes of an export, in pieces of at most 256 KiB. Blocks on the disk.
#[derive(Debug)]
pub struct ExportReader {
    rest: Bytes,
    ranges: std::vec::IntoIter<Range>,
    current: Option<(File, Range)>,
}

const PIECE: u64 = 256 << 10;

impl ExportReader {
    fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        if !self.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        loop {
            if let Some((file, range)) = &mut self.current
                && range.len > 0
            {
                let mut piece = vec![0; range.len.min(PIECE) as usize];
                file.read_exact_at(&mut piece, range.offset).map_err(|e| naming(range, e))?;
                range.offset += piece.len() as u64;
                range.len -= piece.len() as u64;
                return Ok(Some(piece.into()));
            }
            let Some(range) = self.ranges.next() else { return Ok(None) };
            let file = match self.current.take() {
                Some((file, old)) if old.path == range.path => file,
                _ => File::open(&range.path).map_err(|e| naming(&range, e))?,
            };
            self.current = Some((file, range));
        }
    }
}

fn naming(range: &Range, e: io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("{}: {e}", range.path.display()))
}

impl Iterator for ExportReader {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_piece().transpose()
    }
}

impl Read for ExportReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(mut piece) = self.next_piece()? else { return Ok(0) };
        let n = piece.len().min(out.len());
        out[..n].copy_from_slice(&piece.split_to(n));
        self.rest = piece;
        Ok(n)
    }
}
