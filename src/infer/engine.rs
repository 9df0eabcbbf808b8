//! The worker threads that look at frames.

use std::sync::Arc;

use metrics::counter;

use super::detection::{Outcome, SkipReason};
use super::detectors::Detectors;
use super::error::Error;
use super::lanes::Lanes;
use super::registry::Registry;
use super::settings::Settings;
use crate::base::CameraId;
use crate::base::metrics::INFER_SKIPPED;
use crate::base::task::Tasks;
use crate::camera::Frame;

/// Frames of one camera that may wait when nothing may be skipped.
const WAITING_PER_CAMERA: usize = 4;

/// Told what became of the frame, on a worker's thread or on the one that displaced it.
/// Called exactly once, and for one camera in the order of the frames that were looked at.
pub type Done = Box<dyn FnOnce(Frame, Outcome) + Send>;

/// A frame to look at.
pub struct Request {
    pub frame: Frame,
    /// Names among those the engine was started with.
    pub models: Arc<[String]>,
    pub done: Done,
}

impl Request {
    fn finish(self, outcome: Outcome) {
        (self.done)(self.frame, outcome);
    }

    fn skip(self, reason: SkipReason) {
        counter!(INFER_SKIPPED, "reason" => reason.as_str()).increment(1);
        self.finish(Outcome::Skipped(reason));
    }
}

/// Looks at frames on its worker threads.
pub struct Engine {
    lanes: Arc<Lanes<CameraId, Request>>,
}

impl Engine {
    /// Load `models` once per worker and start the workers in `tasks`, whose stop ends them:
    /// the frame at hand is finished, waiting ones are skipped.
    ///
    /// # Errors
    /// As [`Detectors::load`]. Nothing was started then.
    pub fn start(
        settings: Settings,
        registry: Arc<Registry>,
        models: &[String],
        tasks: &Tasks,
    ) -> Result<Engine, Error> {
        let workers = (0..settings.workers.max(1))
            .map(|_| Detectors::load(&settings, &registry, models))
            .collect::<Result<Vec<_>, _>>()?;
        let engine = Engine { lanes: Arc::new(Lanes::new("infer", WAITING_PER_CAMERA)) };
        for (i, detectors) in workers.into_iter().enumerate() {
            let lanes = engine.lanes.clone();
            tasks.thread(&format!("infer-{i}"), move |_| work(&lanes, detectors)).map_err(Error::Thread)?;
        }
        // Workers wait for frames, not for the token: this thread wakes them.
        let waiter = tokio::runtime::Builder::new_current_thread().build().map_err(Error::Thread)?;
        let lanes = engine.lanes.clone();
        tasks
            .thread("infer-stop", move |stop| {
                waiter.block_on(stop.cancelled());
                close(&lanes);
            })
            .map_err(Error::Thread)?;
        Ok(engine)
    }

    /// Never blocks. A frame of the same camera that still waits is displaced: it is skipped as
    /// overloaded.
    pub fn submit(&self, request: Request) {
        match self.lanes.put_latest(request.frame.camera.clone(), request) {
            Ok(None) => {}
            Ok(Some(displaced)) => displaced.skip(SkipReason::Overloaded),
            Err(refused) => refused.skip(SkipReason::Stopping),
        }
    }

