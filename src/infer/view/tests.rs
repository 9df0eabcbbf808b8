//! Behaviour of the view meter, on made scenes and on footage.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::ViewMeter;
use crate::base::Wall;
use crate::bench::scene::{Renderer, Scene, Variant};
use crate::camera::Tampering::{self, Covered, Dark, Defocused, Frozen, Turned};
use crate::camera::ViewReading;
use crate::media::I420;

const W: usize = 320;
const H: usize = 180;

/// A camera whose sensor has noise, over a made scene with people.
struct Camera {
    scene: Renderer,
    meter: ViewMeter,
    /// Seconds from one picture to the next.
    every: i64,
    at: i64,
}

impl Camera {
    fn new(every: i64) -> Self {
        let scene = Renderer::new(&Scene::demo(Variant::Yard, 1), W as u32, H as u32);
        Camera { scene, meter: ViewMeter::default(), every, at: 0 }
    }

    /// The picture of this second.
    fn picture(&self) -> I420 {
        self.scene.frame(Duration::from_secs(self.at as u64 % 42))
    }

    /// What is said over so many seconds in which pictures are changed like this.
    fn show(&mut self, seconds: i64, change: impl Fn(I420, i64) -> I420) -> Vec<ViewReading> {
        let until = self.at + seconds;
        let mut said = Vec::new();
        while self.at < until {
            let picture = change(self.picture(), self.at);
            said.extend(self.meter.look(&picture, Wall::from_secs(self.at)));
            self.at += self.every;
        }
        said
    }

    /// A minute in which nothing is wrong.
    fn calm(&mut self) {
        let said = self.show(60, |p, _| p);
        assert_eq!(signs(&said), [], "nothing is wrong");
        assert!(said.last().unwrap().known && said.last().unwrap().doubt.is_none());
    }
}

/// The signs beyond doubt, each once where it is said many times in a row.
fn signs(said: &[ViewReading]) -> Vec<Tampering> {
    let mut signs: Vec<Tampering> = said.iter().filter_map(|r| r.sign).collect();
    signs.dedup();
    signs
}

/// A picture of the same size whose luma at (x, y) is made of the old one; colour as given.
fn luma(p: &I420, grey: bool, of: impl Fn(&dyn Fn(i32, i32) -> f32, i32, i32) -> f32) -> I420 {
    let (old, stride) = p.luma();
    let at = |x: i32, y: i32| {
        f32::from(old[y.clamp(0, H as i32 - 1) as usize * stride + x.clamp(0, W as i32 - 1) as usize])
    };
    let mut bytes: Vec<u8> =
        (0..W * H).map(|i| of(&at, (i % W) as i32, (i / W) as i32).round().clamp(0.0, 255.0) as u8).collect();
    for plane in [1, 2] {
        let (chroma, stride) = p.plane(plane);
        for row in chroma.chunks(stride).take(H / 2) {
            bytes.extend(row[..W / 2].iter().map(|v| if grey { 128 } else { *v }));
        }
    }
    I420::packed(W as u32, H as u32, bytes).unwrap()
}

/// Noise of a sensor that sees nothing.
fn noise(x: i32, y: i32, t: i64) -> f32 {
    let v = (x as u32).wrapping_mul(0x9e37_79b9) ^ (y as u32).wrapping_mul(0x85eb_ca6b) ^ (t as u32) << 7;
    let v = (v ^ v >> 15).wrapping_mul(0xc2b2_ae35);
    (v >> 24) as f32 / 64.0 - 2.0
}

fn blurred(p: &I420, by: i32) -> I420 {
    // A box twice is a fair lens out of focus; rows and columns one after the other.
    let mut p = p.clone();
    for _ in 0..2 {
        let n = (2 * by + 1) as f32;
        p = luma(&p, false, |at, x, y| (-by..=by).map(|d| at(x + d, y)).sum::<f32>() / n);
        p = luma(&p, false, |at, x, y| (-by..=by).map(|d| at(x, y + d)).sum::<f32>() / n);
    }
    p
}

