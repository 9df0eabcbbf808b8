//! Clips as MP4 files, so that what took long to make is made once.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use sha2::{Digest, Sha256};
use shiguredo_mp4::TrackKind;
use shiguredo_mp4::mux::{Mp4FileMuxer, Sample};

use super::clip::Clip;
use super::encode::sample_entry;
use crate::media::Pts;

/// Writes a clip without sound as an MP4 file that [`Clip::load`] reads back as it was.
pub fn save(clip: &Clip, path: &Path) -> anyhow::Result<()> {
    ensure!(clip.audio.is_none(), "{} has sound, which is not saved", clip.name);
    let mut muxer = Mp4FileMuxer::new().map_err(|e| anyhow!("{e}"))?;
    let mut file = muxer.initial_boxes_bytes().to_vec();
    let mut entry = Some(sample_entry(&clip.params)?);
    for (i, unit) in clip.units.iter().enumerate() {
        let next = clip.units.get(i + 1).map_or(clip.duration, |next| next.dts);
        let sample = Sample {
            track_kind: TrackKind::Video,
            sample_entry: entry.take(),
            keyframe: unit.key,
            timescale: NonZeroU32::new(Pts::HZ as u32).context("invariant: 90 kHz")?,
            duration: u32::try_from(next.0 - unit.dts.0)?,
            composition_time_offset: (unit.pts != unit.dts).then_some(unit.pts.0 - unit.dts.0),
            data_offset: file.len() as u64,
            data_size: unit.data.len(),
        };
        file.extend_from_slice(&unit.data);
        muxer.append_sample(&sample).map_err(|e| anyhow!("{e}"))?;
    }
    let boxes = muxer.finalize().map_err(|e| anyhow!("{e}"))?;
    for (offset, bytes) in boxes.offset_and_bytes_pairs() {
        let (from, to) = (offset as usize, offset as usize + bytes.len());
        if file.len() < to {
            file.resize(to, 0);
        }
        file[from..to].copy_from_slice(bytes);
    }
    // Whole or not there: two runs may make the same clip at the same time.
    let part = path.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&part, file).with_context(|| format!("cannot write {}", part.display()))?;
    std::fs::rename(&part, path).with_context(|| format!("cannot write {}", path.display()))
}

/// The clip that was made before from the same `seed` (everything that it follows from), or a new one
/// from `make`, which is then kept in `folder`.
pub fn kept(
    folder: &Path,
    name: &str,
    seed: &[u8],
    make: impl FnOnce() -> anyhow::Result<Clip>,
) -> anyhow::Result<Clip> {
    let path = place(folder, name, seed);
    if path.is_file() {
        return Clip::load(&path);
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let clip = make()?;
    save(&clip, &path)?;
    Ok(clip)
}

fn place(folder: &Path, name: &str, seed: &[u8]) -> PathBuf {
    let hash: String = Sha256::digest(seed).iter().take(8).map(|b| format!("{b:02x}")).collect();
    folder.join(format!("{name}-{hash}.mp4"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::encode::{EncodeSettings, encode};
    use crate::media::{Codec, I420};

    fn noise(codec: Codec) -> Clip {
        let settings = EncodeSettings { codec, width: 128, height: 64, gop: 5, ..EncodeSettings::main() };
        let frame = |i: usize| {
            let noise = (0..128 * 96u32).map(|p| (p.wrapping_mul(2_654_435_761) >> 24) as u8 ^ i as u8);
            I420::packed(128, 64, noise.collect()).unwrap()
        };
        encode("noise", &settings, 12, frame).unwrap()
    }

    #[test]
    fn a_clip_comes_back_as_it_was_and_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        for codec in [Codec::H264, Codec::H265] {
            let clip = noise(codec);
            let seed = format!("{codec:?}");
            let made = kept(dir.path(), "noise", seed.as_bytes(), || Ok(clip.clone())).unwrap();
            let again = kept(dir.path(), "noise", seed.as_bytes(), || panic!("made twice")).unwrap();
            assert_eq!((again.duration, &again.params), (made.duration, &made.params));
            assert_eq!(again.units.len(), 12);
            for (a, b) in again.units.iter().zip(&made.units) {
                assert_eq!((a.pts, a.dts, a.key, &a.data), (b.pts, b.dts, b.key, &b.data));
            }
        }
    }
}
