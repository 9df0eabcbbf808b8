//! What stands before the background and was not there, or is gone from it: block by block, over minutes.
//!
//! [`MotionDetector`] takes what has stood for half a minute for background. This one learns a second
//! background from the same block means, in which a thing needs an hour for that, and says what stands
//! meanwhile. After F. Porikli, *Detection of temporarily static regions by processing video at different
//! frame rates* (AVSS 2007), who compares a fast with a slow background likewise.

use std::time::Duration;

use crate::base::Wall;
use crate::camera::{Change, StandingThing};
use crate::media::BBox;

use super::background::{Background, Mark};
use super::blocks::Grid;
use super::detector::{MotionDetector, MotionSettings};
use super::regions::regions;

/// What has stood for so long is background.
const BLEND: Duration = Duration::from_secs(3600);
/// A block belongs to a thing when it has stood for so long.
const STANDS: f32 = 5.0;
/// A picture is taken in at most so often: noise is the same, whatever the rate.
const APART: Duration = Duration::from_millis(900);
/// A longer pause tells no more than this one, seconds.
const LONGEST_STEP: f32 = 10.0;
/// Blocks of a thing, at least.
const LEAST: usize = 4;
/// Contrast at the border, now and in the background: the one is this many times the other where something
/// came or is gone, and at least so many grey levels. Otherwise the light has changed there.
const BORDER: f32 = 1.3;
const BORDER_LEAST: f32 = 8.0;

/// Finds what has come to stand in the pictures of one camera, and what has gone from them.
#[derive(Debug, Default)]
pub struct StandingDetector {
    view: Option<View>,
    marks: Vec<Mark>,
}

#[derive(Debug)]
struct View {
    grid: Grid,
    /// When motion detection began with this view; it begins anew where the camera is turned.
    began: Wall,
    last: Wall,
    background: Background,
}

impl StandingDetector {
    /// What stands in the picture at which `motion` looked last, taken at `at`; `None`: another one was
    /// taken in less than a second ago, or the view is not known yet.
    pub fn look(&mut self, motion: &MotionDetector, at: Wall) -> Option<Vec<StandingThing>> {
        let (grid, began, means) = motion.picture()?;
        let known = self.view.as_mut().filter(|v| v.grid == grid && v.began == began && v.last <= at);
        let Some(view) = known else {
            let least = MotionSettings::default().least_difference;
            let background = Background::new(means, least, BLEND.as_secs_f32());
            self.view = Some(View { grid, began, last: at, background });
            return None;
        };
        let dt = at.since(view.last);
        if dt < APART {
            return None;
        }
        view.last = at;
        let background = &mut view.background;
        background.compare(means, dt.as_secs_f32().min(LONGEST_STEP), &mut self.marks);
        for (i, mark) in self.marks.iter_mut().enumerate() {
            *mark = if background.stands(i) >= STANDS { Mark::Strong } else { Mark::Quiet };
        }
        let marks = &self.marks;
        let thing = |bbox: BBox| {
            let blocks: Vec<usize> = within(grid, &bbox).filter(|i| marks[*i] == Mark::Strong).collect();
            let mut stood: Vec<f32> = blocks.iter().map(|i| background.stands(*i)).collect();
            stood.sort_unstable_by(f32::total_cmp);
            let stood = Duration::from_secs_f32(stood.get(stood.len() / 2).copied().unwrap_or_default());
            Some(StandingThing { bbox, stood, change: change(grid, &blocks, marks, means, background)? })
        };
        Some(regions(grid, marks, LEAST).into_iter().filter_map(|r| thing(r.bbox)).collect())
    }
}

/// The blocks of a box.
fn within(grid: Grid, b: &BBox) -> impl Iterator<Item = usize> + use<> {
    let block = |v: f32, pixels: usize| (v * pixels as f32 / grid.side as f32).round() as usize;
    let (w, h) = grid.picture;
    let columns = block(b.x1, w)..block(b.x2, w).min(grid.columns);
    let rows = block(b.y1, h)..block(b.y2, h).min(grid.rows);
    rows.flat_map(move |r| columns.clone().map(move |c| r * grid.columns + c))
}