/// The way of each kind: how a picture is changed, and what is said of it at both ways of watching.
fn check(want: &[Tampering], change: impl Fn(I420, i64) -> I420) {
    for every in [1, 4] {
        let mut camera = Camera::new(every);
        camera.calm();
        let said = camera.show(60, &change);
        assert_eq!(signs(&said), want, "every {every} s: {said:?}");
        // The sign stays, and is soon there.
        let late = said.iter().skip(2 * said.len() / 3);
        assert!(want.is_empty() || late.clone().all(|r| r.sign.is_some()), "every {every} s: {said:?}");
        let after = camera.show(60, |p, _| p);
        assert!(after[1..].iter().all(|r| r.doubt.is_none() && r.known), "every {every} s: {after:?}");
    }
}

#[test]
fn a_black_picture_is_dark() {
    check(&[Dark], |p, t| luma(&p, true, |_, x, y| 18.0 + noise(x, y, t)));
}

#[test]
fn a_hand_or_a_cloth_on_the_lens_covers_it() {
    // Light comes through at one side.
    check(&[Covered], |p, t| luma(&p, false, |_, x, y| 70.0 + x as f32 * 0.1 + noise(x, y, t)));
    // White paper.
    check(&[Covered], |p, t| luma(&p, true, |_, x, y| 200.0 + noise(x, y, t)));
}

#[test]
fn a_lens_out_of_focus_is_told_from_a_covered_one() {
    check(&[Defocused], |p, _| blurred(&p, 3));
    check(&[Defocused], |p, _| blurred(&p, 5));
}

#[test]
fn another_view_is_turned_also_when_it_is_a_part_of_the_old_one() {
    let other = Renderer::new(&Scene::demo(Variant::Street, 9), W as u32, H as u32);
    check(&[Turned], |_, t| other.frame(Duration::from_secs(t as u64 % 42)));
    // By a quarter of the picture's width.
    check(&[Turned], |p, _| luma(&p, false, |at, x, y| at((x + W as i32 / 4) % W as i32, y - 12)));
}

#[test]
fn the_same_picture_again_and_again_is_frozen_where_pictures_have_noise() {
    let scene = Renderer::new(&Scene::demo(Variant::Yard, 1), W as u32, H as u32);
    check(&[Frozen], |_, _| scene.frame(Duration::from_secs(17)));
    // A clock is drawn into it.
    check(&[Frozen], |_, t| {
        luma(&scene.frame(Duration::from_secs(17)), false, |at, x, y| {
            if x < 25 && y < 10 { 50.0 + (t % 100) as f32 } else { at(x, y) }
        })
    });
    // Without noise, calm and frozen are the same.
    let mut clean = Scene::demo(Variant::Yard, 1);
    clean.noise = 0;
    let clean = Renderer::new(&clean, W as u32, H as u32);
    let mut camera = Camera::new(1);
    let clean = |_, t: i64| clean.frame(Duration::from_secs((t % 300).min(41) as u64));
    assert_eq!(signs(&camera.show(600, clean)), []);
}

#[test]
fn a_truck_that_stops_before_the_camera_is_no_tampering() {
    // It fills half of the picture and stands for a minute; it has no edges to speak of.
    check(&[], |p, t| luma(&p, false, |at, x, y| if x > 160 { 90.0 + noise(x, y, t) } else { at(x, y) }));
}

#[test]
fn lamps_that_are_switched_off_and_on_are_no_tampering() {
    let dim = |gain: f32, off: f32| {
        move |p: I420, t: i64| {
            luma(&p, false, |at, x, y| 16.0 + (at(x, y) - 16.0) * gain + off + noise(x, y, t))
        }
    };
    check(&[], dim(0.5, 0.0));
    check(&[], dim(0.25, 10.0));
    check(&[], dim(1.4, 5.0));
    // Ten times in a row.
    check(&[], |p, t| if t / 6 % 2 == 0 { dim(0.3, 4.0)(p, t) } else { p });
}

#[test]
fn infrared_light_shows_another_picture_and_is_no_tampering() {
    // Bright in the middle, dark around, and what reflects infrared is turned over.
    let infrared = |p: I420, t: i64| {
        luma(&p, true, |at, x, y| {
            let far = (x as f32 / W as f32 - 0.5).hypot(y as f32 / H as f32 - 0.6);
            16.0 + (240.0 - at(x, y)) * (1.1 - far).max(0.3) + noise(x, y, t)
        })
    };
    for every in [1, 4] {
        let mut camera = Camera::new(every);
        camera.calm();
        let mut said = Vec::new();
        for _ in 0..3 {
            said.extend(camera.show(120, infrared));
            said.extend(camera.show(120, |p, _| p));
        }
        assert_eq!(signs(&said), [], "every {every} s");
        // At night a hand covers the lens all the same.
        camera.show(60, infrared);
        let covered = camera.show(30, |p, t| luma(&p, true, |_, x, y| 190.0 + noise(x, y, t)));
        assert_eq!(signs(&covered), [Covered], "every {every} s");
    }
}

