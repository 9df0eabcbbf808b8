//! One load run: simulated cameras, one server under measurement, what it cost, and whether every
//! frame that was sent is in its files.
//!
//! The server runs as a process of its own, so that its costs are its own; this process generates
//! the load. How the server is configured and started comes from outside (`app` knows that).
//!
//! Frames are counted over the whole run, from the first that a camera sent to the last: at the end
//! the cameras pause with their connections open, the server is given a moment to read what is on
//! its way, and is then told to end, which finishes its files. So nothing is in flight when it is
//! counted, and no allowance is made for anything.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use super::beside::Beside;
use super::clip::Clip;
use super::frames::count_frames;
use super::report::{AnalysisReport, BesideReport, RecordReport};
use super::rtsp::{Mount, Send, SimOptions, SimServer, Start};
use super::sample::{Sample, Span};
use super::usage;
use super::watch::Watch;
use crate::base::task::{Stop, Tasks};
use crate::base::{Clock, SystemClock};

/// A camera as the server's configuration must name it.
#[derive(Clone, Debug)]
pub struct SiteCamera {
    pub id: String,
    pub url: String,
    pub sub: Option<String>,
}

/// What the server's configuration must say.
#[derive(Clone, Debug)]
pub struct Site {
    pub cameras: Vec<SiteCamera>,
    /// Folder for everything the server writes; recordings are counted in its whole tree.
    pub data: PathBuf,
}

type Config<'a> = Box<dyn FnOnce(&Site) -> anyhow::Result<String> + 'a>;
type Token<'a> = Box<dyn FnOnce(&Path) -> anyhow::Result<String> + 'a>;

/// The server under measurement.
pub struct Server<'a> {
    /// Writes the text of a configuration file.
    pub config: Config<'a>,
    /// The command that serves the file at the given path and ends cleanly on SIGTERM.
    pub serve: Box<dyn FnOnce(&Path) -> Command + 'a>,
    /// Makes a token for the API of the server with this configuration file. Where there is one, the
    /// analysis is watched; the server must then log `listening on http://ADDRESS`.
    pub token: Option<Token<'a>>,
}

/// The streams of a camera.
#[derive(Clone)]
pub struct CameraClips {
    pub main: Arc<Clip>,
    pub sub: Option<Arc<Clip>>,
}

/// How a run goes, once its clips are there.
pub struct LoadRun {
    pub cameras: usize,
    pub measured: Duration,
    /// From the moment all cameras play to the begin of measuring.
    pub settle: Duration,
    /// The cameras play these in turn.
    pub clips: Vec<CameraClips>,
    pub send: Send,
    pub folder: PathBuf,
    /// An ffmpeg per camera records a twin of the camera at the same time.
    pub compare: bool,
}

/// What a run shows.
#[derive(Clone, Debug)]
pub struct Measured {
    pub record: RecordReport,
    /// Where the server came with a token.
    pub analysis: Option<AnalysisReport>,
}

/// Time for the server to take in what was sent last, before it is told to end.
const DRAIN: Duration = Duration::from_secs(1);
const STOP_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: usize = 5;

/// Runs `work` in `keep`, or in a temporary folder that is removed afterwards.
pub async fn in_folder<T>(
    keep: Option<&Path>,
    work: impl AsyncFnOnce(PathBuf) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    if let Some(keep) = keep {
        return work(keep.to_owned()).await;
    }
    let temporary = std::env::temp_dir().join(format!("pingan-bench-{}", std::process::id()));
    let result = work(temporary.clone()).await;
    // Left-overs in the temporary folder are no reason to withhold the result.
    let _ = fs::remove_dir_all(&temporary);
    result
}

/// Kills the server when the run breaks off, so that none is left behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn camera(i: usize) -> String {
    format!("cam-{}", i + 1)
}

/// The stream that ffmpeg records: the camera's clip from the same place, on a mount of its own, so
/// that frames sent to the server are counted apart.
fn twin(i: usize) -> String {
    format!("{}/twin", camera(i))
}

