//! The threads that watch.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::base::task::{Stop, Tasks};
use crate::base::{Clock, Wall};
use crate::decode;
use crate::infer::Detectors;

use super::desk::Desk;
use super::job::Tools;

/// How often the gate thread takes in what has come. Wake-ups cost more than units do.
const TICK: Duration = Duration::from_millis(100);
/// How often rules see time pass.
const RULES: Duration = Duration::from_millis(500);
/// Workers give way to everything else: recording and alerts come first.
const NICE: i32 = 10;

/// Start the gate thread and one worker for each of `detectors`, which are its models. They end when `tasks`
/// are stopped.
pub fn start(
    desk: &Arc<Desk>,
    detectors: Vec<Option<Detectors>>,
    profile: &Arc<decode::Profile>,
    clock: &Arc<dyn Clock>,
    tasks: &Tasks,
) -> std::io::Result<()> {
    for (i, detectors) in detectors.into_iter().enumerate() {
        let (desk, profile) = (desk.clone(), profile.clone());
        tasks.thread(&format!("look-{i}"), move |stop| work(&desk, Tools::new(profile, detectors, stop)))?;
    }
    let (desk, clock) = (desk.clone(), clock.clone());
    tasks.thread("gate", move |stop| {
        watch(&desk, &*clock, &stop);
        desk.close();
    })
}

fn work(desk: &Desk, mut tools: Tools) {
    // Of the calling thread alone, on Linux.
    if let Err(e) = rustix::process::setpriority_process(None, NICE) {
        warn!("a worker cannot lower its priority ({e}): under load it may get in the recorder's way");
    }
    while let Some((job, analysis)) = desk.next() {
        let (spent, step) = analysis.work(&job, &mut tools);
        desk.done(job, spent, step);
    }
}

fn watch(desk: &Desk, clock: &dyn Clock, stop: &Stop) {
    let mut rules_at = Wall::MIN;
    while !stop.is_cancelled() {
        let (now, wall) = (clock.now(), clock.wall());
        // Also when the clock was set back.
        let rules_due = wall.since(rules_at) >= RULES || wall < rules_at;
        if rules_due {
            rules_at = wall;
        }
        let crowded = desk.is_crowded();
        let steps: Vec<_> = desk
            .all()
            .iter()
            .filter_map(|analysis| {
                let step = analysis.gather(crowded, now);
                if rules_due {
                    analysis.tick(wall);
                }
                step
            })
            .collect();
        desk.tell(steps);
        std::thread::sleep(TICK.saturating_sub(clock.now().since(now)));
    }
}
