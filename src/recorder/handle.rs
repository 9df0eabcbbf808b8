//! The way to the recorder. No call blocks; what finds no place is a gap with its cause.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::lane::{Lane, Recorded, lock};
use crate::archive::{Archive, DiskId};
use crate::base::queue::{Refused, Weigh};
use crate::base::{CameraId, Clock, StreamKind, Wall};
use crate::camera::{GapCause, StreamEvent, StreamWhat};
use crate::media::EncodedUnit;

pub(super) enum Message {
    /// A unit of the stream with this number, and what was refused of it before.
    Unit {
        number: usize,
        unit: EncodedUnit,
        refusal: Option<Refusal>,
    },
    Interrupt {
        number: usize,
        at: Wall,
        cause: GapCause,
        note: String,
    },
    Expect {
        stream: Arc<Stream>,
        at: Wall,
    },
    Forget {
        stream: Arc<Stream>,
        at: Wall,
        cause: GapCause,
        /// What was refused before it and is not entered yet.
        refusal: Option<Refusal>,
    },
    /// A stream whose disk failed goes on here.
    Adopt(Box<Recorded>),
}

impl Weigh for Message {
    fn weight(&self) -> usize {
        match self {
            Message::Unit { unit, .. } => unit.weight(),
            _ => 0,
        }
    }
}

/// A unit that found no place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub at: Wall,
    pub cause: GapCause,
    /// The thread has entered the gap already.
    pub told: bool,
}

/// A stream as handle and thread both know it.
pub(super) struct Stream {
    /// Its place in the tables of the threads.
    pub number: usize,
    pub camera: CameraId,
    pub kind: StreamKind,
    /// The disk that records it. A message may still find it on the one before.
    disk: AtomicUsize,
    /// Recording is on.
    on: AtomicBool,
    /// There is a refusal: units are refused until the next key. The usual unit takes no lock for it.
    refusing: AtomicBool,
    refusal: Mutex<Option<Refusal>>,
}

impl Stream {
    pub fn disk(&self) -> DiskId {
        DiskId(self.disk.load(Ordering::Acquire))
    }

    /// What comes from now on goes to that disk's thread.
    pub fn turn_to(&self, disk: DiskId) {
        self.disk.store(disk.0, Ordering::Release);
    }

    fn refuse(&self, refusal: Refusal) {
        let mut place = lock(&self.refusal);
        *place = Some(refusal);
        self.refusing.store(true, Ordering::Release);
    }

    fn take_refusal(&self) -> Option<Refusal> {
        let mut place = lock(&self.refusal);
        self.refusing.store(false, Ordering::Release);
        place.take()
    }

    /// A refusal of which the thread has not heard yet; from now on it has.
    pub fn tell_refusal(&self) -> Option<Refusal> {
        if !self.refusing.load(Ordering::Acquire) {
            return None;
        }
        let mut place = lock(&self.refusal);
        let untold = place.filter(|r| !r.told);
        if let Some(r) = place.as_mut() {
            r.told = true;
        }
        untold
    }
}

type Streams = HashMap<(CameraId, StreamKind), Arc<Stream>>;

/// The way to the recorder.
#[derive(Clone)]
pub struct RecorderHandle {
    /// By the numbers of the disks.
    lanes: Arc<[Lane]>,
    archive: Arc<Archive>,
    streams: Arc<Mutex<Streams>>,
    clock: Arc<dyn Clock>,
}

/// The way of one stream's units into the recorder.
#[derive(Clone)]
pub struct Inlet {
    stream: Arc<Stream>,
    lanes: Arc<[Lane]>,
}

impl Inlet {
    /// Record a unit of this stream, unless its recording is off. When the recorder cannot keep up, the
    /// unit is refused and a gap is entered that ends at the next key taken.
    pub fn unit(&self, unit: EncodedUnit) {
        let stream = &*self.stream;
        if !stream.on.load(Ordering::Acquire) {
            return;
        }
        let mut refusal = None;
        if stream.refusing.load(Ordering::Acquire) {
            if !(unit.key && unit.is_video()) {
                return;
            }
            refusal = stream.take_refusal();
        }
        let lane = &self.lanes[stream.disk().0];
        let (at, video) = (unit.received, unit.is_video());
        let refused = lane.tray.offer(Message::Unit { number: stream.number, unit, refusal });
        // Sound alone makes no gap; the tray counts it.
        if matches!(refused, Err(Refused::Full(_))) && video {
            let disk = lane.writing.load(Ordering::Relaxed);
            let cause = if disk { GapCause::Disk } else { GapCause::Overload };
            stream.refuse(refusal.unwrap_or(Refusal { at, cause, told: false }));
            lane.note_refused();
        }
    }
}

impl RecorderHandle {
    pub(super) fn new(lanes: Arc<[Lane]>, archive: Arc<Archive>, clock: Arc<dyn Clock>) -> RecorderHandle {
        RecorderHandle { lanes, archive, streams: Arc::default(), clock }
    }

    /// Where this stream's units go in.
    pub fn inlet(&self, camera: &CameraId, kind: StreamKind) -> Inlet {
        Inlet { stream: self.stream(camera, kind), lanes: self.lanes.clone() }
    }

    fn stream(&self, camera: &CameraId, kind: StreamKind) -> Arc<Stream> {
        let mut streams = lock(&self.streams);
        let number = streams.len();
        let make = || Stream {
            number,
            camera: camera.clone(),
            kind,
            // Until it is recorded, any will do.
            disk: AtomicUsize::new(self.archive.disks().home_of(camera, kind).map_or(0, |d| d.0)),
            on: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            refusal: Mutex::default(),
        };
        streams.entry((camera.clone(), kind)).or_insert_with(|| Arc::new(make())).clone()
    }

    fn control(&self, stream: &Stream, message: Message) {
        self.lanes[stream.disk().0].control(message);
    }

    /// What ingest says about a stream: when it is lost, its segment is finished and a gap begins.
    pub fn event(&self, event: &StreamEvent) {
        let (cause, note) = match &event.what {
            StreamWhat::Lost { cause, message } => (*cause, message.clone()),
            // Nothing more is expected of footage that has been played.
            StreamWhat::Ended => (GapCause::NotConfigured, "the footage has come to its end".into()),
            StreamWhat::Connecting | StreamWhat::Online { .. } => return,
        };
        let stream = self.stream(&event.camera, event.stream);
        self.control(&stream, Message::Interrupt { number: stream.number, at: event.at, cause, note });
    }

    /// Recording of this stream is on from now, on the disk that holds its newest segment; a stream that
    /// never was recorded gets one.
    pub fn expect(&self, camera: CameraId, kind: StreamKind) {
        let stream = self.stream(&camera, kind);
        if !stream.on.load(Ordering::Acquire) {
            // A unit that was on its way when recording was switched off may have left one since.
            stream.take_refusal();
        }
        let disks = self.archive.disks();
        if disks.home_of(&camera, kind).is_none() {
            let home = disks.best(|_| true).unwrap_or(DiskId(0));
            disks.set_home(&camera, kind, home);
            stream.turn_to(home);
        }
        self.control(&stream, Message::Expect { stream: stream.clone(), at: self.clock.wall() });
        stream.on.store(true, Ordering::Release);
    }

    /// Recording of this stream is off from now; its segment is finished.
    pub fn forget(&self, camera: CameraId, kind: StreamKind, cause: GapCause) {
        let stream = self.stream(&camera, kind);
        stream.on.store(false, Ordering::Release);
        let refusal = stream.take_refusal();
        let at = self.clock.wall();
        self.control(&stream, Message::Forget { stream: stream.clone(), at, cause, refusal });
    }
}
