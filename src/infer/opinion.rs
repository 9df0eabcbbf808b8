//! Second opinions: what a model is not sure of is shown to it again, nearer.
//!
//! A small network takes a plant for a person at one size and not at another; a person it knows at both. So where a
//! score says neither yes nor no, the network looks once more at a part of the picture that its finding nearly
//! fills, and the mean of both scores is told. What is not believed is not forgotten either: it may continue a track,
//! which a low score can, and begins none. Most pictures have nothing doubtful in them and cost nothing more.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::detection::{Class, Detection};
use super::manifest::Manifest;
use super::windows::{Window, fit};
use crate::media::BBox;

/// Sides of the window, in sides of the box that decides them.
const ROOM: f32 = 1.6;
/// No window is lower than this, pixels: an image of a few pixels says nothing more for being enlarged.
const LOWEST: f32 = 24.0;
/// What would be seen less than this much larger is not worth a second run.
const NEARER: f32 = 1.15;
/// Overlap (IoU) from which on the second finding is the first.
const SAME: f32 = 0.5;
/// Second runs for one picture.
const MOST: usize = 3;

/// Scores of which a model is not sure, by class.
pub type Doubtful = BTreeMap<Class, RangeInclusive<f32>>;

/// What is doubtful in the findings of one picture.
pub struct Doubts {
    picture: (u32, u32),
    net: (usize, usize),
    /// No score falls below this one.
    least: f32,
    /// Places in the findings, most doubtful first.
    open: Vec<usize>,
    asked: usize,
}

impl Doubts {
    /// What is doubtful by the manifest among `found` in a picture of these pixels.
    pub fn among(found: &[Detection], manifest: &Manifest, picture: (u32, u32)) -> Doubts {
        let doubt = |d: &Detection| {
            let range = manifest.doubtful.get(&d.class).filter(|range| range.contains(&d.score))?;
            Some((d.score - (range.start() + range.end()) / 2.0).abs())
        };
        let mut open: Vec<(usize, f32)> =
            found.iter().enumerate().filter_map(|(i, d)| Some((i, doubt(d)?))).collect();
        open.sort_by(|a, b| a.1.total_cmp(&b.1));
        let open = open.into_iter().map(|(i, _)| i).collect();
        Doubts { picture, net: manifest.size.of(picture), least: manifest.score, open, asked: 0 }
    }

    /// Where to look next, if anywhere.
    pub fn window(&mut self, found: &[Detection]) -> Option<Window> {
        while self.asked < MOST && !self.open.is_empty() {
            if let Some(window) = around(&found[self.open[0]].bbox, self.picture, self.net) {
                self.asked += 1;
                return Some(window);
            }
            self.open.remove(0);
        }
        None
    }

    /// `seen` in the last window, in the picture's coordinates: settles what was asked and what else of the
    /// doubtful lies in it.
    pub fn settle(&mut self, window: Window, seen: &[Detection], found: &mut [Detection]) {
        let mut asked = true;
        self.open.retain(|&i| {
            let here = std::mem::replace(&mut asked, false) || window.shows(&found[i].bbox, self.picture);
            if here {
                let first = found[i];
                let same = |d: &&Detection| d.class == first.class && d.bbox.iou(&first.bbox) >= SAME;
                let second = seen.iter().filter(same).map(|d| d.score).fold(0.0, f32::max);
                found[i].score = ((first.score + second) / 2.0).max(self.least);
            }
            !here
        });
    }
}

