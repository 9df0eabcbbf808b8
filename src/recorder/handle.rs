//! The way to the recorder. No call blocks; what finds no place is a gap with its cause.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::queue::{Refused, Weigh};
use crate::base::tray;
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
    /// Recording is on.
    on: AtomicBool,
    /// There is a refusal: units are refused until the next key. The usual unit takes no lock for it.
    refusing: AtomicBool,
    refusal: Mutex<Option<Refusal>>,
}

impl Stream {
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

/// What the handles and one disk's thread share. Lock order: `late`, then the tray's own.
pub(super) struct Lane {
    tray: tray::Sender<Message>,
    /// Control messages that found the tray full; taken when it is empty again.
    late: Mutex<VecDeque<Message>>,
    /// The thread is writing: a full tray then is the disk's doing.
    pub writing: Arc<AtomicBool>,
    /// Something was refused since the thread looked.
    refused: AtomicBool,
}

/// Control messages kept for a recorder that is stuck: far more than there are cameras.
const MAX_LATE: usize = 8192;

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lane {
    pub fn new(tray: tray::Sender<Message>) -> Lane {
        Lane { tray, late: Mutex::default(), writing: Arc::default(), refused: AtomicBool::new(false) }
    }

    /// What must not be lost, in order.
    fn control(&self, message: Message) {
        let mut late = lock(&self.late);
        // Behind one that is late: what was switched on and off must stay in this order.
        let refused = match late.is_empty() {
            true => self.tray.offer(message),
            false => Err(Refused::Full(message)),
        };
        if let Err(Refused::Full(message)) = refused {
            if late.len() == MAX_LATE {
                late.pop_front();
            }
            late.push_back(message);
        }
    }

    pub fn take_late(&self) -> VecDeque<Message> {
        std::mem::take(&mut *lock(&self.late))
    }

    /// Whether anything was refused since the last call.
    pub fn take_refused(&self) -> bool {
        // Usually not, and then nobody else's cache line is written to.
        self.refused.load(Ordering::Acquire) && self.refused.swap(false, Ordering::AcqRel)
    }
}

/// The way to the recorder.
#[derive(Clone)]
pub struct RecorderHandle {
    lane: Arc<Lane>,
    streams: Arc<Mutex<HashMap<(CameraId, StreamKind), Arc<Stream>>>>,
    clock: Arc<dyn Clock>,
}

/// The way of one stream's units into the recorder.
#[derive(Clone)]
pub struct Inlet {
    stream: Arc<Stream>,
    lane: Arc<Lane>,
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
        let (at, video) = (unit.received, unit.is_video());
        let refused = self.lane.tray.offer(Message::Unit { number: stream.number, unit, refusal });
        // Sound alone makes no gap; the tray counts it.
        if matches!(refused, Err(Refused::Full(_))) && video {
            let disk = self.lane.writing.load(Ordering::Relaxed);
            let cause = if disk { GapCause::Disk } else { GapCause::Overload };
            stream.refuse(refusal.unwrap_or(Refusal { at, cause, told: false }));
            self.lane.refused.store(true, Ordering::Release);
        }
    }
}

impl RecorderHandle {
    pub(super) fn new(lane: Arc<Lane>, clock: Arc<dyn Clock>) -> RecorderHandle {
        RecorderHandle { lane, streams: Arc::default(), clock }
    }

    /// Where this stream's units go in.
    pub fn inlet(&self, camera: &CameraId, kind: StreamKind) -> Inlet {
        Inlet { stream: self.stream(camera, kind), lane: self.lane.clone() }
    }

    fn stream(&self, camera: &CameraId, kind: StreamKind) -> Arc<Stream> {
        let mut streams = lock(&self.streams);
        let number = streams.len();
        let make = || Stream {
            number,
            camera: camera.clone(),
            kind,
            on: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            refusal: Mutex::default(),
        };
        streams.entry((camera.clone(), kind)).or_insert_with(|| Arc::new(make())).clone()
    }

    /// What ingest says about a stream: when it is lost, its segment is finished and a gap begins.
    pub fn event(&self, event: &StreamEvent) {
        let (cause, note) = match &event.what {
            StreamWhat::Lost { cause, message } => (*cause, message.clone()),
            // Nothing more is expected of footage that has been played.
            StreamWhat::Ended => (GapCause::NotConfigured, "the footage has come to its end".into()),
            StreamWhat::Connecting | StreamWhat::Online { .. } => return,
        };
        let number = self.stream(&event.camera, event.stream).number;
        self.lane.control(Message::Interrupt { number, at: event.at, cause, note });
    }

    /// Recording of this stream is on from now.
    pub fn expect(&self, camera: CameraId, kind: StreamKind) {
        let stream = self.stream(&camera, kind);
        if !stream.on.load(Ordering::Acquire) {
            // A unit that was on its way when recording was switched off may have left one since.
            stream.take_refusal();
        }
        self.lane.control(Message::Expect { stream: stream.clone(), at: self.clock.wall() });
        stream.on.store(true, Ordering::Release);
    }

    /// Recording of this stream is off from now; its segment is finished.
    pub fn forget(&self, camera: CameraId, kind: StreamKind, cause: GapCause) {
        let stream = self.stream(&camera, kind);
        stream.on.store(false, Ordering::Release);
        let refusal = stream.take_refusal();
        self.lane.control(Message::Forget { stream, at: self.clock.wall(), cause, refusal });
    }
}
