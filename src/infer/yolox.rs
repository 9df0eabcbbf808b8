//! YOLOX: anchor-free rows, a block of them for each stride (8, 16 and 32 in the original).

use super::detection::Detection;
use super::manifest::Manifest;
use super::output::{Contract, Outputs, finite, strongest};
use super::preprocess::{Fit, InputForm, Order, Placement};
use crate::media::BBox;

pub(super) const FORM: InputForm =
    InputForm { order: Order::Bgr, mean: 0.0, scale: 1.0, fit: Fit::Letterbox { pad: 114.0 } };

const OUTPUT: &str = "output";

fn rows(net: (usize, usize), strides: &[usize]) -> usize {
    strides.iter().map(|s| (net.0 / s) * (net.1 / s)).sum()
}

pub(super) fn contract(net: (usize, usize), manifest: &Manifest) -> Contract {
    vec![(OUTPUT.into(), vec![1, rows(net, &manifest.strides), 5 + manifest.classes.count()])]
}

pub(super) fn decode(
    out: &Outputs<'_>,
    place: Placement,
    manifest: &Manifest,
) -> Result<Vec<Detection>, String> {
    let columns = 5 + manifest.classes.count();
    let mut values = out.get(OUTPUT, rows(place.net, &manifest.strides) * columns)?.chunks_exact(columns);
    let (dw, dh) = (place.drawn.0 as f32, place.drawn.1 as f32);
    let mut found = Vec::new();
    for &stride in &manifest.strides {
        let (across, down) = (place.net.0 / stride, place.net.1 / stride);
        let stride = stride as f32;
        for (i, row) in values.by_ref().take(across * down).enumerate() {
            let objectness = row[4];
            // A class score is at most 1, so most rows are done with here.
            if objectness < manifest.score {
                continue;
            }
            let (id, class_score) = strongest(row[5..].iter().copied());
            let score = objectness * class_score;
            let (Some(class), true) = (manifest.classes.get(id), score >= manifest.score) else { continue };
            if !finite(&row[..4]) {
                continue;
            }
            let (cx, cy) = ((row[0] + (i % across) as f32) * stride, (row[1] + (i / across) as f32) * stride);
            let (w, h) = (row[2].exp() * stride, row[3].exp() * stride);
            let bbox =
                BBox::new((cx - w / 2.0) / dw, (cy - h / 2.0) / dh, (cx + w / 2.0) / dw, (cy + h / 2.0) / dh);
            found.push(Detection { class, bbox, score, landmarks: None });
        }
    }
    Ok(found)
}
