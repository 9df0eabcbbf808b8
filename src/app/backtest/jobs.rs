//! Trials within the server: one at a time, behind everything else the machine does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tracing::warn;

use super::past::Past;
use super::picture::Album;
use super::run::{self, Order};
use crate::alerts::Alert;
use crate::api::{BacktestReport, Backtests, Job, JobState, Replay, Trial, TrialError};
use crate::app::server::Server;
use crate::base::queue::{self, Receiver, Refused, Sender};
use crate::base::task::{Stop, Tasks};
use crate::base::{CameraId, Clock, Kind, SystemClock, Wall};
use crate::config;

/// Trials that wait.
const WAITING: usize = 8;
/// Trials that are remembered after they are over, and pictures of each: a hundred kilobytes a picture.
const REMEMBERED: usize = 4;
const PICTURES: usize = 100;
/// Everything else comes first.
const NICE: i32 = 19;

/// The trials of a server.
pub struct Jobs {
    server: Arc<Server>,
    /// Wakes the thread; the orders themselves are kept with their trials, so that one given up makes room.
    tx: Sender<()>,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    last: u64,
    /// Oldest first.
    jobs: VecDeque<Entry>,
}

struct Entry {
    job: Job,
    stop: Stop,
    /// Until its turn comes.
    order: Option<Order>,
    pictures: Vec<Option<Bytes>>,
}

