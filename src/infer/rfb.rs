//! RFB ("ultra light"): faces without landmarks; its boxes come decoded.

use super::detection::{Class, Detection};
use super::manifest::Manifest;
use super::output::{Contract, Outputs, finite};
use super::preprocess::{Fit, InputForm, Order};
use crate::media::BBox;

pub(super) const FORM: InputForm =
    InputForm { order: Order::Rgb, mean: 127.0, scale: 1.0 / 128.0, fit: Fit::Stretch };

/// Priors: 3, 2, 2 and 3 per cell of the grids of stride 8, 16, 32 and 64, rounded up.
fn priors(net: (usize, usize)) -> usize {
    [(8, 3), (16, 2), (32, 2), (64, 3)]
        .into_iter()
        .map(|(s, n)| net.0.div_ceil(s) * net.1.div_ceil(s) * n)
        .sum()
}

pub(super) fn contract(net: (usize, usize)) -> Contract {
    vec![("scores".into(), vec![1, priors(net), 2]), ("boxes".into(), vec![1, priors(net), 4])]
}

pub(super) fn decode(
    out: &Outputs<'_>,
    net: (usize, usize),
    manifest: &Manifest,
) -> Result<Vec<Detection>, String> {
    let n = priors(net);
    let (scores, boxes) = (out.get("scores", n * 2)?, out.get("boxes", n * 4)?);
    let faces = scores.as_chunks::<2>().0.iter().zip(boxes.as_chunks::<4>().0);
    Ok(faces
        .filter(|([_, face], b)| *face >= manifest.score && finite(b.as_slice()))
        .map(|([_, face], b)| Detection {
            class: Class::Face,
            bbox: BBox::new(b[0], b[1], b[2], b[3]),
            score: *face,
            landmarks: None,
        })
        .collect())
}
