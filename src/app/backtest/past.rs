//! What is known of the past, and how it would be watched today.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;

use crate::alerts::{Alert, Alerts, Filter};
use crate::app::server::{Known, known_models};
use crate::app::watch::Models;
use crate::archive::{Archive, Observations};
use crate::base::{CameraId, Clock, StreamKind, SystemClock, WallSpan};
use crate::config::{self, Settings};
use crate::decode;
use crate::infer::{AnalyticsProfile, Class, Detectors};

/// Stores and settings. Clones share them.
#[derive(Clone)]
pub struct Past {
    pub archive: Arc<Archive>,
    pub observations: Arc<Observations>,
    pub alerts: Arc<Alerts>,
    pub settings: Arc<Settings>,
    pub decode: Arc<decode::Profile>,
}

/// What a camera is looked at with.
pub(super) struct Sight {
    pub profile: AnalyticsProfile,
    pub known: Known,
}

impl Sight {
    /// `None`: motion detection only.
    pub fn models(&self) -> Option<&Models> {
        Some(&self.known.models).filter(|m| !m.loaded.is_empty())
    }

    /// What is found with it.
    pub fn found(&self) -> Vec<Class> {
        let by_models = self.known.models.loaded.values().flat_map(|m| m.classes.iter().copied());
        by_models.chain([Class::Motion]).collect()
    }
}

impl Past {
    /// The past of a site whose server may be running: nothing of it is changed.
    ///
    /// # Errors
    /// One of its stores is not there or cannot be read.
    pub fn open(settings: Settings) -> anyhow::Result<Past> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        for store in [&settings.archive.index, &settings.alerts.store] {
            anyhow::ensure!(
                store.exists(),
                "{} is not there: nothing was recorded with this configuration; check `[server] data`",
                store.display()
            );
        }
        let decode = decode::Profile::load(&settings.pipelines.join("decode"), &settings.decode)?;
        Ok(Past {
            archive: Arc::new(Archive::view(settings.archive.clone(), clock.clone())?),
            observations: Arc::new(Observations::open(&settings.archive.observations)?),
            alerts: Arc::new(Alerts::open(settings.alerts.clone(), clock)?),
            decode: Arc::new(decode),
            settings: Arc::new(settings),
        })
    }

    pub(super) fn camera(&self, id: &CameraId) -> anyhow::Result<&config::Camera> {
        let known = self.settings.cameras.iter().find(|c| c.spec.id == *id);
        known.with_context(|| format!("there is no camera '{id}' in the configuration"))
    }

    /// What `camera` would be looked at with now; what is missing for it stands in the notes.
    pub(super) fn sight(&self, camera: &config::Camera) -> anyhow::Result<Sight> {
        let folder = self.settings.pipelines.join("analytics");
        let profile = AnalyticsProfile::load(&folder, &camera.profile)?;
        let known = known_models(&self.settings.infer, &profile.models);
        Ok(Sight { profile, known })
    }

    /// The models of a sight, ready to look; `None`: motion detection only.
    pub(super) fn detectors(&self, sight: &Sight) -> anyhow::Result<Option<Detectors>> {
        let names: Vec<String> = sight.known.models.loaded.keys().cloned().collect();
        let Some(registry) = sight.known.registry.as_ref().filter(|_| !names.is_empty()) else {
            return Ok(None);
        };
        Ok(Some(Detectors::load(&self.settings.infer, registry, &names)?))
    }

    /// What can be decoded of a camera.
    pub(super) fn recorded(&self, camera: &CameraId, span: WallSpan) -> anyhow::Result<Vec<WallSpan>> {
        Ok(self.archive.coverage(camera, StreamKind::Main, span)?.recorded)
    }

    /// All alerts of a camera in a span, oldest first.
    pub(super) fn raised(&self, camera: &CameraId, span: WallSpan) -> anyhow::Result<Vec<Alert>> {
        let filter = Filter {
            camera: Some(camera.clone()),
            from: Some(span.start),
            to: Some(span.end),
            ..Filter::default()
        };
        let (mut all, mut cursor) = (BTreeMap::new(), None);
        loop {
            let page = self.alerts.list(&filter, cursor.as_deref(), 1000)?;
            all.extend(page.alerts.into_iter().map(|a| ((a.at, a.id), a)));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(all.into_values().collect());
            }
        }
    }
}
