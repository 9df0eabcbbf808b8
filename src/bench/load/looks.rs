//! How closely each camera is watched, from what its API shows at each poll. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::api::CameraNow;
use super::events::Played;
use super::site::Role;
use crate::base::Wall;
use crate::media::Pts;

/// The rate that the API shows is one over the last seconds; so long must somebody have been in the
/// picture before it counts as the rate of an active camera.
const RATE_OVER: Duration = Duration::from_secs(4);

/// What is known of a camera before anything is measured.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub role: Role,
    /// When somebody is in the picture, in the clip's time; empty: not known.
    pub busy: std::sync::Arc<[(Pts, Pts)]>,
}

#[derive(Clone, Debug, Default)]
struct Looks {
    /// Time of the frame that was looked at last, and the longest interval so far.
    last: Option<Wall>,
    longest: Duration,
    fps: Vec<(Wall, f64)>,
    ratios: Vec<f64>,
}

/// All cameras, from poll to poll.
#[derive(Debug, Default)]
pub struct Polls {
    began: Option<Wall>,
    last: Option<Wall>,
    cameras: BTreeMap<String, Looks>,
    /// By how much the server shrank all rates, at each poll.
    stretch: Vec<f64>,
}

/// How closely one camera was watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watched {
    pub fps: f64,
    /// Mean rate while somebody was in the picture; `None` where that is not known or never was.
    pub fps_busy: Option<f64>,
    /// The longest time between two frames that were looked at.
    pub longest: Duration,
    /// Effective over needed rate, as the server says: mean, and at its lowest; `None` where it does
    /// not say.
    pub ratio: Option<f64>,
    pub ratio_lowest: Option<f64>,
}

impl Polls {
    /// What the API showed at `now`.
    pub fn add(&mut self, now: Wall, cameras: &[CameraNow]) {
        let began = *self.began.get_or_insert(now);
        self.last = Some(now);
        self.stretch.extend(cameras.iter().find_map(|c| c.watch.as_ref()?.stretch));
        for camera in cameras {
            let Some(analysis) = &camera.analysis else { continue };
            let looks = self.cameras.entry(camera.id.clone()).or_default();
            looks.fps.push((now, analysis.fps));
            looks.ratios.extend(camera.watch.as_ref().and_then(|w| w.ratio));
            if let Some(at) = analysis.last_frame {
                // Between two polls there may have been more frames: the interval is not shorter
                // than any of theirs. What was before the first poll does not count.
                let before = looks.last.unwrap_or(at).max(began);
                looks.longest = looks.longest.max(at.since(before));
                looks.last = Some(at);
            }
        }
    }

    /// By how much the server shrank all rates, which is one number for all cameras: mean, and the
    /// most; `None` where it does not say.
    pub fn stretch(&self) -> (Option<f64>, Option<f64>) {
        (mean(&self.stretch), self.stretch.iter().copied().reduce(f64::max))
    }

    /// Each camera that is analysed, in the order of names.
    pub fn watched(
        &self,
        known: &BTreeMap<String, Known>,
        played: &BTreeMap<String, Played>,
    ) -> BTreeMap<String, Watched> {
        let (began, end) = (self.began.unwrap_or_default(), self.last.unwrap_or_default());
        let each = self.cameras.iter().map(|(id, looks)| {
            // A camera that is not looked at any more has an interval that goes on.
            let open = end.since(looks.last.unwrap_or(began).max(began));
            let busy = known.get(id).zip(played.get(id)).map(|(known, played)| {
                looks.fps.iter().filter(|(at, _)| is_busy(known, played, *at)).map(|(_, fps)| *fps).collect()
            });
            let all = looks.fps.iter().map(|(_, fps)| *fps).collect::<Vec<_>>();
            let watched = Watched {
                fps: mean(&all).unwrap_or(0.0),
                fps_busy: busy.and_then(|fps: Vec<f64>| mean(&fps)),
                longest: looks.longest.max(open),
                ratio: mean(&looks.ratios),
                ratio_lowest: looks.ratios.iter().copied().reduce(f64::min),
            };
            (id.clone(), watched)
        });
        each.collect()
    }
}

/// Whether somebody was in the picture at `at` and for so long before that the rate shows it.
fn is_busy(known: &Known, played: &Played, at: Wall) -> bool {
    let (Some(from), Some(to)) = (played.place(at - RATE_OVER), played.place(at)) else { return false };
    known.busy.iter().any(|(begin, end)| *begin <= from && from <= to && to <= *end)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::api::{AnalysisNow, WatchNow};
    use super::*;

    fn camera(fps: f64, last_frame: Option<Wall>) -> CameraNow {
        let analysis = Some(AnalysisNow { fps, last_frame });
        let watch = Some(WatchNow { ratio: Some(fps / 8.0), stretch: Some(1.0 + fps) });
        CameraNow { id: "a".into(), analysis, watch, ..CameraNow::default() }
    }

    fn at(s: f64) -> Wall {
        Wall((s * 1e6) as i64)
    }

    fn polled(polls: &[(f64, f64, Option<f64>)]) -> Polls {
        let mut all = Polls::default();
        for (now, fps, last) in polls {
            all.add(at(*now), &[camera(*fps, last.map(at))]);
        }
        all
    }

    #[test]
    fn the_longest_interval_is_between_frames_and_not_between_polls() {
        let polls = polled(&[
            (10.0, 0.2, Some(9.0)),
            (12.0, 0.2, Some(11.0)),
            (14.0, 0.2, Some(11.0)),
            (16.0, 0.2, Some(15.5)),
        ]);
        let watched = &polls.watched(&BTreeMap::new(), &BTreeMap::new())["a"];
        assert_eq!(watched.longest, Duration::from_millis(4500));
    }

    #[test]
    fn who_is_never_looked_at_again_has_an_interval_up_to_the_end() {
        let polls = polled(&[(10.0, 0.0, Some(9.0)), (20.0, 0.0, Some(11.0)), (30.0, 0.0, Some(11.0))]);
        assert_eq!(polls.watched(&BTreeMap::new(), &BTreeMap::new())["a"].longest, Duration::from_secs(19));
        let polls = polled(&[(10.0, 0.0, None), (20.0, 0.0, None)]);
        assert_eq!(polls.watched(&BTreeMap::new(), &BTreeMap::new())["a"].longest, Duration::from_secs(10));
    }

    #[test]
    fn the_rate_of_an_active_camera_is_taken_while_somebody_is_there() {
        let polls = polled(&[(110.0, 1.0, None), (116.0, 5.0, None), (118.0, 7.0, None), (121.0, 0.5, None)]);
        let busy = [(Pts(10 * Pts::HZ), Pts(20 * Pts::HZ))].into();
        let known = BTreeMap::from([("a".to_owned(), Known { role: Role::Active(0), busy })]);
        let played = Played { duration: Pts(40 * Pts::HZ), sessions: vec![(at(100.0), at(100.0))] };
        assert_eq!(polls.stretch(), (Some(4.375), Some(8.0)));
        let watched = &polls.watched(&known, &BTreeMap::from([("a".to_owned(), played)]))["a"];
        assert_eq!((watched.fps, watched.fps_busy), (3.375, Some(6.0)));
        assert_eq!((watched.ratio, watched.ratio_lowest), (Some(0.421875), Some(0.0625)));
    }
}