    /// Waits for room, so that no frame is skipped: for files. Not for async code.
    pub fn submit_wait(&self, request: Request) {
        if let Err(refused) = self.lanes.put_wait(request.frame.camera.clone(), request) {
            refused.skip(SkipReason::Stopping);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        close(&self.lanes);
    }
}

fn close(lanes: &Lanes<CameraId, Request>) {
    for request in lanes.close() {
        request.skip(SkipReason::Stopping);
    }
}

fn work(lanes: &Lanes<CameraId, Request>, mut detectors: Detectors) {
    let mut failing = false;
    while let Some((camera, request)) = lanes.take() {
        match detectors.detect_with(&request.frame.image, &request.models) {
            Ok(found) => {
                failing = false;
                request.finish(Outcome::Done(found));
            }
            Err(e) => {
                // The outcome says only that it failed. A broken model fails on every frame: say
                // it once, until it has worked again.
                if !failing {
                    tracing::error!(%camera, "{e}");
                }
                failing = true;
                request.skip(SkipReason::ModelFailed);
            }
        }
        lanes.done(&camera);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::base::Wall;
    use crate::infer::testing::{registry, runtime, settings};
    use crate::media::{I420, Pts};

    fn request(camera: &str, n: i64, models: &[&str], done: Done) -> Request {
        let image = I420::packed(64, 48, vec![128; 64 * 48 * 3 / 2]).unwrap();
        Request {
            frame: Frame {
                camera: CameraId::new(camera).unwrap(),
                pts: Pts(n),
                at: Wall(n),
                image: Arc::new(image),
            },
            models: models.iter().map(|m| m.to_string()).collect(),
            done,
        }
    }

    fn no_models() -> Arc<Registry> {
        Arc::new(Registry::open(&settings().manifests, std::path::Path::new("no-store")).unwrap())
    }

    /// Submit with `submit`, collect (camera, pts, outcome) as they come.
    type Seen = (String, i64, Outcome);
    fn report(tx: &mpsc::Sender<Seen>) -> Done {
        let tx = tx.clone();
        Box::new(move |f, o| tx.send((f.camera.to_string(), f.pts.0, o)).unwrap())
    }

    async fn stop(tasks: Tasks) {
        assert_eq!(tasks.stop_and_join(Duration::from_secs(20)).await, []);
    }

    #[tokio::test]
    async fn a_busy_camera_keeps_its_newest_frame_only() {
        let tasks = Tasks::root("t");
        let one = Settings { workers: 1, ..settings() };
        let engine = Engine::start(one, no_models(), &[], &tasks).unwrap();
        let (tx, rx) = mpsc::channel();
        let (started, is_started) = mpsc::channel::<()>();
        let (release, wait) = mpsc::channel::<()>();
        let first = report(&tx);
        let hold: Done = Box::new(move |f, o| {
            started.send(()).unwrap();
            wait.recv().unwrap();
            first(f, o);
        });
        engine.submit(request("a", 0, &[], hold));
        is_started.recv().unwrap();
        for n in 1..4 {
            engine.submit(request("a", n, &[], report(&tx)));
        }
        release.send(()).unwrap();
        let seen: Vec<Seen> = (0..4).map(|_| rx.recv().unwrap()).collect();
        let skipped = Outcome::Skipped(SkipReason::Overloaded);
        let want =
            [(1, skipped.clone()), (2, skipped), (0, Outcome::Done(vec![])), (3, Outcome::Done(vec![]))];
        assert_eq!(seen.into_iter().map(|(_, n, o)| (n, o)).collect::<Vec<_>>(), want);
        stop(tasks).await;
    }

    #[tokio::test]
    async fn frames_of_a_camera_do_not_overtake_each_other() {
        let (Some((registry, _store)), Some(_)) = (registry(), runtime()) else { return };
        let tasks = Tasks::root("t");
        let models = ["rfb_320".to_owned()];
        let engine = Engine::start(settings(), Arc::new(registry), &models, &tasks).unwrap();
        let (tx, rx) = mpsc::channel();
        for n in 0..10 {
            for camera in ["a", "b", "c"] {
                // Some frames take long, others no time at all.
                let models: &[&str] = if n % 3 == 0 { &["rfb_320"] } else { &[] };
                engine.submit_wait(request(camera, n, models, report(&tx)));
            }
        }
        let seen: Vec<Seen> = (0..30).map(|_| rx.recv().unwrap()).collect();
        for camera in ["a", "b", "c"] {
            let order: Vec<i64> = seen.iter().filter(|s| s.0 == camera).map(|s| s.1).collect();
            assert_eq!(order, (0..10).collect::<Vec<_>>(), "{camera}");
        }
        assert!(seen.iter().all(|s| matches!(s.2, Outcome::Done(_))));
        stop(tasks).await;
    }

    #[tokio::test]
    async fn a_model_that_fails_and_a_stopped_engine_say_so() {
        let tasks = Tasks::root("t");
        let engine = Engine::start(settings(), no_models(), &[], &tasks).unwrap();
        let (tx, rx) = mpsc::channel();
        engine.submit(request("a", 1, &["not-loaded"], report(&tx)));
        assert_eq!(rx.recv().unwrap().2, Outcome::Skipped(SkipReason::ModelFailed));
        stop(tasks).await;
        engine.submit(request("a", 2, &[], report(&tx)));
        engine.submit_wait(request("a", 3, &[], report(&tx)));
        assert_eq!(rx.recv().unwrap().2, Outcome::Skipped(SkipReason::Stopping));
        assert_eq!(rx.recv().unwrap().2, Outcome::Skipped(SkipReason::Stopping));
    }
}
