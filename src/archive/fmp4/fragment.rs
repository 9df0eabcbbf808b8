//! One fragment: `prft moof mdat`, and what fills its last block.

use bytes::Bytes;
use shiguredo_mp4::boxes::{MfhdBox, MoofBox, TfdtBox, TfhdBox, TrafBox, TrunBox, TrunSample};
use shiguredo_mp4::{Encode, SampleFlags};

use super::{AUDIO_TRACK, VIDEO_TRACK, put_box};
use crate::base::Wall;

/// What the tables say about a sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SampleInfo {
    pub size: u32,
    /// 90 kHz ticks to the next sample in decoding order.
    pub duration: u32,
    /// Presentation less decoding time, 90 kHz ticks.
    pub offset: i32,
    pub key: bool,
}

/// A sample to be written; its size is that of its data.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    pub data: Bytes,
    pub duration: u32,
    pub offset: i32,
    pub key: bool,
}

/// The samples of one track within a fragment.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Track {
    /// Decoding time of the first sample on the run's time line, 90 kHz.
    pub start: u64,
    pub samples: Vec<Sample>,
}

/// Append to `out` what stands before the media data of a fragment: `prft`, `moof` and the head of `mdat`.
/// The data of the video samples follows, then that of the audio samples. `at` is the server time of the
/// first picture. `Err` names what does not fit the format.
pub fn encode_tables(
    out: &mut Vec<u8>,
    sequence: u32,
    at: Wall,
    video: &Track,
    audio: &Track,
) -> Result<(), String> {
    put_prft(out, at, video.start);
    let payload = |t: &Track| t.samples.iter().map(|s| s.data.len()).sum::<usize>();
    let (video_bytes, audio_bytes) = (payload(video), payload(audio));
    let mdat_bytes = u32::try_from(video_bytes + audio_bytes + 8).map_err(|_| "fragment over 4 GiB")?;
    // The data offset has a fixed width, so the size of `moof` does not depend on its value.
    let mut moof = moof_box(sequence, video, audio);
    let moof_bytes = moof.encode_to_vec().map_err(|e| e.to_string())?.len();
    let mut at = (moof_bytes + 8) as i32;
    for (traf, bytes) in moof.traf_boxes.iter_mut().zip([video_bytes, audio_bytes]) {
        traf.trun_boxes[0].data_offset = Some(at);
        at = at.checked_add(bytes as i32).ok_or("fragment over 2 GiB")?;
    }
    out.extend(moof.encode_to_vec().map_err(|e| e.to_string())?);
    out.extend_from_slice(&mdat_bytes.to_be_bytes());
    out.extend_from_slice(b"mdat");
    Ok(())
}

fn moof_box(sequence: u32, video: &Track, audio: &Track) -> MoofBox {
    let mut traf_boxes = vec![traf_box(VIDEO_TRACK, video)];
    if !audio.samples.is_empty() {
        traf_boxes.push(traf_box(AUDIO_TRACK, audio));
    }
    MoofBox { mfhd_box: MfhdBox { sequence_number: sequence }, traf_boxes, unknown_boxes: vec![] }
}

fn traf_box(track_id: u32, track: &Track) -> TrafBox {
    let reordered = track.samples.iter().any(|s| s.offset != 0);
    let sample = |s: &Sample| TrunSample {
        duration: Some(s.duration),
        size: Some(s.data.len() as u32),
        flags: Some(sample_flags(s.key)),
        composition_time_offset: reordered.then_some(s.offset as i64),
    };
    TrafBox {
        tfhd_box: TfhdBox {
            track_id,
            base_data_offset: None,
            sample_description_index: None,
            default_sample_duration: None,
            default_sample_size: None,
            default_sample_flags: None,
            duration_is_empty: false,
            default_base_is_moof: true,
        },
        tfdt_box: Some(TfdtBox { version: 1, base_media_decode_time: track.start }),
        trun_boxes: vec![TrunBox {
            data_offset: Some(0),
            first_sample_flags: None,
            samples: track.samples.iter().map(sample).collect(),
        }],
        unknown_boxes: vec![],
    }
}

/// sample_depends_on: 2 = on no other, 1 = on others (ISO 14496-12 §8.6.4).
fn sample_flags(key: bool) -> SampleFlags {
    SampleFlags::from_fields(0, if key { 2 } else { 1 }, 0, 0, 0, !key, 0)
}

pub const PRFT_BYTES: usize = 32;

/// Producer reference time (ISO 14496-12 §8.16.5), version 1. Flag 8: the time has an arbitrary but
/// constant distance to the capture, which is what a time of arrival is.
fn put_prft(out: &mut Vec<u8>, at: Wall, media_time: u64) {
    let mut p = Vec::with_capacity(24);
    p.extend_from_slice(&[1, 0, 0, 8]);
    p.extend_from_slice(&VIDEO_TRACK.to_be_bytes());
    p.extend_from_slice(&ntp_from_wall(at).to_be_bytes());
    p.extend_from_slice(&media_time.to_be_bytes());
    put_box(out, b"prft", &p);
}

/// Seconds between the NTP epoch (1900) and the Unix epoch (RFC 5905 §A.4).
const NTP_TO_UNIX: i64 = 2_208_988_800;

/// 32.32 fixed point. The fraction is rounded up, so that [`wall_from_ntp`] finds the microsecond.
fn ntp_from_wall(at: Wall) -> u64 {
    let secs = at.micros().div_euclid(1_000_000) + NTP_TO_UNIX;
    let micros = at.micros().rem_euclid(1_000_000) as u64;
    // NTP seconds wrap in 2036 (era 1); the reader takes the era nearest to 2026.
    ((secs as u64 & 0xffff_ffff) << 32) | ((micros << 32).div_ceil(1_000_000))
}

pub fn wall_from_ntp(ntp: u64) -> Wall {
    let mut secs = (ntp >> 32) as i64;
    // Times before 1994 belong to era 1 (from 2036 on).
    if secs < NTP_TO_UNIX + 24 * 365 * 86_400 {
        secs += 1 << 32;
    }
    let micros = ((ntp & 0xffff_ffff) * 1_000_000) >> 32;
    Wall((secs - NTP_TO_UNIX) * 1_000_000 + micros as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prft_keeps_the_microsecond_also_after_2036(us in 800_000_000_000_000i64..4_000_000_000_000_000) {
            prop_assert_eq!(wall_from_ntp(ntp_from_wall(Wall(us))), Wall(us));
        }
    }
}
