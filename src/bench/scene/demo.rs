//! The demo scenes, and the lines and zones that the demo site and the tests draw into them.

use std::str::FromStr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::Scene;
use super::figure::Figure;
use super::path::Path;
use crate::media::{Point, Polygon};

/// Length of a round.
pub const ROUND: Duration = Duration::from_secs(40);

/// Yard: from left to right, so that `to_right` is towards the camera.
pub const YARD_LINE: (Point, Point) = (Point::new(0.08, 0.62), Point::new(0.92, 0.62));
/// Yard: in front of the door. Somebody waits here for about ten seconds.
pub const YARD_ZONE: [Point; 4] =
    [Point::new(0.62, 0.68), Point::new(0.92, 0.68), Point::new(0.96, 0.94), Point::new(0.58, 0.94)];
/// Street: across both lanes from top to bottom, so that `to_left` is rightwards in the picture.
pub const STREET_LINE: (Point, Point) = (Point::new(0.5, 0.45), Point::new(0.5, 0.97));
/// Street: no parking on the near lane. One vehicle passes, one stops for some seconds.
pub const STREET_ZONE: [Point; 4] =
    [Point::new(0.14, 0.76), Point::new(0.44, 0.76), Point::new(0.44, 0.96), Point::new(0.1, 0.96)];
/// Gate: from left to right below the gate; `to_right` is outwards.
pub const GATE_LINE: (Point, Point) = (Point::new(0.28, 0.6), Point::new(0.74, 0.6));
/// Gate: the drive in front of it.
pub const GATE_ZONE: [Point; 4] =
    [Point::new(0.32, 0.72), Point::new(0.7, 0.72), Point::new(0.76, 0.94), Point::new(0.26, 0.94)];

/// Which demo scene.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Variant {
    /// People.
    Yard,
    /// Vehicles.
    Street,
    /// Both.
    Gate,
}

impl Variant {
    pub const ALL: [Variant; 3] = [Variant::Yard, Variant::Street, Variant::Gate];

    pub fn as_str(self) -> &'static str {
        match self {
            Variant::Yard => "yard",
            Variant::Street => "street",
            Variant::Gate => "gate",
        }
    }

    pub fn line(self) -> (Point, Point) {
        match self {
            Variant::Yard => YARD_LINE,
            Variant::Street => STREET_LINE,
            Variant::Gate => GATE_LINE,
        }
    }

    pub fn zone(self) -> Polygon {
        let corners = match self {
            Variant::Yard => YARD_ZONE,
            Variant::Street => STREET_ZONE,
            Variant::Gate => GATE_ZONE,
        };
        Polygon::new(corners.to_vec()).expect("the demo zones are polygons")
    }
}

impl FromStr for Variant {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Variant::ALL
            .into_iter()
            .find(|v| v.as_str() == s)
            .ok_or_else(|| format!("'{s}' is not a scene: use yard, street or gate"))
    }
}

impl Scene {
    /// A demo scene. The seed sets looks, light and noise and moves each figure in time by up to
    /// 0.3 s; who crosses what in which order is the same for all seeds.
    pub fn demo(variant: Variant, seed: u64) -> Scene {
        let mut rng = StdRng::seed_from_u64(seed);
        let figures = match variant {
            Variant::Yard => yard(&mut rng),
            Variant::Street => street(&mut rng),
            Variant::Gate => gate(&mut rng),
        };
        Scene { variant, seed, duration: ROUND, noise: 2, figures }
    }
}

/// Waypoints as seconds, x and y of the foot.
type Way<'a> = &'a [(f32, f32, f32)];

fn moved(rng: &mut StdRng, way: Way) -> Path {
    let late = rng.random_range(-0.3..0.3f32);
    Path::new(&way.iter().map(|&(t, x, y)| (t + late, x, y)).collect::<Vec<_>>())
}

fn person(rng: &mut StdRng, way: Way) -> Figure {
    let path = moved(rng, way);
    Figure::person(rng, path)
}

fn vehicle(rng: &mut StdRng, way: Way) -> Figure {
    let path = moved(rng, way);
    Figure::vehicle(rng, path)
}

