//! The recorder's thread and its handle. One thread owns the disk; nobody else waits for it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use super::disk::{Disk, RealDisk, SegmentFile};
use super::error::Error;
use super::settings::Settings;
use super::writing::{Desk, Writing};
use crate::archive::Archive;
use crate::base::queue::{self, Empty, Receiver, Refused, Sender, Weigh};
use crate::base::task::{Stop, Tasks};
use crate::base::{CameraId, Clock, StreamKind, Wall};
use crate::camera::{GapCause, StreamEvent, StreamWhat};
use crate::media::EncodedUnit;

type Key = (CameraId, StreamKind);

enum Message {
    /// A unit, and what was refused of its stream before it.
    Unit(Box<EncodedUnit>, Option<Refusal>),
    Interrupt {
        key: Key,
        at: Wall,
        cause: GapCause,
        note: String,
    },
    Expect {
        key: Key,
        at: Wall,
    },
    Forget {
        key: Key,
        at: Wall,
        cause: GapCause,
        /// What was refused before it and is not entered yet.
        refusal: Option<Refusal>,
    },
}

impl Weigh for Message {
    fn weight(&self) -> usize {
        match self {
            Message::Unit(u, _) => u.weight(),
            _ => 0,
        }
    }
}

/// A unit that found no place.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    at: Wall,
    cause: GapCause,
    /// The thread has entered the gap already.
    told: bool,
}

/// What handle and thread share beside the queue. No two of the locks are held at once.
#[derive(Default)]
struct Shared {
    expected: RwLock<HashSet<Key>>,
    /// Streams whose units are refused until their next key.
    refusals: Mutex<HashMap<Key, Refusal>>,
    /// Size of `refusals`, so that the usual unit takes no lock for it.
    refused: AtomicUsize,
    /// Control messages that found the queue full; taken when it is empty again.
    late: Mutex<VecDeque<Message>>,
    /// The thread is writing: a full queue then is the disk's doing.
    writing: AtomicBool,
}

/// Control messages kept for a recorder that is stuck: far more than there are cameras.
const MAX_LATE: usize = 8192;
const TICK: Duration = Duration::from_millis(200);

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

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
        Recorder::start_on(Box::new(RealDisk), settings, archive, clock, tasks)
    }

    /// As [`start`](Self::start), writing through `disk`.
    pub fn start_on(
        disk: Box<dyn Disk>,
        settings: Settings,
        archive: Arc<Archive>,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> Result<RecorderHandle, Error> {
        // Few units are below 2 kB; the bound in items is there for the queue's own memory.
        let items = (settings.queue_bytes / 2048).clamp(1024, 1 << 17);
        let (tx, rx) = queue::bytes("recorder", settings.queue_bytes, items);
        let (sync_tx, sync_rx) = queue::items::<SegmentFile>("recorder-sync", 64);
        let shared = Arc::new(Shared::default());
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
        let desk = Desk { archive, disk, buffer: Vec::new() };
        let work =
            Work { settings, desk, rx, sync: sync_tx, shared: shared.clone(), streams: BTreeMap::new() };
        tasks.thread("recorder", move |stop| work.run(stop)).map_err(Error::Thread)?;
        Ok(RecorderHandle { tx, shared, clock })
    }
}

/// The way to the recorder. No call blocks.
#[derive(Clone)]
pub struct RecorderHandle {
    tx: Sender<Message>,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
}

impl RecorderHandle {
    /// Record a unit. Units of streams that are not expected are not taken. When the recorder cannot
    /// keep up, the unit is refused and a gap is entered that ends at the next key taken.
    pub fn unit(&self, unit: EncodedUnit) {
        let key = (unit.camera.clone(), unit.stream);
        if !self.shared.expected.read().unwrap_or_else(PoisonError::into_inner).contains(&key) {
            return;
        }
        let mut refusal = None;
        if self.shared.refused.load(Ordering::Acquire) > 0 {
            let mut refusals = lock(&self.shared.refusals);
            if refusals.contains_key(&key) {
                if !(unit.key && unit.is_video()) {
                    return;
                }
                refusal = refusals.remove(&key);
                self.shared.refused.store(refusals.len(), Ordering::Release);
            }
        }
        let (at, video) = (unit.received, unit.is_video());
        match self.tx.offer_weighed(Message::Unit(Box::new(unit), refusal)) {
            Err(Refused::Full(_)) if video => {
                let disk = self.shared.writing.load(Ordering::Relaxed);
                let cause = if disk { GapCause::Disk } else { GapCause::Overload };
                let mut refusals = lock(&self.shared.refusals);
                refusals.insert(key, refusal.unwrap_or(Refusal { at, cause, told: false }));
                self.shared.refused.store(refusals.len(), Ordering::Release);
            }
            // Sound alone makes no gap; the queue counts it.
            _ => {}
        }
    }

    /// What ingest says about a stream: when it is lost, its segment is finished and a gap begins.
    pub fn event(&self, event: &StreamEvent) {
        let (cause, note) = match &event.what {
            StreamWhat::Lost { cause, message } => (*cause, message.clone()),
            // Nothing more is expected of footage that has been played.
            StreamWhat::Ended => (GapCause::NotConfigured, "the footage has come to its end".into()),
            StreamWhat::Connecting | StreamWhat::Online { .. } => return,
        };
        let key = (event.camera.clone(), event.stream);
        self.control(Message::Interrupt { key, at: event.at, cause, note });
    }

