//! Second opinions: what a model is not sure of is shown to it again, otherwise.
//!
//! A small network takes a plant for a person at one size and not at another; a person it knows at both. So where a
//! score says neither yes nor no, the network looks once more at a part of the picture that its finding nearly fills,
//! or, where it fills the picture already, at all of it from farther away and mirrored. The mean of both scores is
//! told. Where that is still undecided, it looks a third and a fourth time, mirrored and with more or less around it. What
//! is not believed is not forgotten either: it may continue a track, which a low score can, and begins none. Most
//! pictures have nothing doubtful in them and cost nothing more.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::detection::{Class, Detection};
use super::manifest::Manifest;
use super::windows::{Window, fit};
use crate::media::BBox;

/// How one is looked at again that was doubtful; in the later rounds, if it is still.
const ROUNDS: [Round; 3] = [
    Round { room: 1.6, mirrored: false, part: 0.7 },
    Round { room: 2.2, mirrored: true, part: 1.0 },
    Round { room: 1.3, mirrored: true, part: 0.85 },
];
/// No window is lower than this, pixels: an image of a few pixels says nothing more for being enlarged.
const LOWEST: f32 = 24.0;
/// What would be seen less than this much larger is as large as it can be seen.
const NEARER: f32 = 1.15;
/// Overlap (IoU) from which on the second finding is the first.
const SAME: f32 = 0.5;
/// More runs for one picture.
pub(super) const MOST: usize = 4;

/// Scores of which a model is not sure, by class.
pub type Doubtful = BTreeMap<Class, RangeInclusive<f32>>;

struct Round {
    /// Sides of the window, in sides of the box that decides them.
    room: f32,
    /// Whether the window is seen mirrored.
    mirrored: bool,
    /// Where no window would show the box larger: sides of the whole picture, in those of its fit. Always mirrored.
    part: f32,
}

/// How a model looks at a picture once more.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Look {
    pub window: Window,
    pub view: View,
}

/// How what is seen lies in a network's input.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct View {
    /// Left and right exchanged.
    pub mirrored: bool,
    /// Its sides, in those that fit the input best; above 0, at most 1.
    pub part: f32,
}

impl View {
    pub const PLAIN: View = View { mirrored: false, part: 1.0 };
}

/// What is doubtful in the findings of one picture.
pub struct Doubts {
    picture: (u32, u32),
    net: (usize, usize),
    /// No score falls below this one.
    least: f32,
    doubts: Vec<Doubt>,
    /// Those of `doubts` that this round has not settled, most doubtful first.
    open: Vec<usize>,
    round: usize,
    /// Runs that may be taken still.
    left: usize,
}

struct Doubt {
    /// Place in the findings.
    at: usize,
    range: RangeInclusive<f32>,
    /// Of the scores so far, and how many there are.
    sum: f32,
    looks: u16,
}

impl Doubt {
    fn mean(&self) -> f32 {
        self.sum / f32::from(self.looks)
    }

    /// From the middle of what is doubtful, in widths of that.
    fn off(&self) -> f32 {
        let (low, high) = (self.range.start(), self.range.end());
        (self.mean() - (low + high) / 2.0).abs() / (high - low)
    }
}

impl Doubts {
    /// What is doubtful by the manifest among `found` in a picture of these pixels, to be settled with so many runs.
    pub fn among(found: &[Detection], manifest: &Manifest, picture: (u32, u32), runs: usize) -> Doubts {
        let doubt = |(at, d): (usize, &Detection)| {
            let range = manifest.doubtful.get(&d.class).filter(|range| range.contains(&d.score))?;
            Some(Doubt { at, range: range.clone(), sum: d.score, looks: 1 })
        };
        let doubts: Vec<Doubt> = found.iter().enumerate().filter_map(doubt).collect();
        let net = manifest.size.of(picture);
        let mut doubts = Doubts {
            picture,
            net,
            least: manifest.score,
            doubts,
            open: Vec::new(),
            round: 0,
            left: runs.min(MOST),
        };
        doubts.open_all(|_| true);
        doubts
    }

    /// How to look next, if at all.
    pub fn next(&mut self, found: &[Detection]) -> Option<Look> {
        if self.left == 0 {
            return None;
        }
        if self.open.is_empty() && self.round + 1 < ROUNDS.len() {
            self.round += 1;
            // Half as wide as before: the mean of several scores is surer than one.
            self.open_all(|doubt| doubt.looks > 1 && doubt.off() <= 0.25);
        }
        let (first, round) = (*self.open.first()?, &ROUNDS[self.round]);
        self.left -= 1;
        Some(match self.around(found, first) {
            Some(window) => Look { window, view: View { mirrored: round.mirrored, part: 1.0 } },
            None => Look { window: self.whole(), view: View { mirrored: true, part: round.part } },
        })
    }

