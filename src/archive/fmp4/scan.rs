//! Reading segment files: header, whole fragments, sample tables. Nothing here reads media data.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use shiguredo_mp4::Decode;
use shiguredo_mp4::boxes::{MoofBox, TrafBox};

use super::fragment::{PRFT_BYTES, SampleInfo, wall_from_ntp};
use super::header::{Header, decode_header};
use super::{AUDIO_TRACK, VIDEO_TRACK};
use crate::archive::error::{Error, Result};
use crate::archive::types::FragmentRef;
use crate::base::Wall;

/// What is whole in a file.
#[derive(Clone, PartialEq, Debug)]
pub struct Scan {
    pub header: Header,
    pub fragments: Vec<FragmentRef>,
    /// Bytes of the header and whole fragments; what lies behind is torn.
    pub whole_bytes: u64,
    pub file_bytes: u64,
}

/// Tables of one fragment. Offsets count from the start of the file.
#[derive(Clone, PartialEq, Debug)]
pub struct Moof {
    pub at: Wall,
    pub video: Samples,
    pub audio: Option<Samples>,
    /// First byte behind its media data.
    pub end: u64,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Samples {
    /// Decoding time of the first on the run's time line, 90 kHz.
    pub start: u64,
    /// Where their data lies, one after the other.
    pub offset: u64,
    pub infos: Vec<SampleInfo>,
}

/// A header or `moof` larger than this is not ours.
const MAX_BOX: u64 = 64 << 20;

/// Read the header and all whole fragments of a file.
pub fn scan(path: &Path) -> Result<Scan> {
    let read = |e| Error::io("read", path)(e);
    let bad = |reason: String| Error::Format { path: path.to_owned(), reason };
    let file = File::open(path).map_err(Error::io("open", path))?;
    let file_bytes = file.metadata().map_err(read)?.len();
    let header = read_header_of(&file, file_bytes).map_err(read)?.map_err(bad)?;
    let mut at = header.bytes;
    let mut fragments = Vec::new();
    while let Some(m) = read_moof(&file, at, file_bytes).map_err(Error::io("read", path))? {
        // Without it, when just the padding is torn, the fragment is whole all the same.
        let end = m.end + free_bytes(&file, m.end, file_bytes).map_err(read)?;
        let duration: u64 = m.video.infos.iter().map(|s| s.duration as u64).sum();
        fragments.push(FragmentRef {
            offset: at,
            bytes: (end - at) as u32,
            start: m.at,
            duration_90k: duration.min(u32::MAX as u64) as u32,
            media_start_90k: m.video.start,
            frames: m.video.infos.len() as u32,
            key: m.video.infos.first().is_some_and(|s| s.key),
        });
        at = end;
    }
    Ok(Scan { header, fragments, whole_bytes: at, file_bytes })
}

/// Read the header of a segment file.
pub fn read_header(path: &Path) -> Result<Header> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let len = file.metadata().map_err(Error::io("read", path))?.len();
    read_header_of(&file, len)
        .map_err(Error::io("read", path))?
        .map_err(|reason| Error::Format { path: path.to_owned(), reason })
}

fn read_header_of(file: &File, len: u64) -> io::Result<std::result::Result<Header, String>> {
    let mut end = 0;
    for kind in [b"ftyp", b"moov"] {
        match box_at(file, end, len)? {
            Some((k, size)) if &k == kind && size <= MAX_BOX => end += size,
            _ => return Ok(Err("it does not begin with whole ftyp and moov boxes".into())),
        }
    }
    let mut bytes = vec![0; end as usize];
    file.read_exact_at(&mut bytes, 0)?;
    let padding = free_bytes(file, end, len)?;
    Ok(decode_header(&bytes).map(|header| Header { bytes: header.bytes + padding, ..header }))
}

/// Bytes of the padding at `at`, if there is any.
fn free_bytes(file: &File, at: u64, len: u64) -> io::Result<u64> {
    Ok(match box_at(file, at, len)? {
        Some((kind, size)) if &kind == b"free" => size,
        _ => 0,
    })
}

/// Kind and size of the whole box at `at`; `None` when it is torn or no box.
fn box_at(file: &File, at: u64, len: u64) -> io::Result<Option<([u8; 4], u64)>> {
    if at + 8 > len {
        return Ok(None);
    }
    let mut b = [0; 8];
    file.read_exact_at(&mut b, at)?;
    let size = u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as u64;
    let whole = size >= 8 && at + size <= len;
    Ok(whole.then_some(([b[4], b[5], b[6], b[7]], size)))
}

/// Read the tables of the fragment at `at`; `None` when it is torn or there is none. `len` is the
/// size of the file, or the part of it that counts.
pub fn read_moof(file: &File, at: u64, len: u64) -> io::Result<Option<Moof>> {
    let Some((kind, prft_len)) = box_at(file, at, len)? else { return Ok(None) };
    if &kind != b"prft" || prft_len != PRFT_BYTES as u64 {
        return Ok(None);
    }
    let moof_at = at + prft_len;
    let Some((kind, moof_len)) = box_at(file, moof_at, len)? else { return Ok(None) };
    if &kind != b"moof" || moof_len > MAX_BOX {
        return Ok(None);
    }
    let mdat_at = moof_at + moof_len;
    let Some((kind, mdat_len)) = box_at(file, mdat_at, len)? else { return Ok(None) };
    if &kind != b"mdat" {
        return Ok(None);
    }
    let mut b = vec![0; (prft_len + moof_len) as usize];
    file.read_exact_at(&mut b, at)?;
    let ntp = b[16..24].try_into().map(u64::from_be_bytes).unwrap_or_default();
    let Ok((moof, _)) = MoofBox::decode(&b[PRFT_BYTES..]) else { return Ok(None) };
    let of = |id: u32| moof.traf_boxes.iter().find(|t| t.tfhd_box.track_id == id);
    let Some(video) = of(VIDEO_TRACK).and_then(|t| samples(t, moof_at)) else { return Ok(None) };
    let audio = of(AUDIO_TRACK).and_then(|t| samples(t, moof_at));
    let end = mdat_at + mdat_len;
    let fits = |s: &Samples| {
        s.offset >= mdat_at + 8 && s.offset + s.infos.iter().map(|i| i.size as u64).sum::<u64>() <= end
    };
    let sound = fits(&video) && audio.as_ref().is_none_or(fits);
    Ok(sound.then(|| Moof { at: wall_from_ntp(ntp), video, audio, end }))
}

fn samples(traf: &TrafBox, moof_at: u64) -> Option<Samples> {
    let trun = traf.trun_boxes.first()?;
    let infos = trun
        .samples
        .iter()
        .map(|s| {
            Some(SampleInfo {
                size: s.size?,
                duration: s.duration?,
                offset: s.composition_time_offset.unwrap_or(0) as i32,
                key: !s.flags?.sample_is_non_sync_sample(),
            })
        })
        .collect::<Option<Vec<_>>>()?;
    let offset = moof_at.checked_add_signed(trun.data_offset? as i64)?;
    let start = traf.tfdt_box.as_ref()?.base_media_decode_time;
    (!infos.is_empty()).then_some(Samples { start, offset, infos })
}
