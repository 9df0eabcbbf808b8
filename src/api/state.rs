//! What the handlers work on.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::alerts::Alerts;
use crate::archive::Archive;
use crate::base::task::Stop;
use crate::base::{CameraId, Clock, Kind, Wall};
use crate::camera::{CameraSpec, CameraStatus, WatchLevel};
use crate::rules::RuleSpec;

use super::backtests::Backtests;
use super::problem::Problem;
use super::token_store::TokenStore;

/// The running cameras. `app` implements it over the live topology.
pub trait Cameras: Send + Sync + 'static {
    /// All configured cameras, by id.
    fn list(&self) -> Vec<CameraView>;

    fn get(&self, id: &CameraId) -> Option<CameraView>;

    /// The newest picture of a camera.
    fn snapshot(&self, id: &CameraId) -> BoxFuture<'static, Result<Snapshot, SnapshotError>>;
}

/// One camera as it is now.
#[derive(Clone, Debug)]
pub struct CameraView {
    pub spec: CameraSpec,
    pub status: CameraStatus,
    /// `None`: this camera is not analysed.
    pub analysis: Option<Analysis>,
    /// The rules in force.
    pub rules: Vec<RuleSpec>,
}

/// How the analysis of one camera is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// Name of the analytics profile.
    pub profile: String,
    /// Frames looked at per second, over the last seconds.
    pub fps: f32,
    /// Time of the last frame looked at.
    pub last_frame: Option<Wall>,
    /// How closely it is watched; `None`: not known yet.
    pub watch: Option<WatchLevel>,
}

/// A JPEG picture and the time it shows.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub jpeg: Bytes,
    pub at: Wall,
}

/// Why there is no picture now. `message` is one sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SnapshotError {
    pub kind: Kind,
    pub message: String,
}

/// Whether the server does its work. Each text is a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Ready {
        /// What it does only in part, such as motion standing in for a model.
        limits: Vec<String>,
    },
    NotReady {
        reasons: Vec<String>,
    },
}

/// Everything the API hands out. Clones share it.
#[derive(Clone)]
pub struct ApiState {
    pub cameras: Arc<dyn Cameras>,
    pub archive: Arc<Archive>,
    pub alerts: Arc<Alerts>,
    pub backtests: Arc<dyn Backtests>,
    pub tokens: Arc<TokenStore>,
    pub clock: Arc<dyn Clock>,
    pub health: Arc<dyn Fn() -> Health + Send + Sync>,
    pub metrics: PrometheusHandle,
    /// When cancelled, live streams (SSE) end and the server takes no more requests.
    pub stop: Stop,
}

impl ApiState {
    /// The configured camera.
    pub(super) fn camera(&self, id: &CameraId) -> Result<CameraView, Problem> {
        self.cameras.get(id).ok_or_else(|| unknown_camera(id))
    }

    /// Run `work` on the archive, on a thread where it may block.
    pub(super) async fn with_archive<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Archive) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let archive = self.archive.clone();
        blocking(move || work(&archive)).await
    }

    /// Run `work` on the alerts, on a thread where it may block.
    pub(super) async fn with_alerts<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Alerts) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let alerts = self.alerts.clone();
        blocking(move || work(&alerts)).await
    }
}

pub(super) fn unknown_camera(id: &CameraId) -> Problem {
    Problem::not_found(format!("There is no camera '{id}'; GET /api/v1/cameras lists the configured ones."))
}

/// Run what reads disks or databases where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => Err(Problem::internal(format!("The request failed inside the server ({e}); see its log."))),
    }
}
