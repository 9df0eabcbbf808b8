//! How every stream is doing, for the API and for metrics.
//!
//! Each stream writes to a cell of its own; only listing, adding and removing take the board's lock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use futures_util::future::BoxFuture;
use metrics::{Counter, Gauge, counter, gauge};

use crate::base::metrics::{
    CAMERA_ONLINE, CAMERA_RECONNECTS, INGEST_BYTES, INGEST_PACKETS_LOST, INGEST_UNITS,
};
use crate::base::{CameraId, StreamKind, Wall};
use crate::camera::{CameraStatus, StreamEvent, StreamState, StreamStatus, StreamWhat};
use crate::media::{EncodedUnit, Params};

use super::sink::Sink;

/// The state of all streams.
#[derive(Default)]
pub struct StatusBoard {
    cells: RwLock<BTreeMap<CameraId, BTreeMap<StreamKind, Arc<Cell>>>>,
}

struct Cell {
    units: AtomicU64,
    bytes: AtomicU64,
    packets_lost: AtomicU64,
    reconnects: AtomicU64,
    /// Microseconds; `i64::MIN` while there was none.
    last_unit: AtomicI64,
    slow: Mutex<Slow>,
    meters: Meters,
}

/// What changes with connections only.
struct Slow {
    state: StreamState,
    since: Wall,
    connections: u64,
    params: Option<Arc<Params>>,
}

struct Meters {
    online: Gauge,
    reconnects: Counter,
    units: Counter,
    bytes: Counter,
    lost: Counter,
}

impl StatusBoard {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A sink that keeps the stream's place on the board and passes everything on to `inner`. A stream
    /// that was on the board begins from nothing.
    pub fn watch(
        &self,
        camera: &CameraId,
        stream: StreamKind,
        now: Wall,
        inner: Arc<dyn Sink>,
    ) -> Arc<dyn Sink> {
        let cell = Arc::new(Cell::new(camera, stream, now));
        let mut cells = self.cells.write().unwrap_or_else(PoisonError::into_inner);
        cells.entry(camera.clone()).or_default().insert(stream, cell.clone());
        Arc::new(Watched { cell, inner })
    }

    /// Take a camera that is no longer configured off the board.
    pub fn remove(&self, camera: &CameraId) {
        let mut cells = self.cells.write().unwrap_or_else(PoisonError::into_inner);
        for cell in cells.remove(camera).unwrap_or_default().values() {
            cell.meters.online.set(0.0);
        }
    }

    /// A camera with its streams.
    pub fn camera(&self, camera: &CameraId) -> Option<CameraStatus> {
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner).get(camera)?.clone();
        let streams = cells.iter().map(|(stream, cell)| cell.status(*stream)).collect();
        Some(CameraStatus { camera: camera.clone(), streams })
    }
}

impl Cell {
    fn new(camera: &CameraId, stream: StreamKind, now: Wall) -> Self {
        let labels = [("camera", camera.to_string()), ("stream", stream.to_string())];
        let meters = Meters {
            online: gauge!(CAMERA_ONLINE, &labels),
            reconnects: counter!(CAMERA_RECONNECTS, &labels),
            units: counter!(INGEST_UNITS, &labels),
            bytes: counter!(INGEST_BYTES, &labels),
            lost: counter!(INGEST_PACKETS_LOST, &labels),
        };
        meters.online.set(0.0);
        Cell {
            units: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            packets_lost: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            last_unit: AtomicI64::new(i64::MIN),
            slow: Mutex::new(Slow {
                state: StreamState::Connecting,
                since: now,
                connections: 0,
                params: None,
            }),
            meters,
        }
    }

    fn on_unit(&self, unit: &EncodedUnit) {
        let (bytes, lost) = (unit.data.len() as u64, u64::from(unit.lost_before));
        self.units.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.last_unit.store(unit.received.0, Relaxed);
        self.meters.units.increment(1);
        self.meters.bytes.increment(bytes);
        if lost > 0 {
            self.packets_lost.fetch_add(lost, Relaxed);
            self.meters.lost.increment(lost);
        }
        // Uncontended but for a status query; a picture's parameters are the format's.
        if unit.key && unit.is_video() {
            self.slow.lock().unwrap_or_else(PoisonError::into_inner).params = Some(unit.params.clone());
        }
    }