impl LoadRun {
    /// Starts everything, measures, stops everything and counts.
    pub async fn measure(&self, server: Server<'_>, stop: &Stop) -> anyhow::Result<Measured> {
        let data = self.folder.join("data");
        fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let tasks = Tasks::root("bench");
        let sim = self.simulator(clock.clone(), &tasks).await?;
        let result = tokio::select! {
            r = self.with(&sim, server, &data, clock) => r,
            () = stop.cancelled() => Err(anyhow::anyhow!("the run was stopped before its end")),
        };
        sim.stop().await;
        let mut measured = result?;
        let totals = (0..self.cameras).map(|i| sim.stats(&camera(i))).collect::<Result<Vec<_>, _>>()?;
        let report = &mut measured.record;
        report.frames_sent = totals.iter().map(|t| t.frames_sent).sum();
        report.frames_unsent = totals.iter().map(|t| t.frames_dropped).sum();
        let folder = self.beside_folder();
        let (recorded, beside) = tokio::task::spawn_blocking(move || {
            let beside = if folder.is_dir() { count_frames(&folder)? } else { 0 };
            anyhow::Ok((count_frames(&data)?, beside))
        })
        .await
        .context("counting broke off")??;
        report.frames_recorded = recorded;
        report.frames_lost = (report.frames_sent + report.frames_unsent) as i64 - recorded as i64;
        if let Some(report) = &mut report.beside {
            report.frames_recorded = beside;
        }
        Ok(measured)
    }