fn yard(rng: &mut StdRng) -> Vec<Figure> {
    vec![
        person(rng, &[(2.5, -0.1, 0.5), (6.0, 0.34, 0.52), (9.0, 0.42, 0.82), (12.5, -0.12, 0.88)]),
        person(rng, &[(15.0, 1.12, 0.86), (18.0, 0.78, 0.8), (26.0, 0.779, 0.8), (28.5, 1.12, 0.82)]),
        person(rng, &[(31.0, -0.12, 0.86), (33.5, 0.3, 0.82), (36.0, 0.4, 0.52), (39.0, -0.08, 0.48)]),
    ]
}

fn street(rng: &mut StdRng) -> Vec<Figure> {
    vec![
        vehicle(rng, &[(2.5, -0.2, 0.62), (7.0, 1.2, 0.62)]),
        vehicle(rng, &[(10.0, 1.3, 0.88), (14.5, -0.3, 0.88)]),
        vehicle(rng, &[(18.0, 1.3, 0.88), (21.5, 0.29, 0.88), (27.5, 0.2899, 0.88), (30.0, -0.3, 0.88)]),
        vehicle(rng, &[(33.5, -0.2, 0.62), (37.5, 1.2, 0.62)]),
    ]
}

fn gate(rng: &mut StdRng) -> Vec<Figure> {
    vec![
        person(rng, &[(2.5, -0.1, 0.5), (6.0, 0.45, 0.52), (9.0, 0.52, 0.84), (12.5, 1.12, 0.88)]),
        vehicle(rng, &[(15.0, -0.3, 0.86), (18.0, 0.5, 0.86), (22.0, 0.5001, 0.86), (25.0, 1.3, 0.86)]),
        person(rng, &[(28.0, 1.12, 0.86), (32.0, 0.55, 0.82), (35.0, 0.46, 0.52), (38.5, -0.1, 0.48)]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::scene::Renderer;
    use crate::infer::Class;
    use crate::media::BBox;
    use crate::rules::spec::{Anchor, Direction};

    const SIZE: (u32, u32) = (384, 216);
    const FPS: u32 = 8;

    fn at(frame: u32) -> Duration {
        Duration::from_secs(1) * frame / FPS
    }

    /// The box around what differs from the empty picture, found in the pixels alone.
    fn moving_box(empty: &[u8], now: &[u8]) -> Option<BBox> {
        let (w, h) = (SIZE.0 as usize, SIZE.1 as usize);
        let differs = |x: usize, y: usize| empty[y * w + x].abs_diff(now[y * w + x]) > 10;
        let busy = |n: usize| n >= 2;
        let columns: Vec<_> = (0..w).filter(|&x| busy((0..h).filter(|&y| differs(x, y)).count())).collect();
        let rows: Vec<_> = (0..h).filter(|&y| busy((0..w).filter(|&x| differs(x, y)).count())).collect();
        let (x1, x2, y1, y2) = (*columns.first()?, *columns.last()? + 1, *rows.first()?, *rows.last()? + 1);
        let (w, h) = (w as f32, h as f32);
        Some(BBox::new(x1 as f32 / w, y1 as f32 / h, x2 as f32 / w, y2 as f32 / h))
    }

    /// Pixels and truth say the same about where the figures are and when they cross the line.
    fn check(variant: Variant) {
        let scene = Scene::demo(variant, 11);
        let (truth, renderer) = (scene.truth(), Renderer::new(&scene, SIZE.0, SIZE.1));
        let empty = renderer.frame(Duration::ZERO);
        let (a, b) = variant.line();
        let (mut feet, mut ious) = (Vec::new(), Vec::new());
        for frame in 0..ROUND.as_secs() as u32 * FPS {
            let seen = moving_box(empty.luma().0, renderer.frame(at(frame)).luma().0);
            let figures = truth.figures(at(frame));
            let [figure] = figures[..] else {
                assert!(figures.is_empty() && seen.is_none(), "{:?}: {seen:?}, truth {figures:?}", at(frame));
                feet.push(None);
                continue;
            };
            // At the picture's edge figures are cut off, and so are their feet.
            let whole = figure.bbox.clamped() == figure.bbox;
            if let (true, Some(seen)) = (whole, seen) {
                ious.push(seen.iou(&figure.bbox));
            }
            feet.push(seen.filter(|_| whole).map(|s| s.foot()));
        }
        ious.sort_by(f32::total_cmp);
        let (worst, middle) = (ious[ious.len() / 20], ious[ious.len() / 2]);
        assert!(worst > 0.5 && middle > 0.7, "overlap {worst}, in the middle {middle}");

        let mut crossings = Vec::new();
        for (i, pair) in feet.windows(2).enumerate() {
            let (Some(from), Some(to)) = (pair[0], pair[1]) else { continue };
            use crate::media::geometry::{Side, segments_meet, side};
            if segments_meet(a, b, from, to) && side(a, b, from) != side(a, b, to) {
                let left = side(a, b, to) == Side::Left;
                crossings.push((at(i as u32), if left { Direction::ToLeft } else { Direction::ToRight }));
            }
        }
        let expected = truth.crossings(a, b, Anchor::Foot);
        assert_eq!(crossings.len(), expected.len(), "{crossings:?}, truth {expected:?}");
        for ((at, direction), truth) in crossings.iter().zip(&expected) {
            assert_eq!(*direction, truth.direction);
            assert!(at.abs_diff(truth.at) < Duration::from_millis(400), "{at:?}, truth {truth:?}");
        }
    }

    #[test]
    fn people_in_the_yard_are_where_the_truth_says() {
        check(Variant::Yard);
    }

    #[test]
    fn vehicles_in_the_street_are_where_the_truth_says() {
        check(Variant::Street);
    }

    #[test]
    fn people_and_vehicles_at_the_gate_are_where_the_truth_says() {
        check(Variant::Gate);
    }

    #[test]
    fn who_crosses_what_is_the_same_for_all_seeds() {
        use Direction::{ToLeft, ToRight};
        for seed in 0..20 {
            let crossings = |v: Variant| {
                let (a, b) = v.line();
                let found = Scene::demo(v, seed).truth().crossings(a, b, Anchor::Foot);
                found.iter().map(|c| (c.class, c.direction)).collect::<Vec<_>>()
            };
            let (p, v) = (Class::Person, Class::Vehicle);
            assert_eq!(crossings(Variant::Yard), [(p, ToRight), (p, ToLeft)]);
            assert_eq!(crossings(Variant::Street), [(v, ToLeft), (v, ToRight), (v, ToRight), (v, ToLeft)]);
            assert_eq!(crossings(Variant::Gate), [(p, ToRight), (p, ToLeft)]);

            let stays = |v: Variant| {
                Scene::demo(v, seed)
                    .truth()
                    .occupancy(&v.zone(), Anchor::Foot)
                    .iter()
                    .map(|s| ((s.to - s.from).as_secs_f32(), s.class))
                    .collect::<Vec<_>>()
            };
            let long = stays(Variant::Yard);
            assert!(matches!(long[..], [(t, Class::Person)] if t > 9.0 && t < 13.0), "{long:?}");
            assert_eq!(stays(Variant::Street).iter().filter(|s| s.0 > 5.0).count(), 1);
            assert_eq!(stays(Variant::Gate).len(), 3);
        }
    }

    #[test]
    fn rounds_join_in_an_empty_picture_and_figures_leave_pauses() {
        for variant in Variant::ALL {
            for seed in 0..20 {
                let frames = Scene::demo(variant, seed).truth().frames(10);
                assert!(frames[..15].iter().chain(&frames[395..]).all(Vec::is_empty), "{variant:?} {seed}");
                assert!(frames.iter().all(|f| f.len() <= 1), "one at a time in {variant:?}");
                let pauses = frames.windows(2).filter(|w| !w[0].is_empty() && w[1].is_empty()).count();
                assert!(pauses >= 3);
            }
        }
    }

    #[test]
    fn a_seed_gives_the_same_pixels_and_another_seed_others() {
        let picture = |seed| {
            let image =
                Renderer::new(&Scene::demo(Variant::Gate, seed), 64, 36).frame(Duration::from_secs(6));
            image.luma().0.to_vec()
        };
        assert!(picture(1) == picture(1) && picture(1) != picture(2));
    }
}
