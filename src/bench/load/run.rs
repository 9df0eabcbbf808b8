//! One load run from the first connection to the count.
//!
//! Frames are counted over the whole run, from the first that a camera sent to the last: at the end
//! the cameras pause with their connections open, the server is given a moment to read what is on
//! its way, and is then told to end, which finishes its files. So nothing is in flight when it is
//! counted, and no allowance is made for anything. Where the disk is too small for all of the run,
//! files are counted before retention deletes them ([`Tally`]).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use indicatif::{ProgressBar, ProgressStyle};

use super::api::Api;
use super::beside::{Beside, Recorder};
use super::count::Tallying;
use super::events::Played;
use super::limits;
use super::looks::Known;
use super::process::Process;
use super::sample::{MIB, Sample, Span};
use super::setting::{camera, twin};
use super::site::{CameraClips, Server};
use super::tally::Tally;
use super::watch::{Seen, Watch};
use crate::base::task::{Stop, Tasks};
use crate::base::{Clock, SystemClock};
use crate::bench::clip::Clip;
use crate::bench::report::{BesideReport, RecordReport};
use crate::bench::rtsp::{Send, SimServer};
use crate::bench::usage;

/// How a run goes, once its clips are there.
pub struct LoadRun {
    pub cameras: usize,
    pub measured: Duration,
    /// From the moment all cameras play to the begin of measuring.
    pub settle: Duration,
    /// The cameras play these in turn.
    pub clips: Vec<CameraClips>,
    pub send: Send,
    /// Every camera begins where its clip begins, instead of each somewhere else.
    pub together: bool,
    pub folder: PathBuf,
    /// Bytes that recordings may take on the disk.
    pub disk_budget: u64,
    /// Listen to alerts and see how cameras are watched.
    pub watched: bool,
    /// These record twins of the cameras at the same time.
    pub compare: Vec<Recorder>,
}

/// What a run shows.
#[derive(Debug)]
pub struct Measured {
    pub record: RecordReport,
    /// Where the analysis was watched.
    pub analysis: Option<Analysis>,
}

/// What was seen of the analysis, and what was known before.
#[derive(Debug)]
pub struct Analysis {
    pub seen: Seen,
    /// By camera.
    pub known: BTreeMap<String, Known>,
    pub played: BTreeMap<String, Played>,
}

/// Time for the server to take in what was sent last, before it is told to end.
const DRAIN: Duration = Duration::from_secs(1);
/// Points of a plot at the most.
const POINTS: u64 = 60;

/// Between the parts of a run: what must be taken along.
struct Parts {
    record: RecordReport,
    seen: Option<Seen>,
    tally: Tally,
}

impl LoadRun {
    /// Starts everything, measures, stops everything and counts.
    pub async fn measure(&self, server: &Server<'_>, stop: &Stop) -> anyhow::Result<Measured> {
        limits::raise(2 * self.streams(), self.cameras as u64)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let tasks = Tasks::root("bench");
        let sim = self.simulator(clock.clone(), &tasks).await?;
        let result = tokio::select! {
            r = self.with(&sim, server, clock) => r,
            () = stop.cancelled() => Err(anyhow::anyhow!("the run was stopped before its end")),
        };
        sim.stop().await;
        let Parts { mut record, seen, tally } = result?;
        self.count(&sim, &mut record, tally).await?;
        let analysis = match seen {
            Some(seen) => Some(Analysis { seen, known: self.known(), played: self.played(&sim)? }),
            None => None,
        };
        Ok(Measured { record, analysis })
    }

    /// The part during which other processes run; dropping it ends them.
    async fn with(
        &self,
        sim: &SimServer,
        server: &Server<'_>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Parts> {
        let site = self.site(sim)?;
        let begin = clock.now();
        let mut process = Process::start(server, &site, &self.folder)?;
        let result = async {
            let api = match process.token.clone() {
                Some(token) => Some(Api::new(process.address(self.patience(), &*clock).await?, &token)),
                None => None,
            };
            let mut watch = match &api {
                Some(api) if self.watched => Some(Watch::start(api.clone(), clock.clone()).await?),
                _ => None,
            };
            let beside = self.beside(sim)?;
            self.until_all_play(sim, &mut process, &*clock).await?;
            let connected = clock.now().since(begin);
            let mut parts = self.observe(&mut process, &beside, watch.as_mut(), &*clock).await?;
            parts.record.seconds_to_connect = connected.as_secs_f64();
            for beside in beside {
                beside.stop().await?;
            }
            anyhow::Ok((parts, watch, api))
        }
        .await;
        let (mut parts, watch, api) = result.map_err(|e| e.context(process.last_words()))?;
        sim.hold(true);
        tokio::time::sleep(DRAIN).await;
        if let Some(api) = api {
            self.ask(&api, &mut parts.record).await?;
        }
        parts.record.log_warnings = process.warnings();
        process.stop().await?;
        if let Some(watch) = watch {
            watch.join().await?;
        }
        parts.record.segment_seconds = site.bound.map(|b| b.segment.as_secs_f64());
        parts.record.archive_max_mb = site.bound.map(|b| b.max_bytes as f64 / 1e6);
        Ok(parts)
    }

