//! A changed configuration, applied camera by camera: the others never notice.

use std::sync::Arc;

use tracing::{error, info, warn};

use crate::base::task::{JoinError, Stop};
use crate::config::{self, Changes, Settings};

use super::server::Server;

/// What a reload did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    pub added: usize,
    pub removed: usize,
    /// Streams connected anew.
    pub reconnected: usize,
    /// Only rules, profile or name changed: the stream and its recording went on.
    pub reconfigured: usize,
    /// Keys that take effect at the next start.
    pub needs_restart: Vec<String>,
}

/// Bring the running cameras to `new`. A camera that cannot be brought there is logged and runs on as it
/// was; the settings keep saying so, and the next reload tries again. The rest goes on.
pub async fn apply(server: &Arc<Server>, mut new: Settings, changes: Changes) -> Reloaded {
    let mut done = Reloaded { needs_restart: changes.needs_restart, ..Reloaded::default() };
    for key in &done.needs_restart {
        warn!("{key} has changed; it takes effect at the next start");
    }
    for id in &changes.removed {
        complain(server.remove(id).await);
        done.removed += 1;
        info!(camera = %id, "removed");
    }
    for camera in changes.changed {
        let id = camera.spec.id.clone();
        match change(server, camera, &mut done).await {
            Ok(()) => info!(camera = %id, "changed"),
            Err(e) => {
                error!(camera = %id, "could not be changed: {e:#}");
                let as_it_was = server.camera(&id).map(|c| config::Camera::clone(&c.config.load()));
                new.cameras.retain_mut(|c| match &as_it_was {
                    _ if c.spec.id != id => true,
                    Some(before) => {
                        *c = before.clone();
                        true
                    }
                    None => false,
                });
            }
        }
    }
    for camera in changes.added {
        let id = camera.spec.id.clone();
        match server.add(camera) {
            Ok(()) => {
                done.added += 1;
                info!(camera = %id, "added");
            }
            Err(e) => {
                error!(camera = %id, "could not be added: {e:#}");
                new.cameras.retain(|c| c.spec.id != id);
            }
        }
    }
    server.set_settings(new);
    done
}

/// Change one camera with as little disturbance as can be.
async fn change(server: &Arc<Server>, camera: config::Camera, done: &mut Reloaded) -> anyhow::Result<()> {
    let Some(running) = server.camera(&camera.spec.id) else { return server.add(camera) };
    if *running.spec() == camera.spec {
        let profile = server.profile(&camera)?;
        running.change_analysis(camera, &profile);
        done.reconfigured += 1;
        return Ok(());
    }
    complain(server.reconnect(&running, camera).await?);
    done.reconnected += 1;
    Ok(())
}

fn complain(overdue: Vec<JoinError>) {
    for e in overdue {
        error!("while the configuration changes: {e}");
    }
}

/// Apply every change of the file (or SIGHUP) until told to stop. A file with problems changes
/// nothing: they are logged and the server goes on as it was.
pub async fn until_stopped(server: &Arc<Server>, stop: Stop) {
    let mut watch = match config::Watch::new(&server.settings(), stop.clone()) {
        Ok(watch) => watch,
        Err(e) => {
            warn!("{e}; a changed configuration takes effect at the next start");
            return stop.cancelled().await;
        }
    };
    while watch.next().await.is_some() {
        let running = server.settings();
        let read = tokio::task::spawn_blocking(move || config::reload(&running)).await;
        let (new, changes) = match read {
            Ok(Ok(read)) => read,
            Ok(Err(problems)) => {
                error!("the changed configuration is not used:\n{problems}");
                continue;
            }
            Err(e) => {
                error!("the changed configuration could not be read: {e}");
                continue;
            }
        };
        for warning in &new.warnings {
            warn!("{warning}");
        }
        if let Err(e) = watch.follow(&new) {
            warn!("{e}");
        }
        let done = apply(server, new, changes).await;
        info!(
            added = done.added,
            removed = done.removed,
            reconnected = done.reconnected,
            reconfigured = done.reconfigured,
            "configuration read again"
        );
    }
}