    /// The part during which other processes run; dropping it ends them.
    async fn with(
        &self,
        sim: &SimServer,
        server: Server<'_>,
        data: &Path,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Measured> {
        let file = self.folder.join("bench.toml");
        fs::write(&file, (server.config)(&self.site(sim, data))?)
            .with_context(|| format!("cannot write {}", file.display()))?;
        let token = server.token.map(|token| token(&file)).transpose()?;
        let mut child = self.start((server.serve)(&file))?;
        let result = async {
            let mut watch = match token {
                Some(token) => {
                    Some(Watch::start(self.address(&mut child, &*clock).await?, token, clock.clone()).await?)
                }
                None => None,
            };
            let beside = self.beside(sim)?;
            self.until_all_play(sim, &mut child, &*clock).await?;
            let measured = self.observe(&mut child, beside.as_ref(), watch.as_mut(), &*clock).await?;
            if let Some(beside) = beside {
                beside.stop().await?;
            }
            anyhow::Ok((measured, watch))
        }
        .await;
        let (measured, watch) = result.map_err(|e| e.context(self.log_end()))?;
        sim.hold(true);
        tokio::time::sleep(DRAIN).await;
        self.stop_server(child).await?;
        if let Some(watch) = watch {
            watch.join().await?;
        }
        Ok(measured)
    }

    async fn simulator(&self, clock: Arc<dyn Clock>, tasks: &Tasks) -> anyhow::Result<SimServer> {
        let mut mounts = Vec::new();
        for i in 0..self.cameras {
            let clips = &self.clips[i % self.clips.len()];
            let mount = |path: &str, clip: &Arc<Clip>| Mount {
                start: Start::Phase(i as u64),
                ..Mount::new(path, clip.clone())
            };
            mounts.push(mount(&camera(i), &clips.main));
            if self.compare {
                mounts.push(mount(&twin(i), &clips.main));
            }
            if let Some(sub) = &clips.sub {
                mounts.push(mount(&format!("{}/sub", camera(i)), sub));
            }
        }
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut options = SimOptions::new(listen, mounts);
        options.send = self.send;
        Ok(SimServer::start(options, clock, tasks).await?)
    }

    /// Streams that play when all are connected.
    fn streams(&self) -> u64 {
        let sub = |i: usize| u64::from(self.clips[i % self.clips.len()].sub.is_some());
        (0..self.cameras).map(|i| 1 + u64::from(self.compare) + sub(i)).sum()
    }

    fn site(&self, sim: &SimServer, data: &Path) -> Site {
        let site_camera = |i: usize| SiteCamera {
            id: camera(i),
            url: sim.url(&camera(i)),
            sub: self.clips[i % self.clips.len()]
                .sub
                .as_ref()
                .map(|_| sim.url(&format!("{}/sub", camera(i)))),
        };
        Site { cameras: (0..self.cameras).map(site_camera).collect(), data: data.to_owned() }
    }

    fn beside_folder(&self) -> PathBuf {
        self.folder.join("beside")
    }

    fn beside(&self, sim: &SimServer) -> anyhow::Result<Option<Beside>> {
        if !self.compare {
            return Ok(None);
        }
        let streams: Vec<_> = (0..self.cameras).map(|i| (camera(i), sim.url(&twin(i)))).collect();
        Beside::start(&streams, &self.beside_folder()).map(Some)
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn start(&self, mut command: Command) -> anyhow::Result<Running> {
        let log = fs::File::create(self.log_path()).context("cannot write the server's log")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        Ok(Running(child))
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        format!("the server's last words:\n{}", lines[lines.len().saturating_sub(10)..].join("\n"))
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30) + Duration::from_millis(100) * self.cameras as u32
    }

    /// Where the server's API listens, as its log says.
    async fn address(&self, child: &mut Running, clock: &dyn Clock) -> anyhow::Result<String> {
        let begin = clock.now();
        loop {
            let log = fs::read_to_string(self.log_path()).unwrap_or_default();
            // Whole lines only: the last may still be on its way.
            let whole = &log[..log.rfind('\n').unwrap_or(0)];
            if let Some(at) = whole.lines().find_map(|l| Some(l.split_once("listening on http://")?.1)) {
                return Ok(format!("http://{}", at.trim()));
            }
            ensure!(child.0.try_wait()?.is_none(), "the server ended before it listened");
            ensure!(clock.now().since(begin) < self.patience(), "the server does not say where it listens");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn until_all_play(
        &self,
        sim: &SimServer,
        child: &mut Running,
        clock: &dyn Clock,
    ) -> anyhow::Result<()> {
        let (begin, streams) = (clock.now(), self.streams());
        loop {
            let playing = sim.total().playing;
            if playing >= streams {
                return Ok(());
            }
            ensure!(child.0.try_wait()?.is_none(), "the server ended before it recorded");
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
        child: &mut Running,
        beside: Option<&Beside>,
        mut watch: Option<&mut Watch>,
        clock: &dyn Clock,
    ) -> anyhow::Result<Measured> {
        let bar = progress(self.measured);
        tokio::time::sleep(self.settle).await;
        if let Some(watch) = &mut watch {
            watch.begin().await?;
        }
        let pid = child.0.id();
        let (own, threads) = (usage::own_cpu(), usage::threads_cpu(pid)?);
        let beside_cpu = beside.map(Beside::cpu).transpose()?;
        let mut samples = vec![Sample::take(clock.now(), pid)?];
        while samples[samples.len() - 1].at.since(samples[0].at) < self.measured {
            let left = self.measured.saturating_sub(samples[samples.len() - 1].at.since(samples[0].at));
            tokio::time::sleep(left.min(Duration::from_secs(1))).await;
            ensure!(child.0.try_wait()?.is_none(), "the server ended while it was measured");
            samples.push(Sample::take(clock.now(), pid)?);
            bar.set_position(samples[samples.len() - 1].at.since(samples[0].at).as_secs());
            if samples.len() % LOOK_EVERY == 0
                && let Some(watch) = &mut watch
            {
                watch.look().await?;
            }
        }
        bar.finish_and_clear();
        let span = Span { cameras: self.cameras, samples };
        let mut record = self.report(&span);
        // The generator sends every stream; its cost is told per stream of a camera that it serves.
        record.generator_cpu_ms_per_camera_second =
            span.per(usage::own_cpu().saturating_sub(own)) * self.cameras as f64 / self.streams() as f64;
        let now = usage::threads_cpu(pid)?;
        record.threads = now
            .into_iter()
            .map(|(name, cpu)| {
                let before = threads.get(&name).copied().unwrap_or_default();
                let cost = span.per(cpu.saturating_sub(before));
                (name, cost)
            })
            .collect();
        record.pss_mb = usage::pss(pid).unwrap_or(0) as f64 / super::sample::MIB;
        if let (Some(beside), Some(before)) = (beside, beside_cpu) {
            let per_camera = |bytes: u64| bytes as f64 / super::sample::MIB / self.cameras as f64;
            let cost = span.per(beside.cpu()? - before);
            record.beside =
                Some(BesideReport::new(&record, cost, per_camera(beside.rss()?), per_camera(beside.pss()?)));
        }
        let analysis = match watch {
            Some(watch) => Some(watch.report(self.cameras).await?),
            None => None,
        };
        Ok(Measured { record, analysis })
    }

    fn report(&self, span: &Span) -> RecordReport {
        let mean = |of: fn(&Clip) -> f64| {
            self.clips.iter().map(|c| of(&c.main)).sum::<f64>() / self.clips.len().max(1) as f64
        };
        RecordReport {
            mbit_per_camera: mean(Clip::bits_per_second) / 1e6,
            fps: mean(Clip::frame_rate),
            ..span.report()
        }
    }

    async fn stop_server(&self, mut child: Running) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&child.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .context("cannot tell the server to end")?;
        let ended = async {
            while child.0.try_wait()?.is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            anyhow::Ok(())
        };
        match tokio::time::timeout(STOP_WITHIN, ended).await {
            Ok(ended) => ended,
            Err(_) => bail!("the server did not end within {STOP_WITHIN:?}; {}", self.log_end()),
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
mod tests {
    use super::super::encode::{EncodeSettings, encode};
    use super::*;
    use crate::media::I420;

    fn small_run(folder: &Path) -> LoadRun {
        let settings =
            EncodeSettings { width: 64, height: 48, bitrate: 200_000, gop: 10, ..EncodeSettings::main() };
        let frame = |i: usize| I420::packed(64, 48, vec![i as u8 * 4; 64 * 72]).unwrap();
        let clip = encode("grey", &settings, 50, frame).unwrap();
        LoadRun {
            cameras: 1,
            measured: Duration::from_secs(1),
            settle: Duration::from_secs(1),
            clips: vec![CameraClips { main: Arc::new(clip), sub: None }],
            send: Send::PerUnit,
            folder: folder.into(),
            compare: false,
        }
    }

    fn under_test<'a>(
        config: impl FnOnce(&Site) -> anyhow::Result<String> + 'a,
        serve: impl FnOnce(&Path) -> Command + 'a,
    ) -> Server<'a> {
        Server { config: Box::new(config), serve: Box::new(serve), token: None }
    }

    /// ffmpeg stands in for the server: the harness must find every frame it sent in ffmpeg's file.
    #[tokio::test(flavor = "multi_thread")]
    async fn every_frame_sent_is_found_in_the_recording_of_a_server_that_loses_none() {
        if Command::new("ffmpeg").arg("-version").output().is_err() {
            eprintln!("skipped: ffmpeg is not there");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let run = small_run(dir.path());
        let config = |site: &Site| Ok(format!("{} {}", site.cameras[0].url, site.data.display()));
        let server = |file: &Path| {
            let text = fs::read_to_string(file).unwrap();
            let (url, data) = text.split_once(' ').unwrap();
            let mut command = Command::new("ffmpeg");
            // Without the limit ffmpeg looks at the stream for 5 s before it writes the first frame.
            command.args(["-nostdin", "-v", "error", "-analyzeduration", "100000", "-probesize", "1000"]);
            // A silent stream keeps ffmpeg from seeing SIGTERM; after 2 s it ends by itself.
            command.args(["-timeout", "2000000", "-rtsp_transport", "tcp", "-i", url, "-c", "copy"]);
            command.args(["-movflags", "frag_keyframe+empty_moov"]).arg(format!("{data}/out.mp4"));
            command
        };
        let report = run.measure(under_test(config, server), &Stop::new()).await.unwrap().record;
        assert!(report.frames_sent >= 25 && report.frames_unsent == 0, "{report}");
        assert_eq!(report.frames_lost, 0, "{report}");
        assert!(report.rss_mb > 1.0 && report.seconds >= 1.0, "{report}");
        let json = serde_json::to_value(&report).unwrap();
        for key in ["cpu_ms_per_camera_second", "rss_mb_per_camera", "generator_cpu_ms_per_camera_second"] {
            assert!(json[key].is_f64(), "{key}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_that_dies_is_an_error_with_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let server = |_: &Path| {
            let mut command = Command::new("sh");
            command.args(["-c", "echo 'disk on fire'; exit 3"]);
            command
        };
        let server = under_test(|_| Ok(String::new()), server);
        let error = small_run(dir.path()).measure(server, &Stop::new()).await.unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("ended before") && error.contains("disk on fire"), "{error}");
    }
}