    /// What was `seen` by the last look, in the picture's coordinates: settles for this round what was asked and
    /// what else of the doubtful it shows.
    pub fn settle(&mut self, look: Look, seen: &[Detection], found: &mut [Detection]) {
        let open = std::mem::take(&mut self.open);
        // The whole picture is for those alone that fill it.
        let whole = self.around(found, open[0]).is_none();
        for (i, which) in open.into_iter().enumerate() {
            let first = found[self.doubts[which].at];
            let shown = match whole {
                true => self.around(found, which).is_none(),
                false => i == 0 || look.window.shows(&first.bbox, self.picture),
            };
            if !shown {
                self.open.push(which);
                continue;
            }
            let same = |d: &&Detection| d.class == first.class && d.bbox.iou(&first.bbox) >= SAME;
            let doubt = &mut self.doubts[which];
            doubt.sum += seen.iter().filter(same).map(|d| d.score).fold(0.0, f32::max);
            doubt.looks += 1;
            found[doubt.at].score = doubt.mean().max(self.least);
        }
    }

    /// Those to be settled in the next round, most doubtful first.
    fn open_all(&mut self, open: impl Fn(&Doubt) -> bool) {
        let doubts = &self.doubts;
        self.open = (0..doubts.len()).filter(|i| open(&doubts[*i])).collect();
        self.open.sort_by(|a, b| doubts[*a].off().total_cmp(&doubts[*b].off()));
    }

    /// The window of this round around a doubtful finding.
    fn around(&self, found: &[Detection], which: usize) -> Option<Window> {
        around(&found[self.doubts[which].at].bbox, self.picture, self.net, ROUNDS[self.round].room)
    }

    fn whole(&self) -> Window {
        Window { x: 0, y: 0, width: self.picture.0, height: self.picture.1 }
    }
}

