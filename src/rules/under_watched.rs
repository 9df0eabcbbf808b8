//! Under-watched: a camera gets less than `below` of the frames its rules need, for at least `hold`.

use std::time::Duration;

use crate::base::Wall;
use crate::camera::WatchLevel;

use super::event::{Edge, Subject};
use super::sight::Finding;

/// Over less time than this nothing is judged: where hundreds of cameras begin at once, what calm looks like is
/// learnt on all of them, and for half a minute there is too little of everything.
const ENOUGH: Duration = Duration::from_secs(50);

pub(super) struct UnderWatched {
    below: f32,
    hold: Duration,
    /// What was told last in this run.
    told: Option<Edge>,
    /// What would be told next, and since when it holds.
    next: Option<(Edge, Wall)>,
}

impl UnderWatched {
    pub fn new(below: f32, hold: Duration) -> Self {
        UnderWatched { below, hold, told: None, next: None }
    }

    /// An end is also told when a run begins well watched: an earlier run may have told a beginning
    /// and never seen its end. The alert store passes over an end that ends nothing.
    pub fn on_watched(&mut self, level: &WatchLevel, now: Wall) -> Vec<Finding> {
        if level.window < ENOUGH {
            return Vec::new();
        }
        let edge = if level.ratio < self.below { Edge::Begin } else { Edge::End };
        let since = self.next.filter(|(next, _)| *next == edge).map_or(now, |(_, since)| since);
        self.next = Some((edge, since));
        if self.told == Some(edge) || now.since(since) < self.hold {
            return Vec::new();
        }
        self.told = Some(edge);
        let (at, message) = match edge {
            Edge::Begin => (since + self.hold, too_little(level)),
            Edge::End => (since, "The camera is watched as closely as it needs again.".into()),
        };
        vec![Finding { edge, at, subject: Subject::Camera, message }]
    }
}

fn too_little(level: &WatchLevel) -> String {
    let need = &level.needed;
    let looks = level.look_every.map(|every| {
        format!("a look every {:.1} s instead of {:.1} s", every.as_secs_f32(), need.look_every.as_secs_f32())
    });
    let frames = level.fps.map(|fps| format!("{fps:.1} frames a second instead of {:.1}", need.fps));
    let got: Vec<String> = [looks, frames].into_iter().flatten().collect();
    let got = if got.is_empty() { "it has not been looked at".into() } else { got.join(", ") };
    format!("The camera gets {:.0} % of the attention its rules need: {got}", level.ratio * 100.0)
}
