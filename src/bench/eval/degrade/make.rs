//! Writes a degraded clip: decoded, frames left out, pixels changed, encoded anew.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use crate::app::pick::Pick;
use crate::bench::clip_file;
use crate::bench::encode::{EncodeSettings, encode_all};
use crate::camera::Frame;
use crate::media::Pts;

use super::super::pictures::Pictures;
use super::Degradation;
use super::pixels::Pixels;

/// A clip that was made worse.
pub struct Degraded {
    pub path: PathBuf,
    /// Index in the original of each of its frames.
    pub kept: Vec<usize>,
}

/// Make the clip `path`, which the truth calls `file`, worse, and write it into `folder`. Its frames keep
/// their times. The whole clip is in memory while it is made, encoded: some 100 kB a frame at the most for
/// footage of 768x432.
///
/// # Errors
/// The clip cannot be read, has less than two frames or an odd width or height; or the encoder fails.
pub fn make(
    path: &Path,
    file: &str,
    how: Degradation,
    runtime: &Runtime,
    folder: &Path,
) -> anyhow::Result<Degraded> {
    let told = || format!("{file} cannot be degraded by {how}");
    let mut frames = Kept {
        pictures: runtime.block_on(Pictures::open(path)).with_context(told)?,
        pick: if let Degradation::Fps(fps) = how { Some(Pick::new(fps as f32)) } else { None },
        index: 0,
    };
    let mut kept = Vec::new();
    // Two frames say how large the pictures are and how many come in a second.
    let mut first = Vec::new();
    while first.len() < 2 {
        let frame = frames.next(runtime).with_context(told)?;
        first.push(frame.context("it has fewer than two frames").with_context(told)?);
    }
    let step = first[1].1.at.since(first[0].1.at).as_secs_f64();
    let fps = (1.0 / step.max(1e-3)).round().clamp(1.0, 60.0) as u32;
    let settings = EncodeSettings {
        codec: how.codec(),
        width: first[0].1.image.width,
        height: first[0].1.image.height,
        fps,
        qp: Some(how.qp()),
        gop: 2 * fps,
        ..EncodeSettings::sub()
    };
    let pixels = Pixels::new(how, seed(file));
    let mut times: Vec<Pts> = Vec::new();
    let start = first[0].1.at;
    let mut first = first.into_iter();
    let rest = std::iter::from_fn(|| first.next().map(Ok).or_else(|| frames.next(runtime).transpose()));
    let pictures = rest.map(|frame| {
        let (index, frame) = frame?;
        let at = Pts::from_micros(frame.at.0 - start.0);
        ensure!(times.last().is_none_or(|last| *last < at), "frame {index} comes before the one before it");
        times.push(at);
        kept.push(index);
        Ok(match &pixels {
            Some(pixels) => pixels.change(&frame.image, index)?,
            None => (*frame.image).clone(),
        })
    });
    let name = format!("{how}-{}", file.replace(['/', '\\'], "_"));
    let mut clip = encode_all(&name, &settings, pictures).with_context(told)?;
    for (unit, at) in clip.units.iter_mut().zip(&times) {
        (unit.pts, unit.dts) = (*at, *at);
    }
    clip.duration = Pts(times.last().map_or(0, |t| t.0) + Pts::HZ / i64::from(fps));
    let path = folder.join(format!("{name}.mp4"));
    clip_file::save(&clip, &path)?;
    Ok(Degraded { path, kept })
}

/// The frames of a clip that are left.
struct Kept {
    pictures: Pictures,
    pick: Option<Pick>,
    index: usize,
}

impl Kept {
    fn next(&mut self, runtime: &Runtime) -> anyhow::Result<Option<(usize, Frame)>> {
        while let Some(frame) = runtime.block_on(self.pictures.next())? {
            let index = self.index;
            self.index += 1;
            if self.pick.as_mut().is_none_or(|pick| pick.takes(frame.at)) {
                return Ok(Some((index, frame)));
            }
        }
        Ok(None)
    }
}