#[test]
fn a_view_that_stays_for_half_an_hour_is_known_from_then_on() {
    let other = Renderer::new(&Scene::demo(Variant::Street, 9), W as u32, H as u32);
    let other = |_, t: i64| other.frame(Duration::from_secs(t as u64 % 42));
    let mut camera = Camera::new(4);
    camera.calm();
    let said = camera.show(1900, other);
    assert_eq!(signs(&said), [Turned]);
    assert_eq!((said[400].sign, said.last().unwrap().doubt), (Some(Turned), None));
    // And so is the old one still.
    camera.calm();
    assert_eq!(signs(&camera.show(60, other)), []);
}

#[test]
fn a_wall_without_anything_on_it_is_never_judged_and_small_pictures_are_not_measured() {
    let mut camera = Camera::new(1);
    let said = camera.show(60, |p, t| luma(&p, false, |_, x, y| 120.0 + noise(x, y, t)));
    assert!(said.iter().all(|r| !r.known && r.doubt.is_none()));
    let small = I420::packed(64, 48, vec![128; 64 * 48 * 3 / 2]).unwrap();
    assert_eq!(camera.meter.look(&small, Wall::from_secs(100)), None);
}

#[test]
fn a_clock_set_back_does_not_stop_the_measuring() {
    let mut camera = Camera::new(1);
    camera.at = 7200;
    camera.calm();
    camera.at = 3600;
    camera.calm();
}

#[test]
fn no_clip_of_the_footage_is_tampered_with() {
    let clips = [
        "empty-room-768x432.mp4",
        "people-detection-768x432.mp4",
        "traffic-640x360.mp4",
        "classroom-480x270.mp4",
        "crowd-faces-800x450.mp4",
        "car-detection.mp4",
        "worker-zone-detection-480x270.mp4",
        "faces-near-640x480.mp4",
        "face-demographics-walking-480x270.mp4",
        "head-pose-face-detection-female-and-male-480x270.mp4",
    ];
    for name in clips {
        let Some(units) = crate::decode::testing::clip(name) else { return };
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        // Little is decoded at a time, but the meter wants minutes: each clip is looked at three times over.
        crate::decode::testing::each_frame(&units, move |frame| {
            let mut kept: std::sync::MutexGuard<'_, Vec<(Wall, I420)>> = kept.lock().unwrap();
            if kept.last().is_none_or(|(then, _)| frame.at.since(*then) >= Duration::from_secs(1)) {
                kept.push((frame.at, copy(&frame.image)));
            }
        });
        let mut meter = ViewMeter::default();
        let pictures = seen.lock().unwrap();
        let mut said = Vec::new();
        for round in 0..5 {
            for (n, (_, picture)) in pictures.iter().enumerate() {
                let at = Wall::from_secs((round * pictures.len() + n) as i64);
                said.extend(meter.look(picture, at));
            }
        }
        let doubts = said.iter().filter(|r| r.doubt.is_some()).count();
        eprintln!(
            "{name}: {} pictures, {doubts} in doubt, known: {}",
            said.len(),
            said.last().unwrap().known
        );
        assert_eq!(signs(&said), [], "{name}");
    }
}

/// The decoder's buffers are few.
fn copy(p: &I420) -> I420 {
    let (w, h) = (p.width as usize, p.height as usize);
    let mut bytes = Vec::with_capacity(w * h * 2);
    for (plane, w, h) in [(0, w, h), (1, w.div_ceil(2), h.div_ceil(2)), (2, w.div_ceil(2), h.div_ceil(2))] {
        let (from, stride) = p.plane(plane);
        (0..h).for_each(|y| bytes.extend_from_slice(&from[y * stride..][..w]));
    }
    I420::packed(p.width, p.height, bytes).unwrap()
}
