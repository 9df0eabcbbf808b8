//! When to read the configuration again: a file changed, or SIGHUP.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use sha2::{Digest, Sha256};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::base::Kind;
use crate::base::task::Stop;

use super::settings::Settings;

/// Editors write a file in several steps; the configuration is read when they have been quiet for
/// this long,
const QUIET: Duration = Duration::from_millis(200);
/// or at the latest after this long, should something else keep writing in the same folder.
const AT_LATEST: Duration = Duration::from_secs(2);

/// Why the configuration is to be read again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// A configuration file differs from before.
    Changed,
    /// SIGHUP: somebody asks for it, perhaps because a secret changed.
    Hangup,
}

#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error(
        "cannot watch {folder} for changes of the configuration: {source}; \
         if the limit of inotify watches is reached, raise fs.inotify.max_user_watches"
    )]
    Folder { folder: PathBuf, source: notify::Error },
    #[error("cannot listen for SIGHUP: {0}")]
    Signal(std::io::Error),
}

impl WatchError {
    pub fn kind(&self) -> Kind {
        Kind::Unavailable
    }
}

/// Watches the folders of the configuration files, not the files: editors and `kubectl` replace a
/// file by a new one or swap a link, which a watch on the old file does not see. What an event was
/// about does not matter either: it leads to a look, and a changed content to a trigger.
pub struct Watch {
    watcher: RecommendedWatcher,
    stirred: Arc<Notify>,
    hangup: Signal,
    stop: Stop,
    main: PathBuf,
    folders: BTreeSet<PathBuf>,
    /// An event came and has not been looked into.
    pending: bool,
    /// Content of the files at the last look.
    seen: [u8; 32],
}

impl Watch {
    /// Begin to watch; must be called within a tokio runtime. Changes from now on are told. Reads the
    /// files once, as `follow` does.
    ///
    /// # Errors
    /// A folder cannot be watched, or signals cannot be had.
    pub fn new(settings: &Settings, stop: Stop) -> Result<Watch, WatchError> {
        let stirred = Arc::new(Notify::new());
        let told = stirred.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error may stand for lost events, so it leads to a look as well.
            if !matches!(event, Ok(notify::Event { kind: EventKind::Access(_), .. })) {
                told.notify_one();
            }
        })
        .map_err(|source| WatchError::Folder { folder: settings.file.clone(), source })?;
        let mut watch = Watch {
            watcher,
            stirred,
            hangup: signal(SignalKind::hangup()).map_err(WatchError::Signal)?,
            stop,
            main: settings.file.clone(),
            folders: BTreeSet::new(),
            pending: false,
            seen: [0; 32],
        };
        watch.follow(settings)?;
        watch.seen = fingerprint(&watch.main, &watch.folders);
        Ok(watch)
    }

    /// Watch the folders of these settings from now on: after a reload `include` may name others.
    ///
    /// # Errors
    /// A folder cannot be watched; the others are.
    pub fn follow(&mut self, settings: &Settings) -> Result<(), WatchError> {
        let wanted: BTreeSet<PathBuf> = settings.folders.iter().cloned().collect();
        for gone in self.folders.difference(&wanted) {
            // It may have been deleted, and its watch with it.
            let _ = self.watcher.unwatch(gone);
        }
        let mut result = Ok(());
        for folder in wanted.difference(&self.folders) {
            if let Err(source) = self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                result = Err(WatchError::Folder { folder: folder.clone(), source });
            }
        }
        if self.folders != wanted {
            // The content of other folders: the next look must not take it for a change.
            self.seen = fingerprint(&self.main, &wanted);
            self.folders = wanted;
        }
        result
    }

    /// Wait for the next reason to reload; `None` once stopped. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Trigger> {
        loop {
            if !self.pending {
                tokio::select! {
                    () = self.stop.cancelled() => return None,
                    Some(()) = self.hangup.recv() => return Some(Trigger::Hangup),
                    () = self.stirred.notified() => self.pending = true,
                }
            }
            let latest = Instant::now() + AT_LATEST;
            while timeout_at(latest.min(Instant::now() + QUIET), self.stirred.notified()).await.is_ok() {}
            let (main, folders) = (self.main.clone(), self.folders.clone());
            let look = tokio::task::spawn_blocking(move || fingerprint(&main, &folders));
            let now = look.await.unwrap_or(self.seen);
            self.pending = false;
            if now != self.seen {
                self.seen = now;
                return Some(Trigger::Changed);
            }
        }
    }
}