/// A window of the shape of the network's input with so much room for the box; `None`: the whole picture shows
/// it nearly as large.
fn around(bbox: &BBox, picture: (u32, u32), net: (usize, usize), room: f32) -> Option<Window> {
    let (wide, high) = (picture.0 as f32, picture.1 as f32);
    let (across, down) = (net.0 as f32, net.1 as f32);
    let height = (bbox.height() * high).max(bbox.width() * wide * down / across).max(LOWEST / room) * room;
    let side = |length: f32, all: u32| (length.min(all as f32).ceil() as u32).next_multiple_of(2).min(all);
    let (width, height) = (side(height * across / down, picture.0), side(height, picture.1));
    let scale = |w: f32, h: f32| (across / w).min(down / h);
    if scale(width as f32, height as f32) < NEARER * scale(wide, high) {
        return None;
    }
    let centre = bbox.center();
    let span = |middle: f32, length: u32, all: u32| {
        let (from, length) = fit((middle - length as f32 / 2.0).max(0.0) as u32, length, all);
        // An odd picture's last pixel.
        (from, if from + length + 1 == all { length + 1 } else { length })
    };
    let (x, width) = span(centre.x * wide, width, picture.0);
    let (y, height) = span(centre.y * high, height, picture.1);
    Some(Window { x, y, width, height })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const PICTURE: (u32, u32) = (1280, 720);
    const NET: (usize, usize) = (384, 224);
    const LARGE: BBox = BBox { x1: 0.3, y1: 0.1, x2: 0.6, y2: 0.9 };

    fn of(class: Class, bbox: BBox, score: f32) -> Detection {
        Detection { class, bbox, score, landmarks: None }
    }

    fn person(x: f32, score: f32) -> Detection {
        of(Class::Person, BBox::new(x, 0.4, x + 0.04, 0.6), score)
    }

    /// Our own model's: nothing below 0.25, doubtful faces and people from 0.3 to 0.7.
    fn doubts(found: &[Detection]) -> Doubts {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        Doubts::among(found, &Manifest::load(&root.join("models/pingan-nano")).unwrap(), PICTURE, MOST)
    }

    #[test]
    fn the_recipe_measures_with_the_same_numbers() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/train/opinion.py");
        let text = std::fs::read_to_string(path).unwrap();
        let after = |names: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(names)).expect(names);
            line.replace("True", "1").replace("False", "0").replace(['(', ')'], "")
        };
        let numbers = |names| -> Vec<f32> { after(names).split(", ").map(|n| n.parse().unwrap()).collect() };
        let lone = [LOWEST, NEARER, SAME, MOST as f32, crate::infer::windows::CUT];
        assert_eq!(numbers("LOWEST, NEARER, SAME, MOST, CUT = "), lone);
        let rounds = ROUNDS.map(|r| [r.room, f32::from(u8::from(r.mirrored)), r.part]);
        assert_eq!(numbers("ROUNDS = "), rounds.concat());
    }

    #[test]
    fn the_window_holds_the_box_and_lies_in_the_picture() {
        for (bbox, (width, height)) in [
            (BBox::new(0.5, 0.4, 0.55, 0.6), (396, 231)),
            (BBox::new(-0.01, 0.9, 0.04, 1.02), (237, 139)),
            (BBox::new(0.97, 0.0, 1.0, 0.05), (99, 58)),
            (BBox::new(0.5, 0.5, 0.503, 0.504), (42, 24)),
        ] {
            let window = around(&bbox, PICTURE, NET, 1.6).unwrap();
            assert!(window.width.abs_diff(width) <= 1 && window.height.abs_diff(height) <= 1, "{window:?}");
            assert!(window.x + window.width <= 1280 && window.y + window.height <= 720, "{window:?}");
            assert!(window.x.is_multiple_of(2) && window.y.is_multiple_of(2), "{window:?}");
            assert!(window.shows(&bbox, PICTURE), "{window:?}");
        }
        assert_eq!(around(&LARGE, PICTURE, NET, 1.6), None, "as large as in the whole");
        assert_eq!(around(&BBox::new(0.2, 0.2, 1e30, 1e30), PICTURE, NET, 1.6), None);
        // An odd picture's last column and row are seen too.
        let corner = BBox::new(0.9, 0.8, 1.0, 1.0);
        assert!(around(&corner, (853, 481), NET, 1.6).unwrap().shows(&corner, (853, 481)));
    }

    #[test]
    fn the_mean_of_all_scores_is_told_and_what_is_clear_is_left_alone() {
        let car = of(Class::Vehicle, BBox::new(0.4, 0.4, 0.45, 0.5), 0.5);
        let mut found = vec![
            person(0.1, 0.9),
            person(0.3, 0.6),
            car,
            person(0.7, 0.48),
            person(0.5, 0.28),
            person(0.86, 0.44),
        ];
        let mut doubts = doubts(&found);
        let first = doubts.next(&found).unwrap();
        assert!(first.window.shows(&found[3].bbox, PICTURE), "the most doubtful comes first: {first:?}");
        assert_eq!(first.view, View::PLAIN);
        // Another class and another place are no answer.
        let face = of(Class::Face, found[3].bbox, 0.9);
        doubts.settle(first, &[person(0.705, 0.8), face, person(0.75, 0.9)], &mut found);
        let second = doubts.next(&found).unwrap();
        assert!(second.window.shows(&found[5].bbox, PICTURE));
        doubts.settle(second, &[person(0.86, 0.52)], &mut found);
        assert_eq!(found[5].score, 0.48);
        let third = doubts.next(&found).unwrap();
        assert!(third.window.shows(&found[1].bbox, PICTURE));
        doubts.settle(third, &[], &mut found);
        // Of three only one is undecided still.
        let fourth = doubts.next(&found).unwrap();
        assert!(fourth.window.shows(&found[5].bbox, PICTURE) && fourth.window.height > second.window.height);
        assert_eq!(fourth.view, View { mirrored: true, part: 1.0 });
        doubts.settle(fourth, &[person(0.86, 0.6)], &mut found);
        assert_eq!(doubts.next(&found), None, "four runs are the most");
        let scores: Vec<f32> = found.iter().map(|d| (d.score * 1000.0).round() / 1000.0).collect();
        assert_eq!(scores, [0.9, 0.3, 0.5, 0.64, 0.28, 0.52]);
    }

    #[test]
    fn what_fills_the_picture_is_seen_from_farther_away_and_mirrored() {
        let mut found = vec![of(Class::Person, LARGE, 0.5), person(0.8, 0.45)];
        let mut doubts = doubts(&found);
        let whole = Window { x: 0, y: 0, width: 1280, height: 720 };
        let first = doubts.next(&found).unwrap();
        assert_eq!(first, Look { window: whole, view: View { mirrored: true, part: 0.7 } });
        // The small one is asked for by itself, though the whole picture shows it too.
        doubts.settle(first, &[of(Class::Person, LARGE, 0.4), person(0.8, 0.9)], &mut found);
        assert_eq!((found[0].score, found[1].score), (0.45, 0.45));
        let second = doubts.next(&found).unwrap();
        assert!(second.window.width < 1280);
        doubts.settle(second, &[], &mut found);
        let third = doubts.next(&found).unwrap();
        assert_eq!(third, Look { window: whole, view: View { mirrored: true, part: 1.0 } });
        doubts.settle(third, &[of(Class::Person, LARGE, 0.6)], &mut found);
        let fourth = doubts.next(&found).unwrap();
        assert_eq!(fourth, Look { window: whole, view: View { mirrored: true, part: 0.85 } });
        doubts.settle(fourth, &[], &mut found);
        assert_eq!((doubts.next(&found), found[0].score, found[1].score), (None, 0.375, 0.25));
    }

    #[test]
    fn neighbours_are_settled_together_a_crowd_costs_four_runs_and_nobody_is_forgotten() {
        let mut found: Vec<Detection> = [0.1, 0.13, 0.3, 0.5, 0.7, 0.9].map(|x| person(x, 0.45)).into();
        let mut doubts = doubts(&found);
        let mut runs = 0;
        while let Some(look) = doubts.next(&found) {
            doubts.settle(look, &[], &mut found);
            runs += 1;
        }
        let scores: Vec<f32> = found.iter().map(|d| d.score).collect();
        assert_eq!((runs, scores), (4, vec![0.25, 0.25, 0.25, 0.25, 0.25, 0.45]));
    }
}
