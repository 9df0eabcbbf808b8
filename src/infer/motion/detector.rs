//! One camera's motion detector.

use std::time::Duration;

use super::background::{Background, Mark};
use super::blocks::{Grid, means};
use super::regions::regions;
use crate::base::Wall;
use crate::infer::detection::{Class, Detection};
use crate::media::I420;

/// Nothing is reported before the background is known.
const LEARNING: Duration = Duration::from_secs(1);
const LEARNING_PICTURES: u32 = 3;
/// A longer pause tells no more than this one, seconds.
const LONGEST_STEP: f32 = 10.0;
/// So much foreground at once, after so little, is another view and not motion.
const OTHER_VIEW: f32 = 0.7;
const SAME_VIEW: f32 = 0.35;

#[derive(Clone, PartialEq, Debug)]
pub struct MotionSettings {
    /// Smaller things are left out; part of the picture's area.
    pub least_area: f32,
    /// Least difference of a block's mean luma that counts, grey levels.
    pub least_difference: f32,
    /// What stands still this long becomes background.
    pub blend_after: Duration,
}

impl Default for MotionSettings {
    fn default() -> Self {
        MotionSettings { least_area: 0.002, least_difference: 6.0, blend_after: Duration::from_secs(30) }
    }
}

/// Finds what moves in the pictures of one camera, at any rate from 1 to 25 per second.
#[derive(Debug)]
pub struct MotionDetector {
    settings: MotionSettings,
    view: Option<View>,
    sums: Vec<u16>,
    means: Vec<f32>,
    marks: Vec<Mark>,
}

/// What is known of the present view.
#[derive(Debug)]
struct View {
    grid: Grid,
    background: Background,
    began: Wall,
    last: Wall,
    pictures: u32,
    /// Part of the blocks that were foreground in the last picture.
    foreground: f32,
}

impl MotionDetector {
    pub fn new(settings: MotionSettings) -> Self {
        MotionDetector { settings, view: None, sums: Vec::new(), means: Vec::new(), marks: Vec::new() }
    }

    /// Boxes of [`Class::Motion`] in this picture, taken at `at`. The score is higher the more of
    /// the box differs from the background, 0.5 to 1.
    pub fn look(&mut self, picture: &I420, at: Wall) -> Vec<Detection> {
        let grid = Grid::of(picture);
        means(grid, picture, &mut self.sums, &mut self.means);
        let Some(view) = self.view.as_mut().filter(|v| v.grid == grid) else {
            self.begin(grid, at);
            return Vec::new();
        };
        let dt = (at.since(view.last).as_secs_f32()).min(LONGEST_STEP);
        view.last = view.last.max(at);
        view.pictures += 1;
        if at.since(view.began) < LEARNING || view.pictures <= LEARNING_PICTURES {
            view.background.learn(&self.means, dt);
            return Vec::new();
        }
        view.background.compare(&self.means, dt, &mut self.marks);
        let marked = self.marks.iter().filter(|m| **m != Mark::Quiet).count();
        let foreground = marked as f32 / grid.len() as f32;
        if foreground > OTHER_VIEW && view.foreground < SAME_VIEW {
            self.begin(grid, at);
            return Vec::new();
        }
        view.foreground = foreground;
        let least = (self.settings.least_area * grid.len() as f32).ceil() as usize;
        regions(grid, &self.marks, least)
            .into_iter()
            .map(|r| Detection {
                class: Class::Motion,
                bbox: r.bbox,
                score: 0.5 + 0.5 * r.filled.min(1.0),
                landmarks: None,
            })
            .collect()
    }

    /// Division and block means of the picture that was looked at last, and since when the view has been
    /// the same; `None` while that is being learnt.
    pub(super) fn picture(&self) -> Option<(Grid, Wall, &[f32])> {
        let view = self.view.as_ref()?;
        let learnt = view.pictures > LEARNING_PICTURES && view.last.since(view.began) >= LEARNING;
        learnt.then_some((view.grid, view.began, self.means.as_slice()))
    }

