//! Encoded footage in memory, and reading it from MP4 files without touching a byte of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use shiguredo_mp4::boxes::{AvccBox, SampleEntry};
use shiguredo_mp4::demux::{Input, Mp4FileDemuxer};
use shiguredo_mp4::{Encode, TrackKind, Uint, codec_string};

use crate::media::{AudioParams, Codec, Pts, VideoParams, h26x};
#[cfg(test)]
use {
    crate::base::{CameraId, StreamKind, Wall},
    crate::media::{EncodedUnit, Params},
    std::sync::Arc,
};

/// One coded picture.
#[derive(Clone, Debug)]
pub struct ClipUnit {
    /// From the clip's start. With B frames not in the order of the units.
    pub pts: Pts,
    /// When a camera would send it. Never decreases; the first is 0.
    pub dts: Pts,
    /// Decoding can start here.
    pub key: bool,
    /// NAL units, each with its length in 4 bytes in front.
    pub data: Bytes,
}

#[cfg(test)]
impl ClipUnit {
    /// As it comes from the camera `yard` when its stream, which began at `start`, is at `pts`.
    pub(crate) fn sent(&self, start: Wall, pts: Pts, params: &Arc<Params>) -> EncodedUnit {
        EncodedUnit {
            camera: CameraId::new("yard").unwrap(),
            stream: StreamKind::Main,
            connection: 1,
            pts,
            dts: pts,
            received: start + pts.since(Pts(0)),
            key: self.key,
            lost_before: 0,
            params: params.clone(),
            data: self.data.clone(),
        }
    }
}

/// AAC sound of a clip.
#[derive(Clone, Debug)]
pub struct ClipAudio {
    pub params: AudioParams,
    /// Start of each frame from the clip's start, and its bytes.
    pub frames: Vec<(Pts, Bytes)>,
}

/// A clip that can be played in a loop.
///
/// Invariants: at least one unit; the first is a keyframe; `duration` is greater than every `dts`,
/// so that the next round continues the time line.
#[derive(Clone, Debug)]
pub struct Clip {
    pub name: String,
    pub params: VideoParams,
    pub units: Vec<ClipUnit>,
    pub duration: Pts,
    pub audio: Option<ClipAudio>,
}

impl Clip {
    /// Reads an MP4 file (H.264 or H.265, and AAC where there is any) as a whole into memory.
    /// Units before the first keyframe are left out.
    pub fn load(path: &Path) -> anyhow::Result<Clip> {
        let file = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        read_mp4(name, &file).with_context(|| format!("{} is no MP4 clip that can be played", path.display()))
    }

    /// Average rate of the video, bits per second.
    pub fn bits_per_second(&self) -> f64 {
        let bytes: usize = self.units.iter().map(|u| u.data.len()).sum();
        bytes as f64 * 8.0 * Pts::HZ as f64 / self.duration.0 as f64
    }

    /// Pictures per second.
    pub fn frame_rate(&self) -> f64 {
        self.units.len() as f64 * Pts::HZ as f64 / self.duration.0 as f64
    }
}

/// The MP4 files of a folder in the order of their names. An empty list is an error.
pub fn files_of(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", dir.display()))?.path();
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("mp4")) {
            files.push(path);
        }
    }
    ensure!(!files.is_empty(), "there is no .mp4 file in {}", dir.display());
    files.sort();
    Ok(files)
}

/// Video parameters from a sample entry of H.264 or H.265.
fn video_params(entry: &SampleEntry) -> anyhow::Result<VideoParams> {
    let (codec, visual, config, length_size) = match entry {
        SampleEntry::Avc1(b) => {
            let record = whole(b.avcc_box.clone());
            (Codec::H264, &b.visual, record.encode_to_vec()?, record.length_size_minus_one.get())
        }
        SampleEntry::Hvc1(b) => {
            (Codec::H265, &b.visual, b.hvcc_box.encode_to_vec()?, b.hvcc_box.length_size_minus_one.get())
        }
        SampleEntry::Hev1(b) => {
            (Codec::H265, &b.visual, b.hvcc_box.encode_to_vec()?, b.hvcc_box.length_size_minus_one.get())
        }
        other => bail!("its video is neither H.264 nor H.265: {}", codec_string::from_sample_entry(other)?),
    };
    ensure!(length_size == 3, "its NAL units do not have 4-byte lengths");
    Ok(VideoParams {
        codec,
        width: visual.width,
        height: visual.height,
        config: Bytes::from(config).slice(8..), // without the box's size and type
        rfc6381: codec_string::from_sample_entry(entry)?,
    })
}

/// Some writers leave out what a record of the High profile must end with (ISO/IEC 14496-15, 5.3.3.1.2): that it has 8
/// bits and, but for pictures in grey, half the colour in each direction (ITU-T H.264, A.2.4). Decoders go by the SPS.
fn whole(mut record: AvccBox) -> AvccBox {
    const HIGH: u8 = 100;
    if record.avc_profile_indication == HIGH && record.chroma_format.is_none() {
        record.chroma_format = Some(Uint::new(1));
        record.bit_depth_luma_minus8 = Some(Uint::new(0));
        record.bit_depth_chroma_minus8 = Some(Uint::new(0));
    }
    record
}

fn audio_params(entry: &SampleEntry) -> anyhow::Result<Option<AudioParams>> {
    let SampleEntry::Mp4a(b) = entry else { return Ok(None) };
    let Some(info) = &b.esds_box.es.dec_config_descr.dec_specific_info else { return Ok(None) };
    Ok(Some(AudioParams {
        sample_rate: u32::from(b.audio.samplerate.integer),
        channels: b.audio.channelcount,
        config: Bytes::from(info.payload.clone()),
        rfc6381: codec_string::from_sample_entry(entry)?,
    }))
}