    /// Recording of this stream is on from now.
    pub fn expect(&self, camera: CameraId, stream: StreamKind) {
        let key = (camera, stream);
        let expected = self.shared.expected.read().unwrap_or_else(PoisonError::into_inner).contains(&key);
        if !expected {
            // A unit that was on its way when recording was switched off may have left one since.
            self.take_refusal(&key);
        }
        self.control(Message::Expect { key: key.clone(), at: self.clock.wall() });
        self.shared.expected.write().unwrap_or_else(PoisonError::into_inner).insert(key);
    }

    /// Recording of this stream is off from now; its segment is finished.
    pub fn forget(&self, camera: CameraId, stream: StreamKind, cause: GapCause) {
        let key = (camera, stream);
        self.shared.expected.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
        let refusal = self.take_refusal(&key);
        self.control(Message::Forget { key, at: self.clock.wall(), cause, refusal });
    }

    fn take_refusal(&self, key: &Key) -> Option<Refusal> {
        let mut refusals = lock(&self.shared.refusals);
        let refusal = refusals.remove(key);
        self.shared.refused.store(refusals.len(), Ordering::Release);
        refusal
    }

    fn control(&self, message: Message) {
        let mut late = lock(&self.shared.late);
        // Behind one that is late: what was switched on and off must stay in this order.
        let refused = match late.is_empty() {
            true => self.tx.offer_weighed(message),
            false => Err(Refused::Full(message)),
        };
        if let Err(Refused::Full(message)) = refused {
            if late.len() == MAX_LATE {
                late.pop_front();
            }
            late.push_back(message);
        }
    }
}

struct Work {
    settings: Settings,
    desk: Desk,
    rx: Receiver<Message>,
    sync: Sender<SegmentFile>,
    shared: Arc<Shared>,
    streams: BTreeMap<Key, Writing>,
}

impl Work {
    fn run(mut self, stop: Stop) {
        while !stop.is_cancelled() {
            // Empty for an instant is enough: with many cameras the queue is never so for a whole tick.
            let message = self.rx.try_recv().map_or_else(
                || {
                    self.catch_up();
                    self.rx.recv_timeout(TICK)
                },
                Ok,
            );
            match message {
                Ok(message) => self.take(message),
                Err(Empty::Now) => {}
                Err(Empty::Forever) => break,
            }
        }
        while let Some(message) = self.rx.try_recv() {
            self.take(message);
        }
        self.catch_up();
        for writing in self.streams.values_mut() {
            // On the way out there is time to wait for the disk.
            let finished = writing.finish(&mut self.desk);
            finished.map(|file| self.sync.send(file));
        }
    }

    /// The queue is empty: what was refused or late is behind all that was queued.
    fn catch_up(&mut self) {
        let late = std::mem::take(&mut *lock(&self.shared.late));
        late.into_iter().for_each(|m| self.take(m));
        if self.shared.refused.load(Ordering::Acquire) == 0 {
            return;
        }
        let untold: Vec<(Key, Refusal)> = lock(&self.shared.refusals)
            .iter_mut()
            .filter(|(_, r)| !r.told)
            .map(|(k, r)| {
                r.told = true;
                (k.clone(), *r)
            })
            .collect();
        untold.into_iter().for_each(|(key, r)| self.refused(key, r));
    }

    fn refused(&mut self, key: Key, r: Refusal) {
        let note = match r.cause {
            GapCause::Disk => "the disk did not keep up",
            _ => "the server did not keep up",
        };
        self.interrupt(key, r.at, r.cause, note);
    }

    fn interrupt(&mut self, key: Key, at: Wall, cause: GapCause, note: &str) {
        if let Some(writing) = self.streams.get_mut(&key) {
            let finished = writing.interrupt(&mut self.desk, at, cause, note);
            self.sync_later(finished);
        }
    }

    /// A queue that is full keeps its files from being synced early; the kernel writes them anyway.
    fn sync_later(&self, finished: Option<SegmentFile>) {
        finished.map(|file| self.sync.offer(file));
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Unit(unit, refusal) => {
                let key = (unit.camera.clone(), unit.stream);
                if let Some(r) = refusal.filter(|r| !r.told) {
                    self.refused(key.clone(), r);
                }
                if let Some(writing) = self.streams.get_mut(&key) {
                    self.shared.writing.store(true, Ordering::Relaxed);
                    let finished = writing.push(&mut self.desk, *unit);
                    self.shared.writing.store(false, Ordering::Relaxed);
                    self.sync_later(finished);
                }
            }
            Message::Interrupt { key, at, cause, note } => self.interrupt(key, at, cause, &note),
            Message::Expect { key, at } => {
                if self.streams.contains_key(&key) {
                    return;
                }
                if let Err(e) = self.desk.archive.expect(&key.0, key.1, at) {
                    tracing::error!(camera = %key.0, error = %e, "the ledger could not be written");
                }
                let writing = Writing::new(key.0.clone(), key.1, &self.settings);
                self.streams.insert(key, writing);
            }
            Message::Forget { key, at, cause, refusal } => {
                if let Some(r) = refusal.filter(|r| !r.told) {
                    self.refused(key.clone(), r);
                }
                if self.streams.contains_key(&key) {
                    self.interrupt(key.clone(), at, cause, "recording was switched off");
                    self.streams.remove(&key);
                } else if let Err(e) = self.desk.archive.gap_begins(&key.0, key.1, at, cause, "not recorded")
                {
                    tracing::error!(camera = %key.0, error = %e, "the ledger could not be written");
                }
            }
        }
    }
}
