//! Reads the shared reference boxes, for tests only. MOT text form: frame (from 1), id, left, top,
//! width, height in pixels of 768x432, score.

use std::path::PathBuf;

use crate::base::Wall;
use crate::infer::{Class, Detection};
use crate::media::BBox;

struct Row {
    frame: u32,
    bbox: BBox,
    score: f32,
}

/// The file in the shared truth folder; `None`, said visibly, where that folder is not.
pub fn path(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("PINGAN_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
    let path = shared.join("truth").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: ../shared is not there");
    None
}

fn boxes(name: &str) -> Option<Vec<Row>> {
    let text = std::fs::read_to_string(path(name)?).unwrap();
    let row = |line: &str| {
        let v: Vec<f32> = line.split(',').map(|f| f.trim().parse().unwrap()).collect();
        let (l, t, w, h) = (v[2] / 768.0, v[3] / 432.0, v[4] / 768.0, v[5] / 432.0);
        Row { frame: v[0] as u32, bbox: BBox::new(l, t, l + w, t + h), score: v[6] }
    };
    Some(text.lines().filter(|l| !l.is_empty()).map(row).collect())
}

/// Frame number, time (12 frames a second from 0) and detected persons of each of the `frames`.
pub fn detections(name: &str, frames: u32) -> Option<Vec<(u32, Wall, Vec<Detection>)>> {
    let boxes = boxes(name)?;
    let of = |frame| {
        boxes.iter().filter(move |b| b.frame == frame).map(|b| Detection {
            class: Class::Person,
            bbox: b.bbox,
            score: b.score,
            landmarks: None,
        })
    };
    let time = |frame: u32| Wall(i64::from(frame - 1) * 1_000_000 / 12);
    Some((1..=frames).map(|f| (f, time(f), of(f).collect())).collect())
}