    fn on_event(&self, event: &StreamEvent) {
        let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        let state = match &event.what {
            // An attempt does not yet change that the camera is away, nor the reason.
            StreamWhat::Connecting if matches!(slow.state, StreamState::Offline { .. }) => {
                self.count_attempt(&mut slow);
                return;
            }
            StreamWhat::Connecting => {
                self.count_attempt(&mut slow);
                StreamState::Connecting
            }
            StreamWhat::Online { .. } => StreamState::Online,
            StreamWhat::Lost { cause, message } => {
                StreamState::Offline { cause: *cause, message: message.clone() }
            }
            StreamWhat::Ended => StreamState::Ended,
        };
        let same_kind = slow.state.as_str() == state.as_str();
        self.meters.online.set(if state == StreamState::Online { 1.0 } else { 0.0 });
        slow.state = state;
        if !same_kind {
            slow.since = event.at;
        }
    }

    fn count_attempt(&self, slow: &mut Slow) {
        slow.connections += 1;
        if slow.connections > 1 {
            self.reconnects.fetch_add(1, Relaxed);
            self.meters.reconnects.increment(1);
        }
    }

    fn status(&self, stream: StreamKind) -> StreamStatus {
        let slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.last_unit.load(Relaxed);
        let format = slow
            .params
            .as_ref()
            .and_then(|p| p.video())
            .map(|v| format!("{} {}x{}", v.codec.as_str(), v.width, v.height));
        StreamStatus {
            stream,
            state: slow.state.clone(),
            since: slow.since,
            last_unit: (last != i64::MIN).then_some(Wall(last)),
            reconnects: self.reconnects.load(Relaxed),
            units: self.units.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            packets_lost: self.packets_lost.load(Relaxed),
            format,
        }
    }
}

struct Watched {
    cell: Arc<Cell>,
    inner: Arc<dyn Sink>,
}

impl Sink for Watched {
    fn unit(&self, unit: EncodedUnit) {
        self.cell.on_unit(&unit);
        self.inner.unit(unit);
    }

    fn event(&self, event: StreamEvent) {
        self.cell.on_event(&event);
        self.inner.event(event);
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        self.inner.ready()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::GapCause;

    struct Nowhere;
    impl Sink for Nowhere {
        fn unit(&self, _: EncodedUnit) {}
        fn event(&self, _: StreamEvent) {}
    }

    #[test]
    fn a_lost_camera_keeps_its_reason_and_hour_while_it_is_tried_again() {
        let board = StatusBoard::new();
        let camera = CameraId::new("gate").unwrap();
        let sink = board.watch(&camera, StreamKind::Main, Wall::from_secs(0), Arc::new(Nowhere));
        let tell = |secs, what| {
            let at = Wall::from_secs(secs);
            sink.event(StreamEvent { camera: camera.clone(), stream: StreamKind::Main, at, what });
        };
        let lost = || StreamWhat::Lost { cause: GapCause::CameraLost, message: "no answer".into() };
        tell(1, StreamWhat::Connecting);
        tell(2, StreamWhat::Online { connection: 1 });
        tell(3, lost());
        tell(4, StreamWhat::Connecting);
        tell(5, lost());
        let status = &board.camera(&camera).unwrap().streams[0];
        assert_eq!(
            (status.state.as_str(), status.since, status.reconnects),
            ("offline", Wall::from_secs(3), 1)
        );
        tell(6, StreamWhat::Connecting);
        tell(7, StreamWhat::Online { connection: 3 });
        assert_eq!(board.camera(&camera).unwrap().streams[0].state, StreamState::Online);
        board.remove(&camera);
        assert!(board.camera(&camera).is_none());
    }
}
