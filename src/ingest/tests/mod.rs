//! Ingest against what others wrote: real sockets, real footage.

mod cut;
mod differential;
mod direct;
mod footage;
mod reconnect;
mod rtsp;
mod scripted;
mod server;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use crate::base::task::Stop;
use crate::base::{CameraId, Clock, StreamKind, SystemClock};
use crate::camera::{SourceSpec, StreamEvent, StreamSpec, StreamWhat, Transport};
use crate::media::EncodedUnit;

use super::direct::Wanted;
use super::{ConnectGate, Settings, Sink, StreamJob};

/// A clip of the shared footage; says so and gives `None` where there is none.
pub(super) fn clip(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("PINGAN_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
    let path = shared.join("footage").join(name);
    if !path.exists() {
        eprintln!("skipped: ../shared is not there");
        return None;
    }
    Some(path)
}

/// How the tests of our client read a camera.
fn wanted(transport: Transport, audio: bool, limit: usize) -> Wanted {
    Wanted { transport, audio, limit, clock: Arc::new(SystemClock::new()) }
}

/// Keeps all that is delivered, and lets a test wait for it.
#[derive(Default)]
pub(super) struct Collected {
    pub units: Mutex<Vec<EncodedUnit>>,
    pub events: Mutex<Vec<StreamWhat>>,
    changed: Notify,
}

impl Sink for Collected {
    fn unit(&self, unit: EncodedUnit) {
        self.units.lock().unwrap().push(unit);
        self.changed.notify_waiters();
    }

    fn event(&self, event: StreamEvent) {
        self.events.lock().unwrap().push(event.what);
        self.changed.notify_waiters();
    }
}

impl Collected {
    /// Waits until `done` holds; gives up after a minute, telling what there was.
    pub async fn wait(&self, what: &str, done: impl Fn(&[EncodedUnit], &[StreamWhat]) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if done(&self.units.lock().unwrap(), &self.events.lock().unwrap()) {
                    return;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(60), wait).await.is_err() {
            let count = self.units.lock().unwrap().len();
            panic!("no {what}; {count} units and {:?}", self.events.lock().unwrap());
        }
    }

    pub fn pictures(&self) -> Vec<EncodedUnit> {
        self.units.lock().unwrap().iter().filter(|u| u.is_video()).cloned().collect()
    }

    /// Message of the first loss.
    pub fn lost(&self) -> Option<String> {
        self.events.lock().unwrap().iter().find_map(lost_message)
    }
}

pub(super) fn lost_message(what: &StreamWhat) -> Option<String> {
    match what {
        StreamWhat::Lost { message, .. } => Some(message.clone()),
        _ => None,
    }
}

/// A stream being kept connected in the background.
pub(super) struct Running {
    pub seen: Arc<Collected>,
    stop: Stop,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    pub fn start(source: SourceSpec, want_audio: bool) -> Self {
        Running::start_with(source, want_audio, Settings::default())
    }

    pub fn start_with(source: SourceSpec, want_audio: bool, settings: Settings) -> Self {
        let seen = Arc::new(Collected::default());
        let stop = Stop::new();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let job = StreamJob {
            camera: CameraId::new("cam").unwrap(),
            kind: StreamKind::Main,
            spec: StreamSpec { source, silence: Duration::from_secs(10) },
            want_audio,
        };
        let gate = ConnectGate::new(&settings);
        let task = tokio::spawn(super::run(job, seen.clone(), gate, Arc::new(settings), clock, stop.clone()));
        Running { seen, stop, task }
    }

    /// Waits for the end by itself.
    pub async fn finished(self) -> Arc<Collected> {
        let ended = tokio::time::timeout(Duration::from_secs(120), self.task).await;
        ended.expect("the stream did not end").unwrap();
        self.seen
    }

    pub async fn stop(self) -> Arc<Collected> {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(10), self.task).await;
        ended.expect("the stream did not stop").unwrap();
        self.seen
    }
}

/// What must hold for the units of any one connection.
pub(super) fn check_line(units: &[EncodedUnit]) {
    let mut shown = std::collections::BTreeSet::new();
    for pair in units.windows(2) {
        assert!(pair[1].dts >= pair[0].dts, "decoding time went back at {:?}", pair[1].pts);
        assert!(pair[1].received >= pair[0].received, "server time went back at {:?}", pair[1].pts);
    }
    for u in units {
        assert!(u.dts <= u.pts, "{:?} is decoded after it is shown, at {:?}", u.pts, u.dts);
        assert!(shown.insert(u.pts), "two pictures are shown at {:?}", u.pts);
        assert!(crate::media::h26x::is_well_formed(&u.data));
    }
    assert!(units[0].key && units[0].pts.0 == 0, "it begins with {:?}", units[0].pts);
}
