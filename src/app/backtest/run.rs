//! A trial of all cameras.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::compare::compare;
use super::past::Past;
use super::trial::{self, Ask};
use crate::alerts::Alert;
use crate::api::{BacktestReport, CameraTrial, Counts, Standing};
use crate::base::task::Stop;
use crate::base::{CameraId, Clock, SystemClock, WallSpan};
use crate::config;
use crate::rules::RuleSpec;

/// What is tried.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub cameras: Vec<CameraId>,
    pub span: WallSpan,
    /// Tried on each camera; `None`: its own, as they are now.
    pub rules: Option<Vec<RuleSpec>>,
    /// Decode also what was seen.
    pub decode: bool,
}

impl Order {
    /// Seconds of recorded time of all cameras together.
    pub fn length(&self) -> Duration {
        self.span.duration() * self.cameras.len() as u32
    }
}

/// Try `order` on `threads` threads. `progress`: how much of [`Order::length`] is done.
///
/// # Errors
/// Of the first camera that cannot be tried; the others are given up.
pub(super) fn run(
    past: &Past,
    order: &Order,
    threads: usize,
    progress: &(dyn Fn(Duration) + Sync),
    stop: &Stop,
) -> anyhow::Result<BacktestReport> {
    let clock = SystemClock::new();
    let began = clock.now();
    let stop = stop.child_token();
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Duration>> = order.cameras.iter().map(|_| Mutex::default()).collect();
    let trials: Mutex<Vec<(usize, anyhow::Result<CameraTrial>)>> = Mutex::default();
    let lock = |i: usize| done[i].lock().unwrap_or_else(PoisonError::into_inner);
    let work = || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(camera) = order.cameras.get(i).filter(|_| !stop.is_cancelled()) else { return };
            let mut tell = |so_far: Duration| {
                *lock(i) = so_far;
                progress((0..done.len()).map(|i| *lock(i)).sum());
            };
            let trial = one(past, camera, order, &mut tell, &stop);
            if trial.is_err() {
                stop.cancel();
            }
            trials.lock().unwrap_or_else(PoisonError::into_inner).push((i, trial));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.clamp(1, order.cameras.len().max(1)) {
            scope.spawn(work);
        }
        work();
    });
    let mut trials = trials.into_inner().unwrap_or_else(PoisonError::into_inner);
    trials.sort_by_key(|(i, _)| *i);
    let cameras = trials.into_iter().map(|(_, trial)| trial).collect::<anyhow::Result<Vec<_>>>()?;
    let sum = |of: fn(&Counts) -> usize| cameras.iter().map(|c| of(&c.counts)).sum();
    Ok(BacktestReport {
        from: order.span.start,
        to: order.span.end,
        counts: Counts { kept: sum(|c| c.kept), new: sum(|c| c.new), gone: sum(|c| c.gone) },
        seconds_taken: clock.now().since(began).as_secs_f64(),
        cameras,
    })
}

fn one(
    past: &Past,
    id: &CameraId,
    order: &Order,
    progress: &mut dyn FnMut(Duration),
    stop: &Stop,
) -> anyhow::Result<CameraTrial> {
    let own = past.camera(id)?;
    let rules = order.rules.clone().unwrap_or_else(|| own.rules.clone());
    let camera = config::Camera { rules, ..own.clone() };
    let sight = past.sight(&camera)?;
    let ask = Ask { camera: &camera, span: order.span, decode: order.decode };
    let mut tried = trial::run(past, &sight, &ask, progress, stop)?;
    // What other rules told is not up for comparison, nor what no recording can tell.
    let mut raised = past.raised(id, order.span)?;
    raised.retain(|a| {
        let about_it = |r: &RuleSpec| r.id == a.rule || r.kind.as_str() == a.kind;
        !matches!(a.kind.as_str(), "camera_lost" | "under_watched") && camera.rules.iter().any(about_it)
    });
    let decided: BTreeMap<String, WallSpan> = raised.iter().map(|a| (a.id.to_string(), decided(a))).collect();
    let (mut alerts, mut counts) = compare(std::mem::take(&mut tried.told), raised);
    // What is not told of time of which nothing is left is not gone.
    let found = alerts.len();
    alerts.retain(|a| {
        let span = a.alert.as_ref().and_then(|id| decided.get(id)).filter(|_| a.standing == Standing::Gone);
        span.is_none_or(|span| !tried.is_untold(&a.rule, &a.kind, *span))
    });
    let left_out = found - alerts.len();
    counts.gone -= left_out;
    if left_out > 0 {
        tried.notes.push(format!(
            "{left_out} alerts were left out: of their time nothing is kept, or not yet; the last minute is written later"
        ));
    }
    if tried.unknown >= order.span.duration() {
        tried.notes.push("nothing is kept of this time: neither what was seen nor a recording".into());
    }
    Ok(CameraTrial {
        camera: id.to_string(),
        counts,
        observed_s: tried.observed.as_secs_f64(),
        decoded_s: tried.decoded.as_secs_f64(),
        unknown_s: tried.unknown.as_secs_f64(),
        frames: tried.frames,
        frames_decoded: tried.frames_decoded,
        notes: tried.notes,
        alerts,
    })
}

/// When it was decided: from its first frame until it was raised, unless that waited for a disk.
fn decided(alert: &Alert) -> WallSpan {
    const LONGEST: Duration = Duration::from_secs(60);
    WallSpan::new(alert.at, alert.raised.clamp(alert.at + Duration::from_micros(1), alert.at + LONGEST))
}
