//! Whoever spawns, joins. A [`Tasks`] owns named threads and async tasks and joins them all by a
//! deadline; what has not ended by then is named.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Told to stop when cancelled.
pub type Stop = CancellationToken;

/// Owner of the threads and tasks of one stage.
pub struct Tasks {
    stage: String,
    stop: Stop,
    running: Mutex<Vec<Running>>,
}

struct Running {
    name: String,
    handle: Handle,
}

enum Handle {
    Thread(thread::JoinHandle<()>),
    Task(tokio::task::JoinHandle<()>),
}

/// A thread or task that did not end well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    #[error("{name} did not stop within {within:?}")]
    Overdue { name: String, within: Duration },
    #[error("{name} panicked; see the log above")]
    Panicked { name: String },
}

impl Tasks {
    /// The root of a token tree.
    pub fn root(stage: &str) -> Self {
        Tasks { stage: stage.into(), stop: Stop::new(), running: Mutex::default() }
    }

    /// A stage below this one: stopped with it, or alone.
    pub fn child(&self, stage: &str) -> Tasks {
        Tasks {
            stage: format!("{}/{stage}", self.stage),
            stop: self.stop.child_token(),
            running: Mutex::default(),
        }
    }

    pub fn stop_token(&self) -> Stop {
        self.stop.clone()
    }

    /// Start a named thread. The name is cut to the 15 bytes Linux shows.
    pub fn thread(&self, name: &str, work: impl FnOnce(Stop) + Send + 'static) -> std::io::Result<()> {
        let stop = self.stop.clone();
        let handle =
            thread::Builder::new().name(name.chars().take(15).collect()).spawn(move || work(stop))?;
        self.own(name, Handle::Thread(handle));
        Ok(())
    }

    /// Start a named task on the current tokio runtime.
    pub fn spawn<F>(&self, name: &str, work: impl FnOnce(Stop) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let handle = tokio::spawn(work(self.stop.clone()));
        self.own(name, Handle::Task(handle));
    }

    fn own(&self, name: &str, handle: Handle) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // Long-lived owners (one HTTP task per client) must not grow with what has ended.
        running.retain(|r| match &r.handle {
            Handle::Thread(_) => true,
            Handle::Task(t) => !t.is_finished(),
        });
        running.push(Running { name: format!("{}/{name}", self.stage), handle });
    }

    /// Cancel the token and wait for everything, at most `within`.
    pub async fn stop_and_join(&self, within: Duration) -> Vec<JoinError> {
        self.stop.cancel();
        self.join(within).await
    }

    /// Wait for everything to end by itself, at most `within`.
    pub async fn join(&self, within: Duration) -> Vec<JoinError> {
        let running = std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        let deadline = tokio::time::Instant::now() + within;
        let mut errors = Vec::new();
        for Running { name, handle } in running {
            let ended = match handle {
                Handle::Task(t) => tokio::time::timeout_at(deadline, t).await.map(|r| r.is_ok()),
                Handle::Thread(t) => {
                    let joiner = tokio::task::spawn_blocking(move || t.join().is_ok());
                    tokio::time::timeout_at(deadline, joiner).await.map(|r| r.unwrap_or(false))
                }
            };
            match ended {
                Ok(true) => {}
                Ok(false) => errors.push(JoinError::Panicked { name }),
                Err(_) => errors.push(JoinError::Overdue { name, within }),
            }
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_overdue_are_named() {
        let tasks = Tasks::root("t");
        let (release, wait) = std::sync::mpsc::channel::<()>();
        tasks
            .thread("stuck", move |_| {
                let _ = wait.recv();
            })
            .unwrap();
        tasks.spawn("good", |stop| async move { stop.cancelled().await });
        let errors = tasks.stop_and_join(Duration::from_millis(20)).await;
        drop(release);
        assert_eq!(
            errors,
            [JoinError::Overdue { name: "t/stuck".into(), within: Duration::from_millis(20) }]
        );
    }

    #[tokio::test]
    async fn a_child_stops_with_its_parent_but_not_the_other_way() {
        let root = Tasks::root("t");
        let child = root.child("c");
        assert!(child.stop_and_join(Duration::from_secs(1)).await.is_empty());
        assert!(!root.stop_token().is_cancelled());
        let child = root.child("d");
        root.stop_and_join(Duration::from_secs(1)).await;
        assert!(child.stop_token().is_cancelled());
    }
}
