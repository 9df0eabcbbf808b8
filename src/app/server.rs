//! Starts every stage in the order of the data's way backwards, and stops them forwards: ingest
//! first, then analysis, alerts, the recorder; the API last, so that it can say what is going on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tracing::{error, info, warn};

use crate::alerts::{AlertWriter, Alerts};
use crate::archive::{Archive, Keeper, Observations};
use crate::base::task::{JoinError, Tasks};
use crate::base::{CameraId, Clock, StreamKind};
use crate::camera::{GapCause, StreamEvent, StreamWhat};
use crate::config::{self, Settings};
use crate::decode;
use crate::infer::runtime::Runtime;
use crate::infer::{self, AnalyticsProfile, Detectors, Provider, Registry};
use crate::ingest::{ConnectGate, StatusBoard, Threads};
use crate::recorder::{Recorder, RecorderHandle};
use crate::track::TrackNumbers;

use super::camera::{self, RunningCamera};
use super::watch::{self, Analysis, Desk, Loaded, Models};
use super::{descriptors, metrics};

type Profiles = BTreeMap<String, AnalyticsProfile>;

/// How long each stage may take to stop before it is named as overdue.
pub(super) const STAGE: Duration = Duration::from_secs(5);

/// How often alerts that are too old are looked for.
const PRUNE: Duration = Duration::from_secs(3600);

pub struct Server {
    pub clock: Arc<dyn Clock>,
    pub archive: Arc<Archive>,
    pub observations: Arc<Observations>,
    pub alerts: Arc<Alerts>,
    pub board: Arc<StatusBoard>,
    pub decode: Arc<crate::decode::Profile>,
    /// What the server cannot do and how to mend it, such as missing models.
    pub notices: Vec<String>,
    settings: Mutex<Settings>,
    cameras: Mutex<BTreeMap<CameraId, Arc<RunningCamera>>>,
    cameras_share: camera::Shared,
    /// Taken at the stop: the alert writer ends when nobody can submit any more.
    analyses_share: Mutex<Option<watch::Shared>>,
    stages: Stages,
}

/// Owners of what runs, in the order in which they stop.
struct Stages {
    upkeep: Tasks,
    ingest: Tasks,
    watch: Tasks,
    alerts: Tasks,
    recorder: Tasks,
    archive: Tasks,
}