/// A thing has a border; where it was taken away, the background has one that is gone now; a change of light
/// has none, or both. Compared are blocks of the thing with those two further out: the next one is often
/// partly covered.
fn change(
    grid: Grid,
    blocks: &[usize],
    marks: &[Mark],
    means: &[f32],
    background: &Background,
) -> Option<Change> {
    let (mut now, mut then, mut pairs) = (0.0, 0.0, 0.0);
    for &at in blocks {
        let (x, y) = (at % grid.columns, at / grid.columns);
        let outer = [
            (x >= 2).then(|| at - 2),
            (x + 2 < grid.columns).then_some(at + 2),
            (y >= 2).then(|| at.wrapping_sub(2 * grid.columns)),
            (y + 2 < grid.rows).then_some(at + 2 * grid.columns),
        ];
        for out in outer.into_iter().flatten().filter(|o| marks[*o] == Mark::Quiet) {
            now += (means[at] - means[out]).abs();
            then += (background.luma(at) - background.luma(out)).abs();
            pairs += 1.0;
        }
    }
    match (now / f32::max(pairs, 1.0), then / f32::max(pairs, 1.0)) {
        (now, then) if now >= BORDER_LEAST && now > BORDER * then => Some(Change::Came),
        (now, then) if then >= BORDER_LEAST && then > BORDER * now => Some(Change::Gone),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::I420;

    const W: usize = 320;
    const H: usize = 192;
    type Thing = ((usize, usize), (usize, usize), f32);

    /// Smooth ground with noise, lit by `gain`, and things before it: place, size, luma.
    fn picture(n: u32, gain: f32, things: &[Thing]) -> I420 {
        let mut seed = n.wrapping_mul(2_654_435_761) | 1;
        let mut bytes = vec![128u8; W * H * 3 / 2];
        for (i, pixel) in bytes[..W * H].iter_mut().enumerate() {
            let (x, y) = (i % W, i / W);
            let ground = 90.0 + (x as f32 / 40.0).sin() * 15.0 + (y / 48 * 10) as f32;
            let holds =
                |((tx, ty), (w, h), _): &&Thing| (*tx..tx + w).contains(&x) && (*ty..ty + h).contains(&y);
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            let noise = (seed % 9) as f32 - 4.0;
            let luma = things.iter().rfind(holds).map_or(ground, |t| t.2);
            *pixel = ((luma - 16.0) * gain + 16.0 + noise).clamp(0.0, 255.0) as u8;
        }
        I420::packed(W as u32, H as u32, bytes).unwrap()
    }

    /// Pictures every `every` seconds; what stands at each time.
    fn watch(
        every: u32,
        seconds: u32,
        scene: impl Fn(u32) -> (f32, Vec<Thing>),
    ) -> Vec<(u32, Vec<StandingThing>)> {
        let (mut motion, mut standing) =
            (MotionDetector::new(MotionSettings::default()), StandingDetector::default());
        let mut seen = Vec::new();
        for t in (0..seconds).step_by(every as usize) {
            let (gain, things) = scene(t);
            let at = Wall::from_secs(i64::from(t));
            motion.look(&picture(t, gain, &things), at);
            seen.extend(standing.look(&motion, at).map(|things| (t, things)));
        }
        seen
    }

    const BAG: Thing = ((200, 120), (30, 24), 35.0);

    #[test]
    fn a_bag_stands_from_when_it_was_put_there_until_it_is_taken_away() {
        for every in [1, 4] {
            let seen = watch(every, 400, |t| (1.0, if (40..300).contains(&t) { vec![BAG] } else { vec![] }));
            let want = BBox::new(200.0 / 320.0, 120.0 / 192.0, 230.0 / 320.0, 144.0 / 192.0);
            for (t, things) in seen {
                let there = (52..300).contains(&t);
                assert!(there || (40..52).contains(&t) || things.is_empty(), "{every} s, {t}: {things:?}");
                if there {
                    let [thing] = things[..] else { panic!("{every} s, {t}: {things:?}") };
                    assert!(thing.bbox.iou(&want) > 0.5 && thing.change == Change::Came, "{t}: {thing:?}");
                    assert!(thing.stood.as_secs_f32() - (t - 40) as f32 <= 0.5, "{t}: {thing:?}");
                    assert!((t - 40) as f32 - thing.stood.as_secs_f32() <= 9.0, "{t}: {thing:?}");
                }
            }
        }
    }

    #[test]
    fn what_was_there_from_the_beginning_and_is_taken_away_is_gone() {
        for every in [1, 4] {
            let seen = watch(every, 200, |t| (1.0, if t < 60 { vec![BAG] } else { vec![] }));
            for (t, things) in seen {
                assert!(t >= 60 || things.is_empty(), "{every} s, {t}: {things:?}");
                if t > 72 {
                    assert!(
                        things.len() == 1 && things[0].change == Change::Gone,
                        "{every} s, {t}: {things:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn who_walks_past_stands_nowhere_and_leaves_the_bag_standing() {
        // Somebody every twenty seconds, over the bag.
        let seen = watch(1, 300, |t| {
            let walker = (((t % 20 * 30) as usize, 70), (20, 90), 200.0);
            let walker = (t >= 10).then_some(walker);
            (1.0, (t >= 40).then_some(BAG).into_iter().chain(walker).collect())
        });
        let stood = |t: u32| {
            let things = &seen.iter().find(|s| s.0 == t).unwrap().1;
            things.iter().map(|s| s.stood.as_secs()).collect::<Vec<_>>()
        };
        assert!(stood(38).is_empty());
        assert!(stood(298).len() == 1 && stood(298)[0] >= 200, "{:?}", stood(298));
    }

    #[test]
    fn lamps_make_nothing_stand() {
        let seen = watch(1, 200, |t| (if (60..120).contains(&t) { 0.5 } else { 1.0 }, vec![]));
        assert!(seen.iter().all(|(_, s)| s.is_empty()), "{seen:?}");
    }

    #[test]
    fn nothing_stands_for_long_in_the_empty_room_and_where_people_walk() {
        for name in ["empty-room-768x432.mp4", "people-detection-768x432.mp4"] {
            let Some(units) = crate::decode::testing::clip(name) else { return };
            let detectors = (MotionDetector::new(MotionSettings::default()), StandingDetector::default());
            let seen = std::sync::Arc::new(std::sync::Mutex::new((detectors, Vec::new())));
            let kept = seen.clone();
            crate::decode::testing::each_frame(&units, move |frame| {
                let ((motion, standing), longest) = &mut *kept.lock().unwrap();
                motion.look(&frame.image, frame.at);
                let things = standing.look(motion, frame.at).unwrap_or_default();
                longest.extend(
                    things.iter().filter(|t| t.change == Change::Came).map(|t| (t.stood.as_secs(), t.bbox)),
                );
            });
            let seen = seen.lock().unwrap();
            let longest = seen.1.iter().max_by_key(|s| s.0);
            eprintln!("{name}: longest stood {longest:?}");
            assert!(longest.is_none_or(|s| s.0 < 25), "{name}: {longest:?}");
        }
    }
}
