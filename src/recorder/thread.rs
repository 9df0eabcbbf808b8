//! The recorder's threads, one per disk. Each alone writes to its disk, and nobody else waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::blocks::Blocks;
use super::disk::{Disk, RealDisk, SegmentFile};
use super::error::Error;
use super::handle::{Message, RecorderHandle, Refusal, Stream};
use super::lane::{Lane, Recorded};
use super::settings::Settings;
use super::writing::{Desk, Writing};
use crate::archive::{self, Archive, DiskId};
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
    /// Start a thread for each disk of the archive, and one that syncs its finished files. When `tasks`
    /// stops, what is queued is written, all open segments are finished, and they end.
    pub fn start(
        settings: Settings,
        archive: Arc<Archive>,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> Result<RecorderHandle, Error> {
        let disk = |d: &archive::Disk| Box::new(RealDisk::new(&d.root)) as Box<dyn Disk>;
        let disks = archive.disks().all().iter().map(disk).collect();
        Recorder::start_on(disks, settings, archive, clock, tasks)
    }

    /// As [`start`](Self::start), writing through `disks`, one for each of the archive's.
    pub fn start_on(
        disks: Vec<Box<dyn Disk>>,
        settings: Settings,
        archive: Arc<Archive>,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> Result<RecorderHandle, Error> {
        // Few units are below 2 kB; the bound in items is there for the tray's own memory.
        let items = (settings.queue_bytes / 2048).clamp(1024, 1 << 19);
        let tray = |i| tray::tray(&name("recorder", i), settings.queue_bytes, items);
        let (lanes, trays): (Vec<Lane>, Vec<_>) =
            (0..disks.len()).map(tray).map(|(tx, rx)| (Lane::new(tx), rx)).unzip();
        let lanes: Arc<[Lane]> = lanes.into();
        for (i, (disk, tray)) in disks.into_iter().zip(trays).enumerate() {
            let desk = Desk {
                archive: archive.clone(),
                disk_id: DiskId(i),
                disk,
                blocks: Blocks::default(),
                tables: Vec::new(),
                writing: lanes[i].writing.clone(),
            };
            let work = Work {
                settings: settings.clone(),
                desk,
                tray,
                sync: start_sync(i, tasks)?,
                lanes: lanes.clone(),
                clock: clock.clone(),
                streams: BTreeMap::new(),
            };
            tasks.thread(&name("recorder", i), move |stop| work.run(stop)).map_err(Error::Thread)?;
        }
        Ok(RecorderHandle::new(lanes, archive, clock))
    }
}

/// The name of a disk's thread or tray. Most sites have one disk.
fn name(what: &str, disk: usize) -> String {
    if disk == 0 { what.into() } else { format!("{what}-{disk}") }
}

/// A thread that syncs files; it ends when the recorder's thread has dropped its side.
fn start_sync(disk: usize, tasks: &Tasks) -> Result<Sender<SegmentFile>, Error> {
    let (sync, files) = queue::items::<SegmentFile>("recorder-sync", 64);
    let work = move |_| {
        while let Some(file) = files.recv() {
            if let Err(e) = file.sync() {
                tracing::error!(error = %e, "a finished segment may be lost in a power failure");
            }
        }
    };
    tasks.thread(&name("recorder-sync", disk), work).map_err(Error::Thread)?;
    Ok(sync)
}

struct Work {
    settings: Settings,
    desk: Desk,
    tray: tray::Receiver<Message>,
    sync: Sender<SegmentFile>,
    lanes: Arc<[Lane]>,
    clock: Arc<dyn Clock>,
    /// By their numbers.
    streams: BTreeMap<usize, Recorded>,
}

impl Work {
    fn lane(&self) -> &Lane {
        &self.lanes[self.desk.disk_id.0]
    }

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
        self.lane().take_late().into_iter().for_each(|m| self.take(m));
        if self.lane().take_refused() {
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
        if let Message::Expect { stream, .. } | Message::Forget { stream, .. } = &message
            && stream.disk() != self.desk.disk_id
        {
            // The stream was moved while this lay in the tray.
            return self.lanes[stream.disk().0].control(message);
        }
        match message {
            Message::Unit { number, unit, refusal } => {
                if let Some(r) = refusal.filter(|r| !r.told) {
                    self.refused(number, r);
                }
                // None is there when its disk failed while the unit lay in the tray.
                if let Some(recorded) = self.streams.get_mut(&number) {
                    let finished = recorded.writing.push(&mut self.desk, unit);
                    let failed = recorded.writing.take_failed();
                    self.sync_later(finished);
                    if failed {
                        self.move_away(number);
                    }
                }
            }
            Message::Adopt(recorded) => drop(self.streams.insert(recorded.stream.number, *recorded)),
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

    /// The disk refused a write: the stream is recorded on another one from its next key on, if one works.
    fn move_away(&mut self, number: usize) {
        let (now, here) = (self.clock.now(), self.desk.disk_id);
        self.lane().note_failed(now);
        let disks = self.desk.archive.disks();
        let Some(to) = disks.best(|d| d != here && self.lanes[d.0].works(now)) else { return };
        let Some(mut recorded) = self.streams.remove(&number) else { return };
        let stream = recorded.stream.clone();
        tracing::warn!(camera = %stream.camera, from = %disks.get(here).root.display(),
            to = %disks.get(to).root.display(), "recorded on another disk from now on");
        recorded.writing.uproot();
        // In this order: the other thread must know the stream before its first unit comes.
        self.lanes[to.0].control(Message::Adopt(Box::new(recorded)));
        stream.turn_to(to);
        disks.set_home(&stream.camera, stream.kind, to);
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
