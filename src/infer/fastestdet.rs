//! FastestDet: one grid of stride 16, channels first.

use super::detection::Detection;
use super::manifest::Manifest;
use super::output::{Contract, Outputs, strongest};
use super::preprocess::{Fit, InputForm, Order};
use crate::media::BBox;

pub(super) const FORM: InputForm =
    InputForm { order: Order::Bgr, mean: 0.0, scale: 1.0 / 255.0, fit: Fit::Stretch };

const STRIDE: usize = 16;
/// The exporter's number of the last node.
const OUTPUT: &str = "758";

pub(super) fn contract(net: (usize, usize), classes: usize) -> Contract {
    vec![(OUTPUT.into(), vec![1, 5 + classes, net.1 / STRIDE, net.0 / STRIDE])]
}

pub(super) fn decode(
    out: &Outputs<'_>,
    net: (usize, usize),
    manifest: &Manifest,
) -> Result<Vec<Detection>, String> {
    let (across, down) = (net.0 / STRIDE, net.1 / STRIDE);
    let (cells, classes) = (across * down, manifest.classes.count());
    let values = out.get(OUTPUT, (5 + classes) * cells)?;
    let mut found = Vec::new();
    for i in 0..cells {
        let channel = |c: usize| values[c * cells + i];
        let (id, class_score) = strongest((0..classes).map(|c| channel(5 + c)));
        let score = channel(0).max(0.0).powf(0.6) * class_score.max(0.0).powf(0.4);
        let (Some(class), true) = (manifest.classes.get(id), score >= manifest.score) else { continue };
        let sigmoid = |v: f32| 1.0 / (1.0 + (-v).exp());
        let cx = ((i % across) as f32 + channel(1).tanh()) / across as f32;
        let cy = ((i / across) as f32 + channel(2).tanh()) / down as f32;
        let (w, h) = (sigmoid(channel(3)), sigmoid(channel(4)));
        let bbox = BBox::new(cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0);
        found.push(Detection { class, bbox, score, landmarks: None });
    }
    Ok(found)
}
