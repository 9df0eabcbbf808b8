//! One running camera: its streams, and where their access units go.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::future::BoxFuture;

use crate::base::task::{JoinError, Tasks};
use crate::base::{Clock, StreamKind};
use crate::camera::{CameraSpec, SourceSpec, StreamEvent};
use crate::config;
use crate::infer::AnalyticsProfile;
use crate::ingest::{self, ConnectGate, Sink, StatusBoard, StreamJob, Threads};
use crate::media::EncodedUnit;
use crate::recorder::{Inlet, RecorderHandle};

use super::watch::Analysis;

/// What all cameras share.
#[derive(Clone)]
pub struct Shared {
    pub recorder: RecorderHandle,
    pub board: Arc<StatusBoard>,
    pub gate: Arc<ConnectGate>,
    /// RTSP cameras run here. Footage runs on the starter's runtime: played as fast as possible, it
    /// would wait a tick each time its taker is behind.
    pub threads: Arc<Threads>,
    pub ingest: Arc<ingest::Settings>,
    pub clock: Arc<dyn Clock>,
}

pub struct RunningCamera {
    pub config: ArcSwap<config::Camera>,
    out: Arc<Outlet>,
    tasks: Tasks,
}

/// Where one camera's streams lead.
struct Outlet {
    spec: CameraSpec,
    analysis: Arc<Analysis>,
    /// The newest keyframe of the main stream, for a picture on demand.
    last_key: ArcSwapOption<EncodedUnit>,
    shared: Shared,
    /// Into the recorder, for the main stream.
    recording: Inlet,
}

impl Sink for Outlet {
    fn unit(&self, unit: EncodedUnit) {
        if unit.stream == StreamKind::Main && unit.key && unit.is_video() {
            self.last_key.store(Some(Arc::new(unit.clone())));
        }
        if unit.stream == self.spec.analysed() {
            self.analysis.unit(unit.clone());
        }
        if unit.stream == StreamKind::Main && self.spec.record {
            self.recording.unit(unit);
        }
    }

    fn event(&self, event: StreamEvent) {
        if event.stream != StreamKind::Main {
            return;
        }
        self.analysis.event(event.clone());
        if self.spec.record {
            self.shared.recorder.event(&event);
        }
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.analysis.ready())
    }
}

impl RunningCamera {
    /// Start the camera's streams. Needs a tokio runtime.
    pub fn start(camera: config::Camera, analysis: Arc<Analysis>, shared: Shared) -> RunningCamera {
        let spec = camera.spec.clone();
        if spec.record {
            shared.recorder.expect(spec.id.clone(), StreamKind::Main);
        }
        let out = Arc::new(Outlet {
            spec: spec.clone(),
            analysis,
            last_key: ArcSwapOption::empty(),
            recording: shared.recorder.inlet(&spec.id, StreamKind::Main),
            shared: shared.clone(),
        });
        let tasks = Tasks::root(&format!("ingest/{}", spec.id));
        for (kind, stream) in spec.streams() {
            let job = StreamJob {
                camera: spec.id.clone(),
                kind,
                spec: stream.clone(),
                want_audio: spec.audio && kind == StreamKind::Main,
            };
            let shared = shared.clone();
            let sink = shared.board.watch(&spec.id, kind, shared.clock.wall(), out.clone());
            let ticking = matches!(job.spec.source, SourceSpec::Rtsp { .. }).then(|| shared.threads.deal());
            let _on = ticking.as_ref().map(|runtime| runtime.enter());
            tasks.spawn(kind.as_str(), |stop| {
                ingest::run(job, sink, shared.gate, shared.ingest, shared.clock, stop)
            });
        }
        RunningCamera { config: ArcSwap::from_pointee(camera), out, tasks }
    }

    pub fn spec(&self) -> &CameraSpec {
        &self.out.spec
    }

    pub fn analysis(&self) -> &Arc<Analysis> {
        &self.out.analysis
    }

    pub fn last_key(&self) -> Option<Arc<EncodedUnit>> {
        self.out.last_key.load_full()
    }

    /// Watch it by another configuration; the stream and its recording go on undisturbed.
    pub fn change_analysis(&self, camera: config::Camera, profile: &AnalyticsProfile) {
        self.out.analysis.change(&camera, profile);
        self.config.store(Arc::new(camera));
    }

    /// Stop the streams, then let the analysis drain.
    pub async fn stop(&self, within: Duration) -> Vec<JoinError> {
        let errors = self.tasks.stop_and_join(within).await;
        self.out.analysis.stop(within).await;
        errors
    }
}