impl Jobs {
    /// Start the thread that does them; it ends with `tasks`.
    pub fn start(server: Arc<Server>, tasks: &Tasks) -> std::io::Result<Arc<Jobs>> {
        let (tx, rx) = queue::items("backtests", WAITING);
        let kept = Arc::<Mutex<Kept>>::default();
        let (there, results) = (server.clone(), kept.clone());
        tasks.thread("backtest", move |stop| work(&there, &rx, &results, &stop))?;
        Ok(Arc::new(Jobs { server, tx, kept }))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn past(server: &Server) -> Past {
    Past {
        archive: server.archive.clone(),
        observations: server.observations.clone(),
        alerts: server.alerts.clone(),
        settings: Arc::new(server.settings()),
        decode: server.decode.clone(),
    }
}

fn work(server: &Server, rx: &Receiver<()>, kept: &Mutex<Kept>, stop: &Stop) {
    if let Err(e) = rustix::process::setpriority_process(None, NICE) {
        warn!("trials of rules cannot run at a lower priority ({e})");
    }
    while !stop.is_cancelled() {
        let _ = rx.recv_timeout(Duration::from_millis(200));
        let Some((id, order, mine)) = lock(kept).begin() else { continue };
        let both = stop.child_token();
        let length = order.length().as_secs_f64().max(1e-6);
        let progress = |done: Duration| {
            let mut kept = lock(kept);
            kept.change(id, |e| e.job.done = (done.as_secs_f64() / length).min(1.0));
            if mine.is_cancelled() {
                both.cancel();
            }
        };
        let past = past(server);
        let outcome = run::run(&past, &order, 1, &progress, &both);
        let pictures = outcome.as_ref().map(|report| pictures(&past, report, &both)).unwrap_or_default();
        let mut kept = lock(kept);
        kept.change(id, |e| e.finish(outcome, pictures, mine.is_cancelled() || stop.is_cancelled()));
        kept.forget();
    }
}

/// Pictures of all alerts of a report, in its order; each may take a GOP's decoding, so none once `stop` is told.
fn pictures(past: &Past, report: &BacktestReport, stop: &Stop) -> Vec<Option<Bytes>> {
    let mut album = Album::new(past, PICTURES);
    let all = report.cameras.iter().flat_map(|c| c.alerts.iter().map(move |a| (c, a)));
    let all = all.take_while(|_| !stop.is_cancelled());
    all.map(|(camera, alert)| album.picture(camera, alert).map(Bytes::from)).collect()
}

impl Entry {
    fn finish(
        &mut self,
        outcome: anyhow::Result<BacktestReport>,
        pictures: Vec<Option<Bytes>>,
        cancelled: bool,
    ) {
        match outcome {
            Err(e) => (self.job.state, self.job.error) = (JobState::Failed, Some(format!("{e:#}"))),
            Ok(_) if cancelled => self.job.state = JobState::Cancelled,
            Ok(mut report) => {
                let id = self.job.id;
                let alerts = report.cameras.iter_mut().flat_map(|c| &mut c.alerts);
                for (n, (alert, picture)) in alerts.zip(&pictures).enumerate() {
                    let address = || format!("/api/v1/backtests/{id}/pictures/{n}");
                    alert.picture = picture.as_ref().map(|_| address());
                }
                (self.job.state, self.job.done, self.job.report) = (JobState::Done, 1.0, Some(report));
                self.pictures = pictures;
            }
        }
    }
}

impl Kept {
    fn change<T>(&mut self, id: u64, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.jobs.iter_mut().find(|e| e.job.id == id).map(change)
    }

    fn waiting(&self) -> usize {
        self.jobs.iter().filter(|e| e.job.state == JobState::Waiting).count()
    }

    /// Whose turn has come; `None`: nobody waits.
    fn begin(&mut self) -> Option<(u64, Order, Stop)> {
        let entry = self.jobs.iter_mut().find(|e| e.job.state == JobState::Waiting)?;
        entry.job.state = JobState::Running;
        Some((entry.job.id, entry.order.take()?, entry.stop.clone()))
    }

    /// Give a trial up; `false`: there is none of this number.
    fn cancel(&mut self, id: u64) -> bool {
        let there = self.change(id, |e| {
            e.stop.cancel();
            if e.job.state == JobState::Waiting {
                (e.job.state, e.order) = (JobState::Cancelled, None);
            }
        });
        there.is_some()
    }

    /// Forget all but the newest of those that are over; reports are not forgotten for trials that were given up.
    fn forget(&mut self) {
        let given_up = |e: &Entry| e.job.state == JobState::Cancelled;
        let all_over = |e: &Entry| e.job.state.is_over() && !given_up(e);
        for (over, most) in [(&given_up as &dyn Fn(&Entry) -> bool, WAITING + 1), (&all_over, REMEMBERED)] {
            let mut left = self.jobs.iter().filter(|e| over(e)).count();
            self.jobs.retain(|e| {
                let old = over(e) && left > most;
                left -= usize::from(old);
                !old
            });
        }
    }
}

impl Backtests for Jobs {
    fn start(&self, trial: Trial) -> Result<Job, TrialError> {
        let invalid = |message: String| TrialError { kind: Kind::Invalid, message };
        let rules = trial.rules.map(|text| config::rules(&text, "rules".as_ref())).transpose();
        let rules = rules.map_err(|e| invalid(format!("the rules are not right: {e}")))?;
        let settings = self.server.settings();
        if let Some(unknown) =
            trial.cameras.iter().find(|c| settings.cameras.iter().all(|k| k.spec.id != **c))
        {
            return Err(invalid(format!("there is no camera '{unknown}'; GET /api/v1/cameras lists them")));
        }
        if let Some(twice) = trial.cameras.iter().enumerate().find(|(i, c)| trial.cameras[..*i].contains(c)) {
            return Err(invalid(format!("the camera '{}' is named twice", twice.1)));
        }
        let now = SystemClock::new().wall();
        if trial.span.start >= now {
            return Err(invalid("'from' has not come yet: there is no past to try rules on".into()));
        }
        let order = Order { cameras: trial.cameras, span: trial.span, rules, decode: trial.decode };
        let mut kept = self.kept();
        kept.forget();
        let id = kept.last + 1;
        if kept.waiting() >= WAITING {
            let message = format!("{WAITING} trials wait already; try again when one is over");
            return Err(TrialError { kind: Kind::Unavailable, message });
        }
        // Where it is full the thread will wake as often as there are trials.
        if let Err(Refused::Closed(())) = self.tx.offer(()) {
            let message = "the server is stopping".to_owned();
            return Err(TrialError { kind: Kind::Unavailable, message });
        }
        kept.last = id;
        let job = Job { id, state: JobState::Waiting, done: 0.0, error: None, report: None };
        kept.jobs.push_back(Entry {
            job: job.clone(),
            stop: Stop::new(),
            order: Some(order),
            pictures: Vec::new(),
        });
        Ok(job)
    }

    fn list(&self) -> Vec<Job> {
        self.kept().jobs.iter().rev().map(|e| Job { report: None, ..e.job.clone() }).collect()
    }

    fn get(&self, id: u64) -> Option<Job> {
        self.kept().jobs.iter().find(|e| e.job.id == id).map(|e| e.job.clone())
    }

    fn cancel(&self, id: u64) -> bool {
        self.kept().cancel(id)
    }

    fn picture(&self, id: u64, n: usize) -> Option<(CameraId, Wall, Bytes)> {
        let kept = self.kept();
        let entry = kept.jobs.iter().find(|e| e.job.id == id)?;
        let report = entry.job.report.as_ref()?;
        let (camera, alert) =
            report.cameras.iter().flat_map(|c| c.alerts.iter().map(move |a| (c, a))).nth(n)?;
        let picture = entry.pictures.get(n)?.clone()?;
        Some((CameraId::new(&camera.camera).ok()?, alert.at, picture))
    }

    fn replay(&self, alert: &Alert) -> Result<Replay, TrialError> {
        super::replay::replay(&past(&self.server), alert, SystemClock::new().wall())
            .map_err(|e| TrialError { kind: Kind::Storage, message: format!("{e:#}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::WallSpan;

    fn entry(id: u64, state: JobState) -> Entry {
        let job = Job { id, state, done: 0.0, error: None, report: None };
        let span = WallSpan::new(Wall(0), Wall(1));
        let order = Order { cameras: Vec::new(), span, rules: None, decode: false };
        Entry { job, stop: Stop::new(), order: Some(order), pictures: Vec::new() }
    }

    #[test]
    fn a_trial_given_up_while_it_waits_never_begins_and_is_over() {
        let mut kept = Kept { last: 2, jobs: [1, 2].map(|id| entry(id, JobState::Waiting)).into() };
        assert!(kept.cancel(1) && !kept.cancel(3));
        assert_eq!(kept.waiting(), 1);
        assert!(kept.begin().is_some_and(|(id, _, stop)| id == 2 && !stop.is_cancelled()));
        assert!(kept.begin().is_none() && kept.waiting() == 0);
        let states: Vec<JobState> = kept.jobs.iter().map(|e| e.job.state).collect();
        assert_eq!(states, [JobState::Cancelled, JobState::Running]);
    }

    #[test]
    fn only_the_newest_that_are_over_are_remembered_and_none_that_is_not() {
        use JobState::*;
        let mut states = vec![Running, Done, Failed, Done, Cancelled, Done, Waiting, Done];
        states.extend([Cancelled; WAITING + 1]);
        let jobs = states.into_iter().zip(1..).map(|(state, id)| entry(id, state)).collect();
        let mut kept = Kept { last: 17, jobs };
        kept.forget();
        let left: Vec<u64> = kept.jobs.iter().map(|e| e.job.id).collect();
        assert_eq!(left[..6], [1, 3, 4, 6, 7, 8]);
        assert_eq!(left[6..], (9..=17).collect::<Vec<_>>(), "trials given up push out each other only");
        kept.forget();
        assert_eq!(kept.jobs.len(), 15);
    }
}