    fn begin(&mut self, grid: Grid, at: Wall) {
        let MotionSettings { least_difference, blend_after, .. } = self.settings;
        self.view = Some(View {
            grid,
            background: Background::new(&self.means, least_difference, blend_after.as_secs_f32()),
            began: at,
            last: at,
            pictures: 1,
            foreground: 0.0,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::infer::testing::shared;
    use crate::media::{BBox, Point};

    const W: usize = 320;
    const H: usize = 192;

    /// A textured background with some noise, lit by `gain` and `offset`, and a box in front.
    fn picture(n: u32, gain: f32, offset: f32, thing: Option<(usize, usize)>) -> I420 {
        let mut seed = n.wrapping_mul(2_654_435_761) | 1;
        let mut bytes = vec![128u8; W * H * 3 / 2];
        for (i, pixel) in bytes[..W * H].iter_mut().enumerate() {
            let (x, y) = (i % W, i / W);
            let ground = 60.0 + (x / 16 * 37 % 80) as f32 + (y / 16 * 53 % 40) as f32;
            let inside =
                thing.is_some_and(|(tx, ty)| (tx..tx + 30).contains(&x) && (ty..ty + 60).contains(&y));
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            let noise = (seed % 9) as f32 - 4.0;
            let luma = if inside { 220.0 } else { ground };
            *pixel = (luma * gain + offset + noise).clamp(0.0, 255.0) as u8;
        }
        I420::packed(W as u32, H as u32, bytes).unwrap()
    }

    /// Pictures at `fps`; `scene(t)`: gain, offset and thing at second `t`. Returns what is seen
    /// at each time.
    type Scene = (f32, f32, Option<(usize, usize)>);
    fn watch(fps: u32, seconds: u32, scene: impl Fn(f32) -> Scene) -> Vec<(f32, Vec<BBox>)> {
        let mut detector = MotionDetector::new(MotionSettings::default());
        (0..fps * seconds)
            .map(|n| {
                let t = n as f32 / fps as f32;
                let (gain, offset, thing) = scene(t);
                let at = Wall(n as i64 * 1_000_000 / i64::from(fps));
                let found = detector.look(&picture(n, gain, offset, thing), at);
                (t, found.iter().map(|d| d.bbox).collect())
            })
            .collect()
    }

    #[test]
    fn a_moving_thing_is_boxed_tightly_at_any_rate() {
        let place = |t: f32| ((t * 12.0) as usize + 10, 80);
        for fps in [1, 5, 25] {
            for (t, seen) in watch(fps, 20, |t| (1.0, 0.0, (t >= 5.0).then(|| place(t)))) {
                if t < 5.0 {
                    assert_eq!(seen, [], "{fps} fps, {t} s");
                    continue;
                }
                let (x, y) = place(t);
                let (w, h) = (W as f32, H as f32);
                let want = BBox::new(x as f32 / w, y as f32 / h, (x + 30) as f32 / w, (y + 60) as f32 / h);
                assert!(seen.len() == 1 && seen[0].iou(&want) > 0.6, "{fps} fps, {t} s: {seen:?}, {want:?}");
            }
        }
    }

    #[test]
    fn light_changes_are_not_motion() {
        // A lamp at 5 s, a darker exposure at 8 s, a flash from 12.0 to 12.2 s.
        let light = |t: f32| match t {
            t if t < 5.0 => (1.0, 0.0, None),
            t if t < 8.0 => (1.0, 25.0, None),
            t if (12.0..12.2).contains(&t) => (1.1, 60.0, None),
            _ => (0.7, 10.0, None),
        };
        for fps in [2, 10] {
            for (t, seen) in watch(fps, 15, light) {
                assert_eq!(seen, [], "{fps} fps, {t} s");
            }
        }
    }

    #[test]
    fn what_stands_still_blends_in_late_and_leaves_no_ghost_when_it_goes_early() {
        let here = Some((100, 80));
        let seen = watch(5, 60, |t| (1.0, 0.0, if t >= 3.0 { here } else { None }));
        assert!(
            seen.iter()
                .all(|(t, s)| s.len() == usize::from((3.0..33.0).contains(t)) || (33.0..34.0).contains(t))
        );
        let seen = watch(5, 40, |t| (1.0, 0.0, if (3.0..20.0).contains(&t) { here } else { None }));
        assert!(seen.iter().all(|(t, s)| s.len() == usize::from((3.0..20.0).contains(t))));
    }

    #[test]
    fn who_was_there_while_the_background_was_learnt_leaves_no_ghost_in_a_busy_place() {
        let here = (100, 80);
        let passes = |t: f32| (t % 12.0 < 1.0).then_some((here.0 + 15, here.1 + 10));
        let scene = |t: f32| (1.0, 0.0, if t < 3.0 { Some(here) } else { passes(t) });
        for fps in [2, 6] {
            for (t, seen) in watch(fps, 60, scene) {
                let empty = (49.5..59.5).contains(&t);
                assert!(!empty || seen.is_empty(), "{fps} fps, {t} s: {seen:?}");
            }
        }
    }

    #[test]
    fn another_view_is_learnt_and_not_reported() {
        let mut detector = MotionDetector::new(MotionSettings::default());
        for n in 0..60 {
            let mut view = picture(n, 1.0, 0.0, None);
            if n >= 30 {
                // Turned upside down.
                let mut bytes = vec![128u8; W * H * 3 / 2];
                let (luma, _) = view.luma();
                bytes[..W * H].copy_from_slice(&luma[..W * H]);
                bytes[..W * H].reverse();
                bytes[..W * H].iter_mut().for_each(|v| *v = (250 - u32::from(*v)) as u8);
                view = I420::packed(W as u32, H as u32, bytes).unwrap();
            }
            let seen = detector.look(&view, Wall(i64::from(n) * 100_000));
            assert_eq!(seen, [], "picture {n}");
        }
    }

    /// Motion boxes of a shared clip, by picture number.
    fn clip(name: &str) -> Option<Vec<Vec<BBox>>> {
        shared()?;
        let units = crate::decode::testing::clip(name)?;
        let seen = Arc::new(Mutex::new((MotionDetector::new(MotionSettings::default()), Vec::new())));
        let look = seen.clone();
        crate::decode::testing::each_frame(&units, move |frame| {
            let (detector, seen) = &mut *look.lock().unwrap();
            seen.push(detector.look(&frame.image, frame.at).iter().map(|d| d.bbox).collect::<Vec<_>>());
        });
        Some(std::mem::take(&mut seen.lock().unwrap().1))
    }

    #[test]
    fn nothing_moves_in_the_empty_room() {
        let Some(seen) = clip("empty-room-768x432.mp4") else { return };
        for (i, boxes) in seen.iter().enumerate() {
            assert_eq!(boxes, &[], "picture {i}");
        }
    }

    #[test]
    fn walking_people_lie_in_motion_boxes_and_nothing_else_moves() {
        let Some(seen) = clip("people-detection-768x432.mp4") else { return };
        let tracks =
            std::fs::read_to_string(shared().unwrap().join("truth/people-detection.tracks.txt")).unwrap();
        let mut people: Vec<Vec<BBox>> = vec![Vec::new(); seen.len()];
        for line in tracks.lines() {
            let v: Vec<f32> = line.split(',').map(|f| f.trim().parse().unwrap()).collect();
            let b = BBox::new(v[2] / 768.0, v[3] / 432.0, (v[2] + v[4]) / 768.0, (v[3] + v[5]) / 432.0);
            people[v[0] as usize - 1].push(b);
        }
        // Nobody is in the room then (truth/events.json, with half a second to spare).
        let nobody = |i: usize| [85..170, 260..327, 420..510].iter().any(|r| r.contains(&i));
        let (mut covered, mut of, mut feet, mut stray) = (0, 0, 0, 0);
        for (i, (boxes, people)) in seen.iter().zip(&people).enumerate() {
            let holds = |b: &BBox, p: Point| b.x1 <= p.x && p.x <= b.x2 && b.y1 <= p.y && p.y <= b.y2;
            for p in people {
                of += 1;
                let near = boxes.iter().find(|b| holds(b, p.center()));
                covered += usize::from(near.is_some());
                feet += usize::from(near.is_some_and(|b| (b.y2 - p.y2).abs() < 0.08));
            }
            stray += usize::from(nobody(i) && !boxes.is_empty());
        }
        eprintln!(
            "{covered} of {of} people in a box, {feet} with the feet right, {stray} pictures with stray boxes"
        );
        assert!(covered * 100 >= of * 95 && feet * 100 >= of * 70, "{covered} {feet} of {of}");
        // Somebody out of sight throws a shadow that wanders along the wall at the lower left.
        assert!(stray <= 16, "{stray}");
    }
}