    fn beside(&self, sim: &SimServer) -> anyhow::Result<Vec<Beside>> {
        let start = |recorder: &Recorder| {
            let streams: Vec<_> =
                (0..self.cameras).map(|i| (camera(i), sim.url(&twin(*recorder, i)))).collect();
            Beside::start(*recorder, &streams, &self.beside_folder(*recorder))
        };
        self.compare.iter().map(start).collect()
    }

    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(30) + Duration::from_millis(100) * self.cameras as u32
    }

    async fn until_all_play(
        &self,
        sim: &SimServer,
        process: &mut Process,
        clock: &dyn Clock,
    ) -> anyhow::Result<()> {
        let (begin, streams) = (clock.now(), self.streams());
        loop {
            let playing = sim.total().playing;
            if playing >= streams {
                return Ok(());
            }
            process.lives("it recorded")?;
            ensure!(
                clock.now().since(begin) < self.patience(),
                "only {playing} of {streams} streams play after {:?}",
                self.patience()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Lets the run settle, then measures.
    async fn observe(
        &self,
        process: &mut Process,
        beside: &[Beside],
        mut watch: Option<&mut Watch>,
        clock: &dyn Clock,
    ) -> anyhow::Result<Parts> {
        let bar = progress(self.measured);
        let mut tally = Tallying::new(self.data());
        for second in 0..self.settle.as_secs() {
            // Retention works from the start.
            tally.look(second).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            process.lives("the measuring's begin")?;
        }
        if let Some(watch) = &mut watch {
            watch.begin().await?;
        }
        let pid = process.pid();
        let beside_cpu = beside.iter().map(Beside::cpu).collect::<anyhow::Result<Vec<_>>>()?;
        let thread_every = (self.measured.as_secs() / POINTS).max(1) as usize;
        let mut samples = vec![Sample::take(clock.now(), pid, true)?];
        loop {
            let passed = samples[samples.len() - 1].at.since(samples[0].at);
            bar.set_position(passed.as_secs());
            if passed >= self.measured {
                break;
            }
            tokio::time::sleep((self.measured - passed).min(Duration::from_secs(1))).await;
            process.lives("the measuring's end")?;
            let now = clock.now();
            let last = now.since(samples[0].at) >= self.measured;
            samples.push(Sample::take(now, pid, last || samples.len() % thread_every == 0)?);
            tally.look(samples.len() as u64).await?;
            // Twice as often as keyframes come: of two looks between two polls only the second would be seen.
            if let Some(watch) = &mut watch {
                watch.poll().await?;
            }
        }
        bar.finish_and_clear();
        let seen = match watch {
            Some(watch) => Some(watch.end().await?),
            None => None,
        };
        let span = Span { cameras: self.cameras, samples };
        let mut record = self.report(&span);
        record.costs.pss_mb = usage::pss(pid).unwrap_or(0) as f64 / MIB;
        for (beside, before) in beside.iter().zip(beside_cpu) {
            let per_camera = |bytes: u64| bytes as f64 / MIB / self.cameras as f64;
            let cost = span.per(beside.cpu()?.saturating_sub(before));
            let (rss, pss) = (per_camera(beside.rss()?), per_camera(beside.pss()?));
            record.beside.push(BesideReport::new(beside.recorder.name(), &record, cost, rss, pss));
        }
        Ok(Parts { record, seen, tally: tally.end().await? })
    }

    fn report(&self, span: &Span) -> RecordReport {
        let mean = |of: fn(&Clip) -> f64| {
            self.clips.iter().map(|c| of(&c.main)).sum::<f64>() / self.clips.len().max(1) as f64
        };
        let mut costs = span.costs();
        // The generator sends every stream; its cost is told per stream that it serves.
        costs.generator_cpu_ms_per_camera_second = costs.generator_cores * 1000.0 / self.streams() as f64;
        RecordReport {
            cameras: self.cameras,
            streams: self.streams(),
            seconds: span.seconds(),
            mbit_per_camera: mean(Clip::bits_per_second) / 1e6,
            fps: mean(Clip::frame_rate),
            costs,
            timeline: span.timeline(),
            ..RecordReport::default()
        }
    }
}

/// Hidden where the error output is no terminal.
fn progress(length: Duration) -> ProgressBar {
    let style = ProgressStyle::with_template("measuring {bar:40} {pos}/{len} s").ok();
    let bar = ProgressBar::new(length.as_secs());
    match style {
        Some(style) => bar.with_style(style),
        None => bar,
    }
}

#[cfg(test)]
mod tests;