fn read_mp4(name: String, file: &[u8]) -> anyhow::Result<Clip> {
    let mut demuxer = Mp4FileDemuxer::new();
    while let Some(need) = demuxer.required_input() {
        let start = (need.position as usize).min(file.len());
        let end = need.size.map_or(file.len(), |s| start.saturating_add(s).min(file.len()));
        demuxer.handle_input(Input { position: need.position, data: &file[start..end] });
    }
    let mut video: Option<VideoParams> = None;
    let mut audio: Option<AudioParams> = None;
    let (mut units, mut frames) = (Vec::<ClipUnit>::new(), Vec::new());
    let mut end = Pts(0);
    while let Some(sample) = demuxer.next_sample()? {
        let scale = i128::from(u32::from(sample.track.timescale));
        let ticks = |t: i128| Pts((t * i128::from(Pts::HZ) / scale) as i64);
        let dts = i128::from(sample.timestamp);
        let from = sample.data_offset as usize;
        let data = file.get(from..from + sample.data_size).context("it is cut off")?;
        match sample.track.kind {
            TrackKind::Video => {
                if let Some(entry) = sample.sample_entry {
                    let params = video_params(entry)?;
                    ensure!(video.as_ref().is_none_or(|v| *v == params), "its video parameters change");
                    video = Some(params);
                }
                let codec = video.as_ref().context("its first picture has no parameters")?.codec;
                ensure!(h26x::is_well_formed(data), "picture {} is torn", units.len() + 1);
                let pts = dts + i128::from(sample.composition_time_offset.unwrap_or(0));
                let key = h26x::is_random_access(codec, data);
                end = end.max(ticks(dts + i128::from(sample.duration)));
                if key || !units.is_empty() {
                    let data = Bytes::copy_from_slice(data);
                    units.push(ClipUnit { pts: ticks(pts), dts: ticks(dts), key, data });
                }
            }
            TrackKind::Audio => {
                if let Some(entry) = sample.sample_entry {
                    audio = audio_params(entry)?;
                }
                if audio.is_some() {
                    frames.push((ticks(dts), Bytes::copy_from_slice(data)));
                    end = end.max(ticks(dts + i128::from(sample.duration)));
                }
            }
            _ => {}
        }
    }
    let start = units.first().context("it has no keyframe")?.dts;
    for u in &mut units {
        (u.pts, u.dts) = (Pts(u.pts.0 - start.0), Pts(u.dts.0 - start.0));
    }
    frames.retain_mut(|(at, _)| {
        *at = Pts(at.0 - start.0);
        at.0 >= 0
    });
    Ok(Clip {
        name,
        params: video.context("it has no video")?,
        units,
        duration: Pts(end.0 - start.0),
        audio: audio.map(|params| ClipAudio { params, frames }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(file: &str) -> Option<PathBuf> {
        let dir = std::env::var_os("PINGAN_SHARED")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
        if dir.is_dir() {
            return Some(dir.join("footage").join(file));
        }
        eprintln!("skipped: ../shared is not there");
        None
    }

    #[test]
    fn footage_is_read_with_its_frames_times_and_sound() {
        let Some(path) = shared("people-detection-768x432.mp4") else { return };
        let clip = Clip::load(&path).unwrap();
        assert_eq!((clip.units.len(), clip.params.width, clip.params.codec), (596, 768, Codec::H264));
        assert!(clip.units[0].key && (clip.frame_rate() - 12.0).abs() < 0.01, "{}", clip.frame_rate());
        assert_eq!(clip.units.iter().filter(|u| u.key).count(), 25, "a GOP of 24");

        let clip = Clip::load(&path.with_file_name("people-detection-1080p25-h265.mp4")).unwrap();
        assert_eq!((clip.params.codec, clip.params.height), (Codec::H265, 1080));
        assert!(clip.params.rfc6381.starts_with("h"), "{}", clip.params.rfc6381);

        let clip = Clip::load(&path.with_file_name("car-detection.mp4")).unwrap();
        let audio = clip.audio.unwrap();
        assert_eq!(audio.params.rfc6381, "mp4a.40.2");
        assert!(audio.frames.len() > 1000, "{}", audio.frames.len());
    }

    /// `crowd-faces-800x450.mp4` has such a record.
    #[test]
    fn what_a_writer_left_out_of_a_record_of_the_high_profile_is_told() {
        let Some(path) = shared("crowd-faces-800x450.mp4") else { return };
        let clip = Clip::load(&path).unwrap();
        assert_eq!(clip.params.config[1], 100);
        assert_eq!(clip.params.config[clip.params.config.len() - 4..], [0xfd, 0xf8, 0xf8, 0]);
        assert_eq!(h26x::parameter_sets(Codec::H264, &clip.params.config).len(), 2);
        // What a record ends with stays as it is.
        let Some(path) = shared("classroom-480x270.mp4") else { return };
        let (file, clip) = (std::fs::read(&path).unwrap(), Clip::load(&path).unwrap());
        assert!(file.windows(clip.params.config.len()).any(|bytes| bytes == clip.params.config));
    }

    #[test]
    fn what_is_no_clip_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("note.mp4");
        std::fs::write(&path, "this is a text, not a clip").unwrap();
        let error = format!("{:#}", Clip::load(&path).unwrap_err());
        assert!(error.contains("note.mp4"), "{error}");
        assert!(files_of(&dir.path().join("absent")).is_err());
    }
}
