//! Answers the API's questions about the running cameras.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::alerts::snapshot;
use crate::api::{Analysis, CameraView, Cameras, Health, Snapshot, SnapshotError};
use crate::archive;
use crate::base::{CameraId, Kind};

use super::camera::RunningCamera;
use super::server::Server;
use super::still;

/// Less free space than this holds no camera's next fragments.
const LEAST_FREE: u64 = 16 << 20;

pub struct Directory(pub Arc<Server>);

impl Directory {
    fn view(&self, running: &RunningCamera) -> Option<CameraView> {
        let config = running.config.load();
        let status = self.0.board.camera(&config.spec.id)?;
        let analysis = Some(running.analysis()).filter(|a| a.looks()).map(|a| {
            let figures = a.figures();
            Analysis {
                profile: config.profile.clone(),
                fps: figures.fps,
                last_frame: figures.last_frame,
                watch: figures.level,
            }
        });
        Some(CameraView { spec: config.spec.clone(), status, analysis, rules: config.rules.clone() })
    }

    /// Whether the server does its work; if not, why and what to do. Asks the disk: not for hot paths.
    pub fn health(&self) -> Health {
        let disks = self.0.archive.disks().all();
        let bad: Vec<String> = disks.iter().filter_map(trouble_with).collect();
        if bad.len() == disks.len() {
            return Health::NotReady { reasons: bad };
        }
        let notices = self.0.notices.iter().map(|n| format!("{n}."));
        Health::Ready { limits: notices.chain(bad).collect() }
    }
}

/// What keeps this disk from taking recordings. Others then take them, if there are any.
fn trouble_with(disk: &archive::Disk) -> Option<String> {
    let root = disk.root.display();
    match archive::disks::free_bytes(&disk.root) {
        Ok(_) if !disk.present => Some(format!(
            "The archive's disk {root} was not there at the start: mount it and start the server again."
        )),
        Ok(free) if free >= LEAST_FREE => None,
        Ok(_) => Some(format!(
            "The archive's disk ({root}) is full and recordings have gaps: make room, or lower [archive] max_bytes."
        )),
        Err(e) => Some(format!("The archive folder {root} cannot be reached ({e}): check its disk.")),
    }
}

impl Cameras for Directory {
    fn list(&self) -> Vec<CameraView> {
        self.0.cameras().iter().filter_map(|c| self.view(c)).collect()
    }

    fn get(&self, id: &CameraId) -> Option<CameraView> {
        self.view(&*self.0.camera(id)?)
    }

    fn snapshot(&self, id: &CameraId) -> BoxFuture<'static, Result<Snapshot, SnapshotError>> {
        let key = self.0.camera(id).and_then(|c| c.last_key());
        let (id, decode) = (id.clone(), self.0.decode.clone());
        async move {
            let unavailable = |message: String| SnapshotError { kind: Kind::Unavailable, message };
            let key = key.ok_or_else(|| {
                unavailable(format!(
                    "camera {id} has not delivered a picture yet; look at its state and try again"
                ))
            })?;
            let work = tokio::task::spawn_blocking(move || {
                let frame = still::decode(&key, &decode)?;
                let jpeg = snapshot::render(&frame.image, &[], snapshot::Style::default())?;
                anyhow::Ok(Snapshot { jpeg: Bytes::from(jpeg), at: frame.at })
            });
            match work.await {
                Ok(Ok(snapshot)) => Ok(snapshot),
                Ok(Err(e)) => Err(unavailable(format!("{e:#}"))),
                Err(e) => Err(SnapshotError {
                    kind: Kind::Internal,
                    message: format!("making the picture failed: {e}"),
                }),
            }
        }
        .boxed()
    }
}
