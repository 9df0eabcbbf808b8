//! What does not move: ground, wall and a few things that stand about.

use super::Variant;
use super::canvas::{Canvas, Colour};

/// Where the wall meets the ground.
const EDGE: f32 = 0.36;

/// A number from 0 to 1 that belongs to a place (an integer hash; Knuth's multiplicative constant).
fn hash(x: i32, y: i32, seed: u64) -> f32 {
    let mut v =
        (x as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (y as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    v = (v ^ seed).wrapping_mul(0xd6e8_feb8_6659_fd93);
    v ^= v >> 32;
    v = v.wrapping_mul(0xd6e8_feb8_6659_fd93);
    (v >> 40) as f32 / (1u64 << 24) as f32
}

/// Smooth noise: hashes at whole numbers, mixed in between.
fn value_noise(x: f32, y: f32, seed: u64) -> f32 {
    let (ix, iy) = (x.floor(), y.floor());
    let ease = |k: f32| k * k * (3.0 - 2.0 * k);
    let (fx, fy) = (ease(x - ix), ease(y - iy));
    let at = |dx: i32, dy: i32| hash(ix as i32 + dx, iy as i32 + dy, seed);
    let row = |dy: i32| at(0, dy) * (1.0 - fx) + at(1, dy) * fx;
    row(0) * (1.0 - fy) + row(1) * fy
}

pub(super) fn draw(variant: Variant, seed: u64, width: u32, height: u32) -> Canvas {
    let mut canvas = Canvas::new(width, height);
    let (w, h) = (width as f32, height as f32);
    // Each camera has its own daylight.
    let warm = hash(1, 1, seed) * 24.0 - 12.0;
    let light = 0.85 + 0.3 * hash(2, 2, seed);
    let ground = match variant {
        Variant::Yard => Colour(136.0, 128.0, 116.0),
        Variant::Street => Colour(92.0, 94.0, 98.0),
        Variant::Gate => Colour(118.0, 122.0, 112.0),
    };
    let wall = match variant {
        Variant::Yard => Colour(168.0, 120.0, 98.0),
        Variant::Street => Colour(150.0, 158.0, 168.0),
        Variant::Gate => Colour(150.0, 142.0, 122.0),
    };
    canvas.paint(|x, y| {
        let (nx, ny) = (x / w, y / h);
        let grain = hash((nx * 640.0) as i32, (ny * 360.0) as i32, seed) - 0.5;
        let colour = if ny < EDGE { bricks(wall, nx, ny, seed) } else { soil(ground, nx, ny, seed) };
        let c = colour.times(light * (1.0 + 0.06 * grain));
        Colour(c.0 + warm, c.1, c.2 - warm)
    });
    furniture(&mut canvas, variant, w, h);
    canvas
}

fn bricks(wall: Colour, x: f32, y: f32, seed: u64) -> Colour {
    let row = (y / 0.022).floor();
    let shift = if row as i32 % 2 == 0 { 0.0 } else { 0.5 };
    let column = x / 0.032 + shift;
    let joint = y / 0.022 - row < 0.12 || column.fract() < 0.06;
    let tone = 0.92 + 0.16 * hash(column as i32, row as i32, seed ^ 5);
    if joint { wall.times(0.78) } else { wall.times(tone) }
}

fn soil(ground: Colour, x: f32, y: f32, seed: u64) -> Colour {
    // Texture gets finer with distance.
    let scale = 7.0 / (y - EDGE + 0.12);
    let coarse = value_noise(x * scale * 1.8, y * scale * 3.0, seed ^ 1);
    let fine = value_noise(x * scale * 9.0, y * scale * 15.0, seed ^ 2);
    ground.times(0.82 + 0.2 * coarse + 0.12 * fine)
}

fn furniture(canvas: &mut Canvas, variant: Variant, w: f32, h: f32) {
    let p = |x: f32, y: f32| (x * w, y * h);
    match variant {
        Variant::Yard => {
            canvas.rect(p(0.7, 0.1), p(0.8, EDGE), Colour(70.0, 52.0, 40.0));
            canvas.rect(p(0.715, 0.13), p(0.785, 0.22), Colour(110.0, 130.0, 140.0));
            canvas.rect(p(0.2, 0.12), p(0.34, 0.25), Colour(105.0, 125.0, 140.0));
            canvas.rect(p(0.52, 0.33), p(0.56, 0.43), Colour(48.0, 88.0, 58.0));
        }
        Variant::Street => {
            canvas.rect(p(0.0, 0.4), p(1.0, 0.425), Colour(168.0, 166.0, 160.0));
            for i in 0..6 {
                let x = 0.04 + 0.17 * i as f32;
                canvas.rect(p(x, 0.7), p(x + 0.08, 0.712), Colour(215.0, 212.0, 200.0));
            }
            canvas.rect(p(0.86, 0.02), p(0.872, 0.42), Colour(58.0, 60.0, 62.0));
            canvas.ellipse(p(0.866, 0.04), (0.02 * w, 0.015 * h), Colour(235.0, 230.0, 205.0));
        }
        Variant::Gate => {
            canvas.rect(p(0.34, 0.06), p(0.66, EDGE), Colour(88.0, 92.0, 98.0));
            for i in 0..9 {
                let x = 0.355 + 0.034 * i as f32;
                canvas.rect(p(x, 0.09), p(x + 0.008, EDGE), Colour(52.0, 54.0, 58.0));
            }
            canvas.rect(p(0.31, 0.02), p(0.34, 0.4), Colour(172.0, 168.0, 160.0));
            canvas.rect(p(0.66, 0.02), p(0.69, 0.4), Colour(172.0, 168.0, 160.0));
        }
    }
}
