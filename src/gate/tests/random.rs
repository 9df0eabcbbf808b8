//! Whatever the bytes are, they are read to some end.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::stream::{Camera, params};
use crate::media::Codec;
use crate::media::slice::probe;

/// As [`probe`] takes it.
fn packed(codec: Codec, config: &[u8], unit: &[u8]) -> Vec<u8> {
    let length = (config.len() as u16).to_be_bytes();
    [&[u8::from(codec == Codec::H265)][..], &length, config, unit].concat()
}

#[test]
fn random_bytes_are_survived() {
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..20_000 {
        let data: Vec<u8> = (0..rng.random_range(0..300)).map(|_| rng.random()).collect();
        probe(&data);
    }
}

#[test]
fn mutated_streams_are_survived() {
    let mut rng = StdRng::seed_from_u64(2);
    let mut camera = Camera::new(0.1);
    let known = params(26);
    let config = &known.video().unwrap().config;
    let mut read = 0;
    for i in 0..20_000 {
        let unit = camera.unit(120.0, 20 + i % 20);
        let mut data = packed(Codec::H264, config, &unit.data);
        for _ in 0..rng.random_range(0..6) {
            let at = rng.random_range(0..data.len());
            match rng.random_range(0..3) {
                0 => data[at] ^= 1 << rng.random_range(0..8),
                1 => data[at] = rng.random(),
                _ => data.truncate(at.max(1)),
            }
        }
        read += usize::from(probe(&data).is_some_and(|p| p.qp.is_some()));
    }
    assert!(read > 5_000, "the streams are too far from real ones: {read} read");
}

/// Real parameter sets of H.265 with several reference picture sets, from an encoder's output.
#[test]
fn mutated_h265_is_survived() {
    let Some(shared) = crate::decode::testing::shared() else { return };
    let file = std::fs::read(shared.join("footage/cars_320x240.h265")).unwrap();
    let (config, units) = super::footage::from_annex_b(&file);
    let mut rng = StdRng::seed_from_u64(3);
    let mut read = 0;
    for _ in 0..20_000 {
        let unit = &units[rng.random_range(0..units.len())];
        let mut data = packed(Codec::H265, &config, &unit[..unit.len().min(200)]);
        // Its length is that of what is left of it.
        let start = 3 + config.len();
        let length = (data.len() - start - 4) as u32;
        data[start..start + 4].copy_from_slice(&length.to_be_bytes());
        for _ in 0..rng.random_range(0..6) {
            let at = rng.random_range(0..data.len());
            data[at] ^= 1 << rng.random_range(0..8);
        }
        read += usize::from(probe(&data).is_some_and(|p| p.qp.is_some()));
    }
    assert!(read > 5_000, "{read} read");
}
