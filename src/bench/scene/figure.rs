//! People and vehicles: where they are, how large, and what they look like.

use std::f32::consts::TAU;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::canvas::{Canvas, Colour, Px};
use super::path::{Path, person_height};
use crate::infer::Class;
use crate::media::{BBox, Point};

/// Half the width of a person's box in heights of the person.
const PERSON_HALF: f32 = 0.145;
/// Height of a vehicle in heights of a person at the same place; half its length likewise.
const VEHICLE_HEIGHT: f32 = 0.8;
const VEHICLE_HALF: f32 = 0.98;

const SKINS: [Colour; 4] = [
    Colour(233.0, 190.0, 160.0),
    Colour(205.0, 150.0, 115.0),
    Colour(150.0, 100.0, 70.0),
    Colour(95.0, 62.0, 45.0),
];
const HAIRS: [Colour; 4] = [
    Colour(30.0, 24.0, 22.0),
    Colour(70.0, 45.0, 30.0),
    Colour(170.0, 135.0, 80.0),
    Colour(125.0, 125.0, 128.0),
];
const TOPS: [Colour; 6] = [
    Colour(190.0, 40.0, 45.0),
    Colour(35.0, 75.0, 165.0),
    Colour(235.0, 235.0, 230.0),
    Colour(225.0, 180.0, 40.0),
    Colour(30.0, 35.0, 40.0),
    Colour(50.0, 130.0, 80.0),
];
const TROUSERS: [Colour; 4] =
    [Colour(35.0, 45.0, 80.0), Colour(40.0, 38.0, 40.0), Colour(95.0, 80.0, 60.0), Colour(60.0, 62.0, 66.0)];
const BODIES: [Colour; 5] = [
    Colour(170.0, 30.0, 35.0),
    Colour(225.0, 225.0, 228.0),
    Colour(30.0, 60.0, 120.0),
    Colour(35.0, 35.0, 38.0),
    Colour(215.0, 165.0, 40.0),
];

#[derive(Clone, Debug)]
enum Looks {
    Person { skin: Colour, hair: Colour, top: Colour, trousers: Colour },
    Vehicle { body: Colour },
}

#[derive(Clone, Debug)]
pub(super) struct Figure {
    path: Path,
    looks: Looks,
}

fn any<T: Copy>(of: &[T], rng: &mut StdRng) -> T {
    *of.choose(rng).expect("the tables are not empty")
}

impl Figure {
    pub fn person(rng: &mut StdRng, path: Path) -> Self {
        let looks = Looks::Person {
            skin: any(&SKINS, rng),
            hair: any(&HAIRS, rng),
            top: any(&TOPS, rng),
            trousers: any(&TROUSERS, rng),
        };
        Figure { path, looks }
    }

    pub fn vehicle(rng: &mut StdRng, path: Path) -> Self {
        let body = any(&BODIES, rng).times(rng.random_range(0.9..1.1));
        Figure { path, looks: Looks::Vehicle { body } }
    }

    pub fn class(&self) -> Class {
        match self.looks {
            Looks::Person { .. } => Class::Person,
            Looks::Vehicle { .. } => Class::Vehicle,
        }
    }

    /// The figure's box; its foot is the way's point. `None` while it is not there.
    pub fn bbox(&self, t: Duration) -> Option<BBox> {
        let Point { x, y } = self.path.foot(t)?;
        let unit = person_height(y);
        let (half, height) = match self.looks {
            Looks::Person { .. } => (PERSON_HALF * unit, unit),
            Looks::Vehicle { .. } => (VEHICLE_HALF * unit, VEHICLE_HEIGHT * unit),
        };
        let half = half / super::ASPECT;
        Some(BBox::new(x - half, y - height, x + half, y))
    }

    /// Foot's y, by which nearer figures cover those behind.
    pub fn depth(&self, t: Duration) -> Option<f32> {
        self.path.foot(t).map(|p| p.y)
    }

    pub fn draw(&self, t: Duration, canvas: &mut Canvas) {
        let Some(foot) = self.path.foot(t) else { return };
        let h = person_height(foot.y) * canvas.height as f32;
        let at = (foot.x * canvas.width as f32, foot.y * canvas.height as f32);
        let going = self.path.velocity(t);
        match &self.looks {
            Looks::Person { skin, hair, top, trousers } => {
                let strides = self.path.strides(t);
                let walks = going.x.abs() + going.y.abs() > 0.0;
                let gait = if walks {
                    Gait { swing: (strides * TAU / 0.8).sin(), arms: (strides * TAU / 0.8).sin() }
                } else {
                    // Who waits moves the arms, as people do.
                    Gait { swing: 0.12, arms: (t.as_secs_f32() * 2.0).sin() * 0.8 }
                };
                // Seen from the side the legs spread more than seen from the front.
                let spread = 0.35 + 0.65 * going.x.abs() / (going.x.abs() + going.y.abs()).max(1e-6);
                person(canvas, at, h, &gait, spread, (*skin, *hair, *top, *trousers));
            }
            Looks::Vehicle { body } => {
                let way = (foot.x * super::ASPECT) / person_height(foot.y);
                vehicle(canvas, at, h, going.x < 0.0, way, *body);
            }
        }
    }
}

