//! The recorder's thread. It alone touches the disk; nobody else waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::blocks::Blocks;
use super::disk::{Disk, RealDisk, SegmentFile};
use super::error::Error;
use super::handle::{Lane, Message, RecorderHandle, Refusal, Stream};
use super::settings::Settings;
use super::writing::{Desk, Writing};
use crate::archive::Archive;
use crate::base::queue::{self, Sender};
use crate::base::task::{Stop, Tasks};
use crate::base::{Clock, Wall, tray};
use crate::camera::GapCause;

/// How long units gather before the thread looks again. Latency is what this costs: a fragment is
/// written so much later, which adds to what a power cut takes.
const TICK: Duration = Duration::from_millis(100);

/// Recording of all streams.
pub struct Recorder;

impl Recorder {
    /// Start the recorder's thread, and one that syncs finished files. When `tasks` stops, what is
    /// queued is written, all open segments are finished, and both end.
    pub fn start(
        settings: Settings,
        archive: Arc<Archive>,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> Result<RecorderHandle, Error> {
        let disk = RealDisk::new(&archive.settings().root);
        Recorder::start_on(Box::new(disk), settings, archive, clock, tasks)
    }

    /// As [`start`](Self::start), writing through `disk`.
    pub fn start_on(
        disk: Box<dyn Disk>,
        settings: Settings,
        archive: Arc<Archive>,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> Result<RecorderHandle, Error> {
        // Few units are below 2 kB; the bound in items is there for the tray's own memory.
        let items = (settings.queue_bytes / 2048).clamp(1024, 1 << 17);
        let (tx, tray) = tray::tray("recorder", settings.queue_bytes, items);
        let (sync, sync_rx) = queue::items::<SegmentFile>("recorder-sync", 64);
        tasks
            .thread("recorder-sync", move |_| {
                // Ends when the recorder's thread has dropped its side.
                while let Some(file) = sync_rx.recv() {
                    if let Err(e) = file.sync() {
                        tracing::error!(error = %e, "a finished segment may be lost in a power failure");
                    }
                }
            })
            .map_err(Error::Thread)?;
        let lane = Arc::new(Lane::new(tx));
        let desk = Desk {
            archive,
            disk,
            tables: Vec::new(),
            blocks: Blocks::default(),
            writing: lane.writing.clone(),
        };
        let work = Work { settings, desk, tray, sync, lane: lane.clone(), streams: BTreeMap::new() };
        tasks.thread("recorder", move |stop| work.run(stop)).map_err(Error::Thread)?;
        Ok(RecorderHandle::new(lane, clock))
    }
}

struct Work {
    settings: Settings,
    desk: Desk,
    tray: tray::Receiver<Message>,
    sync: Sender<SegmentFile>,
    lane: Arc<Lane>,
    /// By their numbers.
    streams: BTreeMap<usize, Recorded>,
}

struct Recorded {
    stream: Arc<Stream>,
    writing: Writing,
}

impl Work {
    fn run(mut self, stop: Stop) {
        while !stop.is_cancelled() {
            self.empty_tray();
            self.tray.sleep(TICK);
        }
        self.empty_tray();
        for recorded in self.streams.values_mut() {
            // On the way out there is time to wait for the disk.
            let finished = recorded.writing.finish(&mut self.desk);
            finished.map(|file| self.sync.send(file));
        }
    }

    fn empty_tray(&mut self) {
        while self.tray.gather() {
            while let Some(message) = self.tray.take() {
                self.take(message);
            }
        }
        // Empty for an instant is enough: what was refused or late is behind all that lay there.
        self.lane.take_late().into_iter().for_each(|m| self.take(m));
        if self.lane.take_refused() {
            let untold = |r: &Recorded| Some((r.stream.number, r.stream.tell_refusal()?));
            let untold: Vec<(usize, Refusal)> = self.streams.values().filter_map(untold).collect();
            untold.into_iter().for_each(|(number, r)| self.refused(number, r));
        }
    }

    fn refused(&mut self, number: usize, r: Refusal) {
        let note = match r.cause {
            GapCause::Disk => "the disk did not keep up",
            _ => "the server did not keep up",
        };
        self.interrupt(number, r.at, r.cause, note);
    }

    fn interrupt(&mut self, number: usize, at: Wall, cause: GapCause, note: &str) {
        if let Some(recorded) = self.streams.get_mut(&number) {
            let finished = recorded.writing.interrupt(&mut self.desk, at, cause, note);
            self.sync_later(finished);
        }
    }

    /// A queue that is full keeps its files from being synced early; the kernel writes them anyway.
    fn sync_later(&self, finished: Option<SegmentFile>) {
        finished.map(|file| self.sync.offer(file));
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Unit { number, unit, refusal } => {
                if let Some(r) = refusal.filter(|r| !r.told) {
                    self.refused(number, r);
                }
                if let Some(recorded) = self.streams.get_mut(&number) {
                    let finished = recorded.writing.push(&mut self.desk, unit);
                    self.sync_later(finished);
                }
            }
            Message::Interrupt { number, at, cause, note } => self.interrupt(number, at, cause, &note),
            Message::Expect { stream, at } => self.expect(stream, at),
            Message::Forget { stream, at, cause, refusal } => {
                if let Some(r) = refusal.filter(|r| !r.told) {
                    self.refused(stream.number, r);
                }
                self.forget(&stream, at, cause);
            }
        }
    }

    fn expect(&mut self, stream: Arc<Stream>, at: Wall) {
        if self.streams.contains_key(&stream.number) {
            return;
        }
        if let Err(e) = self.desk.archive.expect(&stream.camera, stream.kind, at) {
            tracing::error!(camera = %stream.camera, error = %e, "the ledger could not be written");
        }
        let writing = Writing::new(stream.camera.clone(), stream.kind, &self.settings);
        self.streams.insert(stream.number, Recorded { stream, writing });
    }

    fn forget(&mut self, stream: &Stream, at: Wall, cause: GapCause) {
        if self.streams.contains_key(&stream.number) {
            self.interrupt(stream.number, at, cause, "recording was switched off");
            self.streams.remove(&stream.number);
            return;
        }
        let archive = &self.desk.archive;
        if let Err(e) = archive.gap_begins(&stream.camera, stream.kind, at, cause, "not recorded") {
            tracing::error!(camera = %stream.camera, error = %e, "the ledger could not be written");
        }
    }
}
