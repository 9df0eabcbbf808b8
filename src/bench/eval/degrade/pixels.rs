//! Pictures made dark or noisy, the same way in every run.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::media::I420;
use crate::media::image::BadPlanes;

use super::Degradation;

/// Noise values; a prime, so that rows and pictures do not line up with it.
const NOISE: usize = 65_537;

/// What is done to every picture of a clip.
pub struct Pixels {
    /// New luma and chroma of each old one.
    tones: [[u8; 256]; 2],
    /// Added to the luma; empty where there is none.
    noise: Vec<i8>,
    seed: u64,
}

impl Pixels {
    /// `None` where pixels stay as they are. Two clips with different seeds get different noise.
    pub fn new(how: Degradation, seed: u64) -> Option<Pixels> {
        // A value that is kept or moved, where it goes, and the contrast that is left around it.
        let as_it_is = [0.0, 0.0, 1.0];
        let (luma, chroma, sigma) = match how {
            Degradation::Noise => (as_it_is, as_it_is, 12.0),
            Degradation::Night => ([16.0, 20.0, 0.2], [128.0, 128.0, 0.25], 4.0),
            _ => return None,
        };
        let table = |[from, to, contrast]: [f32; 3]| {
            std::array::from_fn(|v| (to + (v as f32 - from) * contrast).round().clamp(0.0, 255.0) as u8)
        };
        let mut rng = StdRng::seed_from_u64(seed);
        // The sum of twelve even draws is as good as normal, and has a variance of 1.
        let mut normal = || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        let noise = (0..NOISE).map(|_| (normal() * sigma).round().clamp(-127.0, 127.0) as i8).collect();
        Some(Pixels { tones: [table(luma), table(chroma)], noise, seed })
    }

    /// The picture of frame `index` of the clip.
    ///
    /// # Errors
    /// Never for a picture that is one.
    pub fn change(&self, image: &I420, index: usize) -> Result<I420, BadPlanes> {
        let (w, h) = (image.width as usize, image.height as usize);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        let mut out = Vec::with_capacity(w * h + 2 * cw * ch);
        for (plane, w, h) in [(0, w, h), (1, cw, ch), (2, cw, ch)] {
            let (bytes, stride) = image.plane(plane);
            let tones = &self.tones[usize::from(plane > 0)];
            for row in bytes.chunks(stride).take(h) {
                out.extend(row[..w].iter().map(|v| tones[usize::from(*v)]));
            }
        }
        // Each picture begins somewhere else in the same noise.
        let from = StdRng::seed_from_u64(self.seed ^ index as u64).random_range(0..NOISE);
        let noise = self.noise[from..].iter().chain(self.noise.iter().cycle());
        out[..w * h].iter_mut().zip(noise).for_each(|(y, n)| *y = y.saturating_add_signed(*n));
        I420::packed(image.width, image.height, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Left half dark, right half bright, chroma far from grey.
    fn halves() -> I420 {
        let (w, h) = (64, 48);
        let mut bytes: Vec<u8> = (0..w * h).map(|i| if i % w < w / 2 { 40 } else { 200 }).collect();
        bytes.resize(w * h * 3 / 2, 60);
        I420::packed(w as u32, h as u32, bytes).unwrap()
    }

    /// Mean and standard deviation of a plane's left and right half.
    fn look(image: &I420, plane: usize) -> [(f64, f64); 2] {
        let (bytes, stride) = image.plane(plane);
        let (w, h) = if plane == 0 { (64, 48) } else { (32, 24) };
        [0, w / 2].map(|from| {
            let half: Vec<f64> = (0..h)
                .flat_map(|y| bytes[y * stride + from..][..w / 2].iter().map(|v| f64::from(*v)))
                .collect();
            let mean = half.iter().sum::<f64>() / half.len() as f64;
            (mean, (half.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / half.len() as f64).sqrt())
        })
    }

    #[test]
    fn noise_keeps_the_mean_and_spreads_by_its_sigma() {
        let noisy = Pixels::new(Degradation::Noise, 1).unwrap().change(&halves(), 0).unwrap();
        for ((mean, sigma), was) in look(&noisy, 0).into_iter().zip([40.0, 200.0]) {
            assert!((mean - was).abs() < 1.0 && (sigma - 12.0).abs() < 1.0, "{mean} {sigma}, was {was}");
        }
        assert_eq!(look(&noisy, 1), look(&halves(), 1), "colours stay");
    }

    #[test]
    fn night_is_dark_flat_noisy_and_grey() {
        let night = Pixels::new(Degradation::Night, 1).unwrap().change(&halves(), 0).unwrap();
        let [(dark, sigma), (bright, _)] = look(&night, 0);
        assert!(dark < 30.0 && bright < 64.0, "{dark} {bright}");
        assert!((bright - dark - 160.0 * 0.2).abs() < 1.0, "a fifth of the contrast: {}", bright - dark);
        assert!((sigma - 4.0).abs() < 0.5, "{sigma}");
        assert_eq!(look(&night, 2)[0], (111.0, 0.0));
    }

    #[test]
    fn each_picture_has_its_own_noise_and_each_run_the_same() {
        let luma = |seed, index| {
            let image = Pixels::new(Degradation::Noise, seed).unwrap().change(&halves(), index).unwrap();
            image.luma().0.to_vec()
        };
        assert_eq!(luma(1, 0), luma(1, 0));
        assert_ne!(luma(1, 0), luma(1, 1));
        assert_ne!(luma(1, 0), luma(2, 0));
    }

    #[test]
    fn where_only_the_encoding_changes_pixels_stay() {
        for how in [Degradation::Fps(5), Degradation::Qp(40), Degradation::H265] {
            assert!(Pixels::new(how, 1).is_none(), "{how}");
        }
    }
}
