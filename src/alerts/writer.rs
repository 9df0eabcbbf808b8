//! From rules to the store: one thread makes JPEGs and stores alerts, off the analysis path.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::base::queue::{self, Receiver, Sender};
use crate::base::task::{Stop, Tasks};
use crate::camera::Frame;
use crate::rules::{Edge, RuleEvent};

use super::alert::{Box as AlertBox, Decider};
use super::error::Error;
use super::snapshot::{Style, render};
use super::store::Alerts;

/// Each waiting event may hold a frame (3 MB at 1080p).
const WAITING: usize = 32;
/// Pause before a store that refused is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// What shows an event.
#[derive(Clone, Debug)]
pub struct Evidence {
    pub frame: Frame,
    /// Drawn into the snapshot; the event's own box is drawn anyhow.
    pub boxes: Vec<AlertBox>,
}

struct Job {
    event: RuleEvent,
    evidence: Option<Evidence>,
    by: Option<Arc<Decider>>,
}

/// Sending side; clones share the thread. The thread stores all that waits and ends when the last
/// clone is dropped: drop them first, then join `tasks`.
#[derive(Clone)]
pub struct AlertWriter {
    tx: Sender<Job>,
}

impl AlertWriter {
    pub fn start(alerts: Arc<Alerts>, tasks: &Tasks) -> std::io::Result<AlertWriter> {
        let (tx, rx) = queue::items("alerts", WAITING);
        tasks.thread("alerts", move |stop| work(&alerts, &rx, &stop))?;
        Ok(AlertWriter { tx })
    }

    /// Never drops an event: waits while the queue is full. `Err` gives it back when the thread is
    /// gone. `by`: what decided.
    pub fn submit(
        &self,
        event: RuleEvent,
        evidence: Option<Evidence>,
        by: Option<Arc<Decider>>,
    ) -> Result<(), Box<RuleEvent>> {
        self.tx.send(Job { event, evidence, by }).map_err(|job| Box::new(job.event))
    }
}

fn work(alerts: &Alerts, rx: &Receiver<Job>, stop: &Stop) {
    while let Some(job) = rx.recv() {
        let jpeg = picture(&job);
        let mut complained = false;
        // A full disk passes; an alert must not be lost over it.
        while let Err(e) = store(alerts, &job, jpeg.clone()) {
            let last_try = stop.is_cancelled() || !e.kind().is_transient();
            if last_try {
                tracing::error!(camera = %job.event.camera, rule = %job.event.rule, "alert lost: {e}");
                break;
            }
            if !std::mem::replace(&mut complained, true) {
                tracing::error!(camera = %job.event.camera, rule = %job.event.rule, "alert waits: {e}");
            }
            thread::sleep(RETRY);
        }
    }
}

/// An alert without a picture is better than none.
fn store(alerts: &Alerts, job: &Job, jpeg: Option<Vec<u8>>) -> Result<(), Error> {
    let (event, by) = (&job.event, job.by.as_deref());
    match alerts.raise_by(event, jpeg, by) {
        Err(e @ (Error::Snapshot { .. } | Error::Folder { .. })) => {
            tracing::warn!(camera = %event.camera, rule = %event.rule, "alert without a snapshot: {e}");
            alerts.raise_by(event, None, by).map(drop)
        }
        other => other.map(drop),
    }
}

fn picture(job: &Job) -> Option<Vec<u8>> {
    let evidence = job.evidence.as_ref().filter(|_| job.event.edge == Edge::Begin)?;
    let mut boxes = AlertBox::all_of(&job.event);
    boxes.extend(&evidence.boxes);
    match render(&evidence.frame.image, &boxes, Style::default()) {
        Ok(jpeg) => Some(jpeg),
        Err(e) => {
            tracing::warn!(camera = %job.event.camera, rule = %job.event.rule, "no snapshot: {e}");
            None
        }
    }
}