struct Gait {
    /// -1 to 1.
    swing: f32,
    arms: f32,
}

/// A person of height `h` pixels whose foot is at `at`.
fn person(
    canvas: &mut Canvas,
    at: Px,
    h: f32,
    gait: &Gait,
    spread: f32,
    (skin, hair, top, trousers): (Colour, Colour, Colour, Colour),
) {
    let place = |x: f32, y: f32| (at.0 + x * h, at.1 - y * h);
    let shoes = Colour(25.0, 22.0, 22.0);
    let leg = |canvas: &mut Canvas, s: f32, dark: f32| {
        let foot_x = 0.13 * s * spread + 0.03 * s.signum() * (1.0 - spread);
        // The leg that swings forward is lifted a little and bends at the knee.
        let lift = 0.03 * (1.0 - s.abs()) * spread;
        let knee = place(foot_x * 0.55 + 0.02 * spread, 0.27);
        canvas.limb(place(0.0, 0.5), knee, 0.06 * h, 0.048 * h, trousers.times(dark));
        canvas.limb(knee, place(foot_x, 0.05 + lift), 0.046 * h, 0.034 * h, trousers.times(dark));
        canvas.limb(
            place(foot_x - 0.02, 0.022 + lift),
            place(foot_x + 0.03, 0.022 + lift),
            0.022 * h,
            0.02 * h,
            shoes,
        );
    };
    let arm = |canvas: &mut Canvas, s: f32, dark: f32| {
        let elbow = place(0.07 * s * spread + 0.03 * s, 0.63);
        let hand = place(0.13 * s * spread, 0.49);
        canvas.limb(place(0.02 * s, 0.79), elbow, 0.036 * h, 0.03 * h, top.times(dark));
        canvas.limb(elbow, hand, 0.029 * h, 0.024 * h, top.times(dark));
        canvas.ellipse(hand, (0.025 * h, 0.028 * h), skin);
    };
    let swing = if gait.swing.abs() < 0.02 { 0.02 } else { gait.swing };
    arm(canvas, -gait.arms, 0.75);
    leg(canvas, -swing, 0.8);
    leg(canvas, swing, 1.0);
    canvas.limb(place(0.0, 0.77), place(0.0, 0.53), 0.095 * h, 0.08 * h, top);
    arm(canvas, gait.arms, 0.9);
    canvas.limb(place(0.0, 0.88), place(0.0, 0.82), 0.032 * h, 0.036 * h, skin.times(0.9));
    canvas.ellipse(place(0.0, 0.925), (0.056 * h, 0.072 * h), hair);
    canvas.ellipse(place(0.0, 0.912), (0.047 * h, 0.056 * h), skin);
}

/// A vehicle where a person would be `h` pixels high; `way` turns its wheels.
fn vehicle(canvas: &mut Canvas, at: Px, h: f32, to_left: bool, way: f32, body: Colour) {
    let flip = if to_left { -1.0 } else { 1.0 };
    let place = |x: f32, y: f32| (at.0 + x * flip * h, at.1 - y * h);
    // Corners are given for a vehicle that goes right; the other way round their order turns.
    let shape = |canvas: &mut Canvas, corners: &[Px], colour: Colour| {
        let mut corners: Vec<Px> = corners.iter().map(|&(x, y)| place(x, y)).collect();
        if to_left {
            corners.reverse();
        }
        canvas.polygon(&corners, colour);
    };
    let (glass, dark) = (Colour(95.0, 120.0, 135.0), Colour(22.0, 22.0, 24.0));
    shape(canvas, &[(-0.66, 0.8), (0.3, 0.8), (0.58, 0.5), (-0.78, 0.5)], body.times(0.92));
    shape(canvas, &[(-0.6, 0.75), (-0.18, 0.75), (-0.18, 0.52), (-0.68, 0.52)], glass);
    shape(canvas, &[(-0.12, 0.75), (0.27, 0.75), (0.48, 0.52), (-0.12, 0.52)], glass);
    shape(
        canvas,
        &[(-0.96, 0.52), (0.8, 0.52), (0.98, 0.42), (0.98, 0.16), (-0.98, 0.16), (-0.98, 0.42)],
        body,
    );
    shape(canvas, &[(-0.9, 0.2), (0.9, 0.2), (0.9, 0.1), (-0.9, 0.1)], dark);
    shape(canvas, &[(0.9, 0.42), (0.98, 0.4), (0.98, 0.32), (0.9, 0.32)], Colour(250.0, 245.0, 200.0));
    shape(canvas, &[(-0.98, 0.44), (-0.92, 0.44), (-0.92, 0.32), (-0.98, 0.32)], Colour(190.0, 30.0, 30.0));
    for x in [-0.6, 0.6] {
        let hub = place(x, 0.17);
        canvas.ellipse(hub, (0.17 * h, 0.17 * h), dark);
        canvas.ellipse(hub, (0.09 * h, 0.09 * h), Colour(160.0, 160.0, 165.0));
        let angle = way / 0.17;
        let rim = (hub.0 + angle.cos() * 0.06 * h, hub.1 + angle.sin() * 0.06 * h);
        canvas.ellipse(rim, (0.025 * h, 0.025 * h), dark);
    }
}
