//! The block that is being written.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tracing::{error, warn};

use super::block::{Look, Writer};
use super::store::{Observations, Row};
use crate::base::queue::{self, Receiver, Refused, Sender};
use crate::base::task::{Stop, Tasks};
use crate::base::{CameraId, Wall};
use crate::infer::Outcome;

/// A block is closed after so long, or at this size. What a server that is killed has not closed is lost.
const LONGEST: Duration = Duration::from_secs(60);
const LARGEST: usize = 32 << 10;
/// Blocks on their way to the disk, of all cameras together: two minutes of a thousand.
const WAITING: usize = 2048;
/// Pause before a store that refused is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Where closed blocks go; clones share it. The thread that stores them ends when the last clone is dropped:
/// drop them first, then join `tasks`.
#[derive(Clone)]
pub struct Keeper(Sender<Row>);

impl Keeper {
    pub fn start(store: Arc<Observations>, tasks: &Tasks) -> std::io::Result<Keeper> {
        let (tx, rx) = queue::items("observations", WAITING);
        tasks.thread("observations", move |stop| work(&store, &rx, &stop))?;
        Ok(Keeper(tx))
    }
}

fn work(store: &Observations, rx: &Receiver<Row>, stop: &Stop) {
    while let Some(first) = rx.recv() {
        // What has come meanwhile goes with it: a transaction costs a write of the disk.
        let mut rows = vec![first];
        while let Some(row) = rx.try_recv() {
            rows.push(row);
        }
        let mut complained = false;
        while let Err(e) = store.append(&rows) {
            if stop.is_cancelled() {
                error!(blocks = rows.len(), "observations are lost: {e}");
                break;
            }
            if !std::mem::replace(&mut complained, true) {
                error!("observations wait: {e}");
            }
            thread::sleep(RETRY);
        }
    }
}

/// What one camera's tracker is told, as it is told.
pub struct Journal {
    camera: CameraId,
    look: Arc<Look>,
    keeper: Keeper,
    open: Writer,
    /// The open block, or the next one, is the first since tracker and rules began.
    began: bool,
}

impl Journal {
    pub fn new(camera: CameraId, look: Arc<Look>, keeper: Keeper) -> Self {
        Journal { camera, look, keeper, open: Writer::default(), began: true }
    }

    /// Tracker and rules begin anew.
    pub fn begin(&mut self) {
        self.close();
        self.began = true;
    }

    /// The tracker is told this of the frame taken at `at`; detections are on the grid.
    pub fn note(&mut self, at: Wall, outcome: &Outcome) {
        let full = self.open.len() >= LARGEST;
        if full || self.open.span.is_some_and(|(from, _)| at.since(from) >= LONGEST) {
            self.close();
        }
        self.open.push(at, outcome);
    }

    /// Time passes: what has been open for long is handed over, also where no frame comes any more.
    pub fn tick(&mut self, now: Wall) {
        if self.open.span.is_some_and(|(from, _)| now.since(from) >= LONGEST * 2) {
            self.close();
        }
    }

    /// Hand the open block over.
    pub fn close(&mut self) {
        let block = std::mem::take(&mut self.open);
        let Some((start, end)) = block.span else { return };
        let began = std::mem::take(&mut self.began);
        let row = Row {
            camera: self.camera.clone(),
            look: self.look.clone(),
            began,
            start,
            end,
            data: block.finish(),
        };
        if let Err(Refused::Full(_)) = self.keeper.0.offer(row) {
            // Watching does not wait for a disk. That time can still be decoded.
            warn!(camera = %self.camera, from = %start, "a minute of observations is not kept: the disk does not keep up");
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

/// For tests: what a journal has handed over, without a thread.
#[cfg(test)]
pub(crate) fn keep(store: &Observations, write: impl FnOnce(Keeper)) -> crate::archive::Result<()> {
    let (tx, rx) = queue::items("observations", WAITING);
    write(Keeper(tx));
    let mut rows = Vec::new();
    while let Some(row) = rx.try_recv() {
        rows.push(row);
    }
    store.append(&rows)
}
