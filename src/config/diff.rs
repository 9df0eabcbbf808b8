//! What a changed configuration means for a running server.

use std::collections::HashMap;

use crate::base::CameraId;

use super::problem::Problems;
use super::settings::{Camera, Settings};

/// What to do to get from one configuration to the next. Cameras that are in none of the lists keep
/// running untouched.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Changes {
    pub added: Vec<Camera>,
    pub removed: Vec<CameraId>,
    /// As they are to be now.
    pub changed: Vec<Camera>,
    /// Keys that differ and take effect with the next start only.
    pub needs_restart: Vec<String>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }
}

/// The way from `old` to `new`, cameras in the order of their files.
pub fn diff(old: &Settings, new: &Settings) -> Changes {
    let before: HashMap<&CameraId, &Camera> = old.cameras.iter().map(|c| (&c.spec.id, c)).collect();
    let mut changes = Changes { needs_restart: needs_restart(old, new), ..Changes::default() };
    let mut gone = before.clone();
    for camera in &new.cameras {
        gone.remove(&camera.spec.id);
        match before.get(&camera.spec.id) {
            None => changes.added.push(camera.clone()),
            Some(b) if *b != camera => changes.changed.push(camera.clone()),
            Some(_) => {}
        }
    }
    let removed = old.cameras.iter().map(|c| &c.spec.id).filter(|id| gone.contains_key(id));
    changes.removed = removed.cloned().collect();
    changes
}

/// Read the file again. The new settings have the new cameras and otherwise what is running, so that
/// a key that waits for a restart is named by every reload until then.
///
/// Reads files: not for async code.
///
/// # Errors
/// All problems; then `running` goes on unchanged.
pub fn reload(running: &Settings) -> Result<(Settings, Changes), Problems> {
    let new = super::load(&running.file)?;
    let changes = diff(running, &new);
    let Settings { folders, cameras, warnings, .. } = new;
    Ok((Settings { folders, cameras, warnings, ..running.clone() }, changes))
}

fn needs_restart(old: &Settings, new: &Settings) -> Vec<String> {
    let keys = compared(old, new).into_iter();
    keys.filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned()).collect()
}

/// Every key outside of `[defaults]` and `[[camera]]`, and whether it differs.
fn compared(old: &Settings, new: &Settings) -> Vec<(&'static str, bool)> {
    macro_rules! differing {
        ($($key:literal: $($field:ident).+),+ $(,)?) => {
            vec![$(($key, old.$($field).+ != new.$($field).+)),+]
        };
    }
    differing! {
        "server.data": data,
        "server.pipelines": pipelines,
        "server.listen": api.listen,
        "server.tokens": api.tokens,
        "archive.root": archive.root,
        "archive.more_roots": archive.more_roots,
        "archive.index": archive.index,
        "archive.max_age": archive.retention.max_age,
        "archive.max_bytes": archive.retention.max_bytes,
        "archive.min_free": archive.retention.min_free_bytes,
        "archive.observations": archive.observations,
        "archive.observations_max_age": archive.observations_max_age,
        "recorder.segment": recorder.segment,
        "recorder.max_fragment": recorder.max_fragment,
        "recorder.max_fragment_bytes": recorder.max_fragment_bytes,
        "recorder.queue_bytes": recorder.queue_bytes,
        "ingest.threads": ingest.threads,
        "ingest.tick": ingest.tick,
        "ingest.connects_per_second": ingest.connects_per_second,
        "ingest.connects_at_once": ingest.connects_at_once,
        "ingest.connect_timeout": ingest.connect_timeout,
        "ingest.backoff_min": ingest.backoff_min,
        "ingest.backoff_max": ingest.backoff_max,
        "ingest.max_unit_bytes": ingest.max_unit_bytes,
        "ingest.certificates": ingest.certificates,
        "decode.profile": decode,
        "watch.workers": watch.workers,
        "watch.max_follow": watch.max_follow,
        "infer.runtime": infer.runtime,
        "infer.manifests": infer.manifests,
        "infer.store": infer.store,
        "infer.provider": infer.provider,
        "alerts.store": alerts.store,
        "alerts.snapshots": alerts.snapshots,
        "alerts.max_age": alerts.max_age,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::config::load;

    fn ids<'a>(cameras: impl IntoIterator<Item = &'a Camera>) -> Vec<&'a str> {
        cameras.into_iter().map(|c| c.spec.id.as_str()).collect()
    }

    fn write(file: &Path, server: &str, cameras: &[(&str, &str)]) {
        let mut text = format!("[server]\n{server}\n");
        for (id, rest) in cameras {
            text += &format!("[[camera]]\nid = \"{id}\"\nurl = \"rtsp://cam/{id}\"\n{rest}\n");
        }
        fs::write(file, text).unwrap();
    }

    #[test]
    fn a_reload_names_exactly_the_cameras_that_differ() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("site.toml");
        write(&file, "", &[("a", ""), ("b", ""), ("c", ""), ("d", "")]);
        let running = load(&file).unwrap();
        assert!(diff(&running, &running).is_empty());

        write(&file, "", &[("e", ""), ("d", "silence = \"3s\""), ("b", ""), ("a", "camera_lost = false")]);
        let (next, changes) = reload(&running).unwrap();
        assert_eq!(ids(&changes.added), ["e"]);
        assert_eq!(changes.removed, [CameraId::new("c").unwrap()]);
        assert_eq!(ids(&changes.changed), ["d", "a"]);
        assert!(changes.needs_restart.is_empty());
        assert_eq!(ids(&next.cameras), ["e", "d", "b", "a"]);
    }

    #[test]
    fn what_needs_a_restart_is_named_until_it_happens() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("site.toml");
        write(&file, "", &[("a", "")]);
        let running = load(&file).unwrap();
        write(&file, "listen = \"127.0.0.1:9000\"\n[archive]\nmax_age = \"7d\"", &[("a", "")]);
        let want = ["server.listen", "archive.max_age"];
        let (running, changes) = reload(&running).unwrap();
        assert_eq!(changes.needs_restart, want);
        assert_eq!(reload(&running).unwrap().1.needs_restart, want);
    }

    #[test]
    fn no_key_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("site.toml");
        write(&file, "", &[]);
        let settings = load(&file).unwrap();
        let compared: Vec<&str> = compared(&settings, &settings).into_iter().map(|(k, _)| k).collect();
        let schema = crate::config::schema();
        for section in ["Server", "Archive", "Recorder", "Ingest", "Decode", "Watch", "Infer", "Alerts"] {
            for key in schema["$defs"][section]["properties"].as_object().unwrap().keys() {
                let key = format!("{}.{key}", section.to_lowercase());
                // A word of consent, which changes nothing by itself.
                assert!(key == "server.allow_remote" || compared.contains(&key.as_str()), "{key}");
            }
        }
    }

    #[test]
    fn a_bad_file_changes_nothing_and_tells_why() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("site.toml");
        write(&file, "", &[("a", "")]);
        let running = load(&file).unwrap();
        write(&file, "lsiten = \"x\"", &[("a", "")]);
        assert_eq!(reload(&running).unwrap_err().problems.len(), 1);
    }
}