/// A window of the shape of the network's input that the box nearly fills; `None`: the whole picture shows
/// it nearly as large.
fn around(bbox: &BBox, picture: (u32, u32), net: (usize, usize)) -> Option<Window> {
    let (wide, high) = (picture.0 as f32, picture.1 as f32);
    let (across, down) = (net.0 as f32, net.1 as f32);
    let height = (bbox.height() * high).max(bbox.width() * wide * down / across).max(LOWEST / ROOM) * ROOM;
    // Even, so that a window can begin at an even place and still reach the picture's far edge.
    let side = |length: f32, all: u32| (length.ceil() as u32).next_multiple_of(2).min(all);
    let (width, height) = (side(height * across / down, picture.0), side(height, picture.1));
    let scale = |w: f32, h: f32| (across / w).min(down / h);
    if scale(width as f32, height as f32) < NEARER * scale(wide, high) {
        return None;
    }
    let centre = bbox.center();
    let from = |middle: f32, length: u32| (middle - length as f32 / 2.0).max(0.0) as u32;
    let (x, width) = fit(from(centre.x * wide, width), width, picture.0);
    let (y, height) = fit(from(centre.y * high, height), height, picture.1);
    Some(Window { x, y, width, height })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const PICTURE: (u32, u32) = (1280, 720);
    const NET: (usize, usize) = (384, 224);

    fn of(class: Class, bbox: BBox, score: f32) -> Detection {
        Detection { class, bbox, score, landmarks: None }
    }

    fn person(x: f32, score: f32) -> Detection {
        of(Class::Person, BBox::new(x, 0.4, x + 0.04, 0.6), score)
    }

    /// Our own model's: nothing below 0.25, doubtful faces and people from 0.3 to 0.7.
    fn doubts(found: &[Detection]) -> Doubts {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        Doubts::among(found, &Manifest::load(&root.join("models/pingan-nano")).unwrap(), PICTURE)
    }

    #[test]
    fn the_window_holds_the_box_and_lies_in_the_picture() {
        for (bbox, (width, height)) in [
            (BBox::new(0.5, 0.4, 0.55, 0.6), (396, 231)),
            (BBox::new(-0.01, 0.9, 0.04, 1.02), (237, 139)),
            (BBox::new(0.97, 0.0, 1.0, 0.05), (99, 58)),
            (BBox::new(0.5, 0.5, 0.503, 0.504), (42, 24)),
        ] {
            let window = around(&bbox, PICTURE, NET).unwrap();
            assert!(window.width.abs_diff(width) <= 1 && window.height.abs_diff(height) <= 1, "{window:?}");
            assert!(window.x + window.width <= 1280 && window.y + window.height <= 720, "{window:?}");
            assert!(window.x.is_multiple_of(2) && window.y.is_multiple_of(2), "{window:?}");
            assert!(window.shows(&bbox, PICTURE), "{window:?}");
        }
        assert_eq!(around(&BBox::new(0.3, 0.1, 0.6, 0.9), PICTURE, NET), None, "as large as in the whole");
    }

    #[test]
    fn the_mean_of_both_scores_is_told_and_what_is_clear_is_left_alone() {
        let car = of(Class::Vehicle, BBox::new(0.4, 0.4, 0.45, 0.5), 0.5);
        let mut found = vec![person(0.1, 0.9), person(0.3, 0.6), car, person(0.7, 0.48), person(0.5, 0.28)];
        let mut doubts = doubts(&found);
        let window = doubts.window(&found).unwrap();
        assert!(window.shows(&found[3].bbox, PICTURE), "the most doubtful comes first: {window:?}");
        // Another class and another place are no answer.
        let face = of(Class::Face, found[3].bbox, 0.9);
        doubts.settle(window, &[person(0.705, 0.8), face, person(0.75, 0.9)], &mut found);
        let window = doubts.window(&found).unwrap();
        assert!(window.shows(&found[1].bbox, PICTURE));
        doubts.settle(window, &[], &mut found);
        assert_eq!(doubts.window(&found), None);
        let scores: Vec<f32> = found.iter().map(|d| d.score).collect();
        assert_eq!(scores, [0.9, 0.3, 0.5, 0.64, 0.28]);
    }

    #[test]
    fn neighbours_are_settled_together_a_crowd_costs_three_runs_and_nobody_is_forgotten() {
        let mut found: Vec<Detection> = [0.1, 0.13, 0.4, 0.6, 0.8].map(|x| person(x, 0.45)).into();
        let mut doubts = doubts(&found);
        let mut runs = 0;
        while let Some(window) = doubts.window(&found) {
            doubts.settle(window, &[], &mut found);
            runs += 1;
        }
        let scores: Vec<f32> = found.iter().map(|d| d.score).collect();
        assert_eq!((runs, scores), (3, vec![0.25, 0.25, 0.25, 0.25, 0.45]));
    }
}