impl Server {
    /// Start everything but the API. Needs a tokio runtime.
    pub fn start(settings: Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Server>> {
        let stages = Stages {
            upkeep: Tasks::root("upkeep"),
            ingest: Tasks::root("ingest"),
            watch: Tasks::root("watch"),
            alerts: Tasks::root("alerts"),
            recorder: Tasks::root("recorder"),
            archive: Tasks::root("archive"),
        };
        let archive = Arc::new(Archive::open(settings.archive.clone(), clock.clone())?);
        let observations = Arc::new(Observations::open(&settings.archive.observations)?);
        let keeper = Keeper::start(observations.clone(), &stages.archive)?;
        archive.start_retention(&stages.archive)?;
        let alerts = Arc::new(Alerts::open(settings.alerts.clone(), clock.clone())?);
        let writer = AlertWriter::start(alerts.clone(), &stages.alerts)?;
        let recorder: RecorderHandle =
            Recorder::start(settings.recorder.clone(), archive.clone(), clock.clone(), &stages.recorder)?;
        let profiles = load_profiles(&settings)?;
        let (models, detectors, mut notices) = load_models(&settings, &profiles);
        notices.extend(descriptors::raise(settings.cameras.len()));
        for notice in &notices {
            warn!("{notice}");
        }
        let board = StatusBoard::new();
        let decode = Arc::new(decode::Profile::load(&settings.pipelines.join("decode"), &settings.decode)?);
        let desk = Arc::new(Desk::new(settings.watch.workers, settings.watch.max_follow, clock.clone()));
        watch::start(&desk, detectors, &decode, &clock, &stages.watch)?;
        let server = Arc::new(Server {
            cameras_share: camera::Shared {
                recorder,
                board: board.clone(),
                gate: ConnectGate::new(&settings.ingest),
                threads: Arc::new(Threads::start(&settings.ingest, &stages.ingest)?),
                ingest: Arc::new(settings.ingest.clone()),
                clock: clock.clone(),
            },
            analyses_share: Mutex::new(Some(watch::Shared {
                models,
                writer,
                decode: decode.clone(),
                clock: clock.clone(),
                tracks: TrackNumbers::default(),
                desk,
                keeper: Some(keeper),
            })),
            clock,
            archive,
            observations,
            alerts,
            board,
            decode,
            notices,
            cameras: Mutex::default(),
            settings: Mutex::new(settings.clone()),
            stages,
        });
        for camera in &settings.cameras {
            server.add(camera.clone())?;
        }
        server.forget_others(&settings)?;
        server.start_upkeep();
        info!(cameras = settings.cameras.len(), "started");
        Ok(server)
    }

    /// Streams that were recorded once and are not any more: from now on they are not expected.
    fn forget_others(&self, settings: &Settings) -> anyhow::Result<()> {
        for (camera, stream) in self.archive.streams()? {
            let recorded = settings.cameras.iter().any(|c| c.spec.id == camera && c.spec.record);
            if !recorded || stream != StreamKind::Main {
                self.cameras_share.recorder.forget(camera, stream, GapCause::NotConfigured);
            }
        }
        Ok(())
    }

    fn start_upkeep(&self) {
        let (alerts, observations, clock) =
            (self.alerts.clone(), self.observations.clone(), self.clock.clone());
        let keep = self.archive.settings().observations_max_age;
        self.stages.upkeep.spawn("prune", |stop| async move {
            let mut every = tokio::time::interval(PRUNE);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = every.tick() => {}
                }
                let (alerts, now) = (alerts.clone(), clock.wall());
                match tokio::task::spawn_blocking(move || alerts.prune(now)).await {
                    Ok(Ok(0)) => {}
                    Ok(Ok(gone)) => info!(gone, "old alerts were deleted with their pictures"),
                    Ok(Err(e)) => error!("old alerts could not be deleted: {e}"),
                    Err(e) => error!("deleting old alerts failed: {e}"),
                }
                let Some(keep) = keep else { continue };
                let observations = observations.clone();
                match tokio::task::spawn_blocking(move || observations.prune(now - keep)).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(e)) => error!("old observations could not be deleted: {e}"),
                    Err(e) => error!("deleting old observations failed: {e}"),
                }
            }
        });
        self.stages.upkeep.spawn("metrics", |stop| async move {
            let mut every = tokio::time::interval(metrics::UPKEEP);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = every.tick() => metrics::upkeep(),
                }
            }
        });
    }

    /// Owner of work that may be left undone: it is stopped first.
    pub(super) fn later(&self) -> &Tasks {
        &self.stages.upkeep
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CameraId, Arc<RunningCamera>>> {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn cameras(&self) -> Vec<Arc<RunningCamera>> {
        self.lock().values().cloned().collect()
    }

    pub fn camera(&self, id: &CameraId) -> Option<Arc<RunningCamera>> {
        self.lock().get(id).cloned()
    }

    pub fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_settings(&self, settings: Settings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// The analytics profile a camera asks for.
    pub(super) fn profile(&self, camera: &config::Camera) -> anyhow::Result<AnalyticsProfile> {
        let dir = self.settings().pipelines.join("analytics");
        Ok(AnalyticsProfile::load(&dir, &camera.profile)?)
    }

    /// The analysis a camera asks for.
    fn analysis(&self, camera: &config::Camera, profile: &AnalyticsProfile) -> anyhow::Result<Arc<Analysis>> {
        let share = self.analyses_share.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Analysis::start(camera, profile, share.context("the server is stopping")?))
    }

    /// Connect a camera that was not there.
    pub(super) fn add(&self, camera: config::Camera) -> anyhow::Result<()> {
        let analysis = self.analysis(&camera, &self.profile(&camera)?)?;
        self.run(camera, analysis);
        Ok(())
    }

    fn run(&self, camera: config::Camera, analysis: Arc<Analysis>) {
        let id = camera.spec.id.clone();
        let running = RunningCamera::start(camera, analysis, self.cameras_share.clone());
        self.lock().insert(id, Arc::new(running));
    }

    /// Connect a running camera anew, as it is to be from now on. When that cannot be, it runs on as
    /// it was.
    pub(super) async fn reconnect(
        &self,
        running: &RunningCamera,
        camera: config::Camera,
    ) -> anyhow::Result<Vec<JoinError>> {
        // First what can fail.
        let profile = self.profile(&camera)?;
        let errors = running.stop(STAGE).await;
        let analysis = self.analysis(&camera, &profile)?;
        let (id, recorder) = (&camera.spec.id, &self.cameras_share.recorder);
        match (running.spec().record, camera.spec.record) {
            // It is still to be recorded, so what is missing until its first picture counts as missing.
            (true, true) => recorder.event(&StreamEvent {
                camera: id.clone(),
                stream: StreamKind::Main,
                at: self.clock.wall(),
                what: StreamWhat::Lost {
                    cause: GapCause::CameraLost,
                    message: "connecting anew with a changed configuration".into(),
                },
            }),
            (true, false) => recorder.forget(id.clone(), StreamKind::Main, GapCause::NotConfigured),
            (false, _) => {}
        }
        self.board.remove(id);
        self.run(camera, analysis);
        Ok(errors)
    }

    /// Disconnect a camera for good; its recordings stay.
    pub(super) async fn remove(&self, id: &CameraId) -> Vec<JoinError> {
        let Some(running) = self.lock().remove(id) else { return Vec::new() };
        let errors = running.stop(STAGE).await;
        if running.spec().record {
            self.cameras_share.recorder.forget(id.clone(), StreamKind::Main, GapCause::NotConfigured);
        }
        self.board.remove(id);
        errors
    }

    /// Stop everything in the order of the data's way. What overran its deadline is returned.
    pub async fn stop(&self) -> Vec<JoinError> {
        let mut errors = self.stages.upkeep.stop_and_join(STAGE).await;
        let cameras = std::mem::take(&mut *self.lock());
        let stops = cameras.values().map(|c| c.stop(STAGE));
        errors.extend(futures_util::future::join_all(stops).await.into_iter().flatten());
        drop(cameras);
        errors.extend(self.stages.ingest.stop_and_join(STAGE).await);
        drop(self.analyses_share.lock().unwrap_or_else(PoisonError::into_inner).take());
        errors.extend(self.stages.watch.stop_and_join(STAGE).await);
        errors.extend(self.stages.alerts.stop_and_join(STAGE).await);
        errors.extend(self.stages.recorder.stop_and_join(STAGE * 2).await);
        errors.extend(self.stages.archive.stop_and_join(STAGE).await);
        for e in &errors {
            error!("while stopping: {e}");
        }
        errors
    }
}

/// Models that were asked for and are here.
pub(super) struct Known {
    pub models: Models,
    /// `None`: there is none, or nothing was asked for.
    pub registry: Option<Registry>,
    /// What is missing, and what stands in.
    pub notices: Vec<String>,
}

/// Which of the models are here, in the form that their manifests say.
pub(super) fn known_models(settings: &infer::Settings, wanted: &[String]) -> Known {
    let mut known = Known { models: Models::default(), registry: None, notices: Vec::new() };
    if wanted.is_empty() {
        return known;
    }
    let registry = match Registry::open(&settings.manifests, &settings.store) {
        Ok(registry) => registry,
        Err(e) => {
            known.notices.push(format!("{e}; motion detection stands in"));
            return known;
        }
    };
    if let Err(e) = Runtime::start(settings.runtime.as_deref()) {
        known.notices.push(format!("{e}; motion detection stands in"));
        return known;
    }
    for name in wanted {
        match registry.verify(name).and_then(|_| registry.manifest(name)) {
            Ok(manifest) => {
                let loaded = Loaded {
                    classes: manifest.classes.ours(),
                    sha256: manifest.sha256.clone(),
                    manifest_sha256: manifest.digest.clone(),
                };
                known.models.loaded.insert(name.clone(), loaded);
            }
            Err(e) => known.notices.push(format!("{e}; motion detection stands in")),
        }
    }
    known.registry = Some(registry);
    known
}

/// The models that the cameras' profiles name and that are here, loaded once for each worker; and what is
/// missing.
fn load_models(
    settings: &Settings,
    profiles: &Profiles,
) -> (Option<Models>, Vec<Option<Detectors>>, Vec<String>) {
    let without = |notices| (None, (0..settings.watch.workers).map(|_| None).collect(), notices);
    let mut wanted: Vec<String> = profiles.values().flat_map(|p| p.models.iter().cloned()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let Known { models, registry, mut notices } = known_models(&settings.infer, &wanted);
    let names: Vec<String> = models.loaded.keys().cloned().collect();
    let Some(registry) = registry.filter(|_| !names.is_empty()) else { return without(notices) };
    let load = |infer: &infer::Settings| -> Result<Vec<_>, _> {
        (0..settings.watch.workers).map(|_| Detectors::load(infer, &registry, &names).map(Some)).collect()
    };
    let loaded = load(&settings.infer).or_else(|e| match e {
        infer::Error::Provider { .. } => {
            notices.push(format!("{e}; until then models run on the CPU"));
            load(&infer::Settings { provider: Provider::Cpu, ..settings.infer.clone() })
        }
        other => Err(other),
    });
    match loaded {
        Ok(detectors) => (Some(models), detectors, notices),
        Err(e) => {
            notices.push(format!("{e}; motion detection stands in"));
            without(notices)
        }
    }
}

/// The profiles that the cameras name.
fn load_profiles(settings: &Settings) -> anyhow::Result<Profiles> {
    let mut profiles = Profiles::new();
    for camera in &settings.cameras {
        if !profiles.contains_key(&camera.profile) {
            let profile = AnalyticsProfile::load(&settings.pipelines.join("analytics"), &camera.profile)?;
            profiles.insert(camera.profile.clone(), profile);
        }
    }
    Ok(profiles)
}