/// Digest of the names and contents of the main file and all `*.toml` in the folders.
fn fingerprint(main: &Path, folders: &BTreeSet<PathBuf>) -> [u8; 32] {
    let mut files = BTreeSet::from([main.to_path_buf()]);
    for folder in folders {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
        files.extend(entries.filter(|p| p.extension().is_some_and(|e| e == "toml")));
    }
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.as_os_str().as_encoded_bytes());
        match std::fs::read(&file) {
            Ok(content) => {
                hash.update((content.len() as u64).to_le_bytes());
                hash.update(content);
            }
            Err(_) => hash.update([0xff]),
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::load;

    const CAMERA: &str = "[[camera]]\nid = \"a\"\nurl = \"rtsp://cam/1\"\n";

    /// A site of one main file and one included file, and a watch on it.
    fn site() -> (tempfile::TempDir, Settings, Watch, Stop) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("site.toml");
        fs::create_dir(dir.path().join("cameras")).unwrap();
        fs::write(&file, "include = [\"cameras/*.toml\"]\n").unwrap();
        fs::write(dir.path().join("cameras/a.toml"), CAMERA).unwrap();
        let settings = load(&file).unwrap();
        let stop = Stop::new();
        let watch = Watch::new(&settings, stop.clone()).unwrap();
        (dir, settings, watch, stop)
    }

    /// The next trigger besides SIGHUP, which reaches every watch of the test process.
    async fn next(watch: &mut Watch) -> Option<Trigger> {
        loop {
            match watch.next().await {
                Some(Trigger::Hangup) => {}
                other => return other,
            }
        }
    }

    #[tokio::test]
    async fn a_file_written_in_place_or_replaced_triggers_a_reload() {
        let (dir, settings, mut watch, _stop) = site();
        fs::write(&settings.file, "include = [\"cameras/*.toml\"]\n# written\n").unwrap();
        assert_eq!(next(&mut watch).await, Some(Trigger::Changed));
        fs::write(dir.path().join("site.new"), "include = [\"cameras/*.toml\"]\n# replaced\n").unwrap();
        fs::rename(dir.path().join("site.new"), &settings.file).unwrap();
        assert_eq!(next(&mut watch).await, Some(Trigger::Changed));
    }

    #[tokio::test]
    async fn an_included_file_triggers_a_reload_when_changed_and_when_added() {
        let (dir, _settings, mut watch, _stop) = site();
        fs::write(dir.path().join("cameras/a.toml"), format!("{CAMERA}name = \"x\"\n")).unwrap();
        assert_eq!(next(&mut watch).await, Some(Trigger::Changed));
        fs::write(dir.path().join("cameras/b.toml"), "").unwrap();
        assert_eq!(next(&mut watch).await, Some(Trigger::Changed));
    }

    #[tokio::test]
    async fn what_changes_nothing_triggers_nothing() {
        let (dir, settings, mut watch, stop) = site();
        fs::write(dir.path().join("notes.txt"), "x").unwrap();
        fs::write(&settings.file, fs::read(&settings.file).unwrap()).unwrap();
        // Events and the look into them come first, the stop is taken up after them.
        watch.stirred.notified().await;
        watch.pending = true;
        stop.cancel();
        assert_eq!(next(&mut watch).await, None);
    }

    #[tokio::test]
    async fn a_hangup_triggers_a_reload() {
        let (_dir, _settings, mut watch, _stop) = site();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP).unwrap();
        assert_eq!(watch.next().await, Some(Trigger::Hangup));
    }

    #[tokio::test]
    async fn a_reload_may_name_other_folders() {
        let (dir, settings, mut watch, _stop) = site();
        fs::create_dir(dir.path().join("more")).unwrap();
        fs::write(&settings.file, "include = [\"more\"]\n").unwrap();
        assert_eq!(next(&mut watch).await, Some(Trigger::Changed));
        watch.follow(&load(&settings.file).unwrap()).unwrap();
        fs::write(dir.path().join("more/c.toml"), CAMERA).unwrap();
        assert_eq!(next(&mut watch).await, Some(Trigger::Changed));
    }
}
