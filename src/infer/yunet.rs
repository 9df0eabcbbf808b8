//! YuNet: faces with five landmarks, anchor-free on strides 8, 16 and 32.

use super::detection::{Class, Detection};
use super::manifest::Manifest;
use super::output::{Contract, Outputs, finite};
use super::preprocess::{Fit, InputForm, Order, Placement};
use crate::media::{BBox, Point};

pub(super) const FORM: InputForm =
    InputForm { order: Order::Bgr, mean: 0.0, scale: 1.0, fit: Fit::Letterbox { pad: 0.0 } };

const STRIDES: [usize; 3] = [8, 16, 32];

fn cells(net: (usize, usize), stride: usize) -> usize {
    (net.0 / stride) * (net.1 / stride)
}

pub(super) fn contract(net: (usize, usize)) -> Contract {
    let output = |what: &str, stride: usize, columns: usize| {
        (format!("{what}_{stride}"), vec![1, cells(net, stride), columns])
    };
    STRIDES
        .into_iter()
        .flat_map(|s| [output("cls", s, 1), output("obj", s, 1), output("bbox", s, 4), output("kps", s, 10)])
        .collect()
}

pub(super) fn decode(
    out: &Outputs<'_>,
    place: Placement,
    manifest: &Manifest,
) -> Result<Vec<Detection>, String> {
    let mut found = Vec::new();
    for stride in STRIDES {
        let n = cells(place.net, stride);
        let get = |what: &str, columns: usize| out.get(&format!("{what}_{stride}"), n * columns);
        let (cls, obj) = (get("cls", 1)?, get("obj", 1)?);
        let (boxes, marks) = (get("bbox", 4)?, get("kps", 10)?);
        let columns = place.net.0 / stride;
        for i in 0..n {
            let score = (cls[i].clamp(0.0, 1.0) * obj[i].clamp(0.0, 1.0)).sqrt();
            if score < manifest.score {
                continue;
            }
            let cell =
                Cell { column: (i % columns) as f32, row: (i / columns) as f32, stride: stride as f32 };
            let b = &boxes[i * 4..][..4];
            if finite(b) {
                found.push(cell.face(b, &marks[i * 10..][..10], score, place));
            }
        }
    }
    Ok(found)
}

struct Cell {
    column: f32,
    row: f32,
    stride: f32,
}

impl Cell {
    fn face(&self, b: &[f32], marks: &[f32], score: f32, place: Placement) -> Detection {
        let (dw, dh) = (place.drawn.0 as f32, place.drawn.1 as f32);
        let at = |x: f32, y: f32| {
            Point::new((x + self.column) * self.stride / dw, (y + self.row) * self.stride / dh)
        };
        let centre = at(b[0], b[1]);
        let (w, h) = (b[2].exp() * self.stride / dw, b[3].exp() * self.stride / dh);
        Detection {
            class: Class::Face,
            bbox: BBox::new(centre.x - w / 2.0, centre.y - h / 2.0, centre.x + w / 2.0, centre.y + h / 2.0),
            score,
            landmarks: Some(std::array::from_fn(|k| at(marks[2 * k], marks[2 * k + 1]))),
        }
    }
}