/// Of a clip's noise: the same on every machine and in every run.
fn seed(file: &str) -> u64 {
    let hash = Sha256::digest(file.as_bytes());
    hash.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::clip::Clip;
    use crate::bench::scene::{Scene, Variant};
    use crate::media::{Codec, I420};

    /// Four seconds of somebody in the yard, 25 frames/s.
    fn yard(dir: &Path) -> PathBuf {
        let mut scene = Scene::demo(Variant::Yard, 2);
        scene.duration = Duration::from_secs(4);
        let settings = EncodeSettings { width: 320, height: 184, ..EncodeSettings::load_sub() };
        let path = dir.join("yard.mp4");
        clip_file::save(&scene.encode("yard", &settings).unwrap(), &path).unwrap();
        path
    }

    fn runtime() -> Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn degraded(how: Degradation, file: &str) -> (Degraded, Clip, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let made = make(&yard(dir.path()), file, how, &runtime(), dir.path()).unwrap();
        let clip = Clip::load(&made.path).unwrap();
        assert_eq!(clip.units.len(), made.kept.len());
        (made, clip, dir)
    }

    fn bytes(clip: &Clip) -> usize {
        clip.units.iter().map(|u| u.data.len()).sum()
    }

    /// Mean and standard deviation of the luma of a clip's tenth picture.
    fn luma(path: &Path) -> (f64, f64) {
        let runtime = runtime();
        let mut pictures = runtime.block_on(Pictures::open(path)).unwrap();
        let mut tenth: Option<I420> = None;
        for _ in 0..10 {
            tenth = runtime.block_on(pictures.next()).unwrap().map(|f| (*f.image).clone());
        }
        let image = tenth.unwrap();
        let (bytes, stride) = image.luma();
        let rows = bytes.chunks(stride).take(image.height as usize);
        let all: Vec<f64> =
            rows.flat_map(|r| r[..image.width as usize].iter().map(|v| f64::from(*v))).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        (mean, (all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64).sqrt())
    }

    #[test]
    fn at_a_lower_rate_each_frame_that_is_left_keeps_its_time() {
        for (fps, frames) in [(5, 20..=21), (2, 8..=9), (1, 4..=5)] {
            let (made, clip, _dir) = degraded(Degradation::Fps(fps), "yard.mp4");
            assert!(frames.contains(&clip.units.len()), "{fps}: {:?}", made.kept);
            for (unit, index) in clip.units.iter().zip(&made.kept) {
                assert_eq!(unit.pts, Pts(*index as i64 * Pts::HZ / 25), "{fps}: frame {index}");
            }
        }
    }

    #[test]
    fn a_bad_quantiser_makes_the_clip_small_and_loses_no_frame() {
        let (made, bad, _dir) = degraded(Degradation::Qp(40), "yard.mp4");
        let (_, good, _dir) = degraded(Degradation::Qp(GOOD), "yard.mp4");
        assert_eq!(made.kept, (0..100).collect::<Vec<_>>());
        assert!(bytes(&bad) * 3 < bytes(&good), "{} at 40, {} at {GOOD}", bytes(&bad), bytes(&good));
    }

    const GOOD: u8 = 22;

    #[test]
    fn night_is_darker_and_flatter_and_noise_rougher_than_the_clip_as_it_is() {
        let (plain, _, _dir) = degraded(Degradation::Qp(GOOD), "yard.mp4");
        let (mean, sigma) = luma(&plain.path);
        let (night, _, _dir) = degraded(Degradation::Night, "yard.mp4");
        let (night_mean, night_sigma) = luma(&night.path);
        assert!(night_mean < 64.0 && night_mean * 1.5 < mean, "{night_mean}, was {mean}");
        assert!(night_sigma * 2.0 < sigma, "{night_sigma}, was {sigma}");
        let (noise, _, _dir) = degraded(Degradation::Noise, "yard.mp4");
        let (noise_mean, noise_sigma) = luma(&noise.path);
        assert!((noise_mean - mean).abs() < 2.0, "{noise_mean}, was {mean}");
        // Variances add up: 12 of the noise, less what the encoder smooths.
        assert!(noise_sigma.powi(2) > sigma.powi(2) + 60.0, "{noise_sigma}, was {sigma}");
    }

    #[test]
    fn h265_is_h265_and_the_rest_h264() {
        let (made, clip, _dir) = degraded(Degradation::H265, "yard.mp4");
        assert_eq!((clip.params.codec, made.kept.len()), (Codec::H265, 100));
        let (_, clip, _dir) = degraded(Degradation::Fps(1), "yard.mp4");
        assert_eq!(clip.params.codec, Codec::H264);
    }

    #[test]
    fn a_clip_is_degraded_the_same_in_every_run_and_another_one_otherwise() {
        let units = |file| {
            let (_, clip, _dir) = degraded(Degradation::Night, file);
            clip.units.into_iter().map(|u| u.data).collect::<Vec<_>>()
        };
        let first = units("a.mp4");
        assert_eq!(first, units("a.mp4"));
        assert_ne!(first, units("b.mp4"));
    }

    #[test]
    fn pictures_of_a_width_that_is_no_multiple_of_eight_are_not_sheared() {
        let dir = tempfile::tempdir().unwrap();
        let settings = EncodeSettings { width: 54, height: 38, qp: Some(10), ..EncodeSettings::sub() };
        let half = |i: usize| if i % 54 < 27 { 40 } else { 200 };
        let mut packed: Vec<u8> = (0..54 * 38).map(half).collect();
        packed.resize(54 * 38 * 3 / 2, 128);
        let image = I420::packed(54, 38, packed).unwrap();
        let clip = crate::bench::encode::encode("halves", &settings, 3, |_| image.clone()).unwrap();
        clip_file::save(&clip, &dir.path().join("halves.mp4")).unwrap();
        let path = dir.path().join("halves.mp4");
        let made = make(&path, "halves.mp4", Degradation::Qp(10), &runtime(), dir.path()).unwrap();
        let runtime = runtime();
        let mut pictures = runtime.block_on(Pictures::open(&made.path)).unwrap();
        let seen = runtime.block_on(pictures.next()).unwrap().unwrap().image;
        let (luma, stride) = seen.luma();
        for y in 0..38 {
            assert!(luma[y * stride + 10] < 60 && luma[y * stride + 44] > 180, "row {y}");
        }
    }

    #[test]
    fn what_cannot_be_degraded_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("note.mp4");
        std::fs::write(&path, "a text").unwrap();
        let error = make(&path, "note.mp4", Degradation::Night, &runtime(), dir.path()).err().unwrap();
        assert!(format!("{error:#}").contains("note.mp4 cannot be degraded by night"), "{error:#}");
    }
}
