//! `pingan bench record`: many simulated cameras, one server that records them, and what it costs.
//!
//! The server runs as a process of its own, so that its costs are its own; this process generates
//! the load. How the server is configured and started comes from outside (`app` knows that).

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;

use super::clip::{Clip, files_of};
use super::encode::EncodeSettings;
use super::frames::count_frames;
use super::report::{RecordReport, median, percentile};
use super::rtsp::{Mount, Send, SimOptions, SimServer, Start};
use super::scene::{Scene, Variant};
use super::usage;
use crate::base::task::{Stop, Tasks};
use crate::base::{Clock, Mono, SystemClock};

/// Record many simulated cameras and measure CPU, memory and lost frames
#[derive(Args, Clone, Debug)]
pub struct RecordOptions {
    /// Number of cameras
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub cameras: usize,
    /// Length of the measured part
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub seconds: u64,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Folder with MP4 clips to play in turn. Without it: a made 1080p25 H.264 scene
    #[arg(long, value_name = "DIR")]
    pub footage: Option<PathBuf>,
    /// Bitrate of the made scene
    #[arg(long, value_name = "MBIT", default_value_t = 4.0, conflicts_with = "footage")]
    pub mbit: f64,
    /// Send packet by packet, as cameras on a LAN do, instead of a whole picture at once
    #[arg(long)]
    pub per_packet: bool,
    /// Where the run's files go; they are kept. Without it: a temporary folder, removed afterwards
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// What the server's configuration must say.
#[derive(Clone, Debug)]
pub struct RecordSite {
    /// Camera id and RTSP URL.
    pub cameras: Vec<(String, String)>,
    /// Folder for everything the server writes; recordings are counted in its whole tree.
    pub data: PathBuf,
}

/// How a run goes, once its clips are there.
pub struct RecordRun {
    pub cameras: usize,
    pub measured: Duration,
    /// From the moment all cameras play to the begin of measuring.
    pub settle: Duration,
    pub clips: Vec<Arc<Clip>>,
    pub send: Send,
    pub folder: PathBuf,
}

/// Time for the server to take in what was sent last, before it is told to end.
const DRAIN: Duration = Duration::from_secs(1);
const STOP_WITHIN: Duration = Duration::from_secs(30);
const MIB: f64 = 1024.0 * 1024.0;

/// Runs with the options of the command line. `config` writes the text of a configuration file, and
/// `server` gives the command that serves the file at the given path and ends cleanly on SIGTERM.
pub async fn run(
    options: &RecordOptions,
    config: impl FnOnce(&RecordSite) -> String,
    server: impl FnOnce(&Path) -> Command,
    stop: &Stop,
) -> anyhow::Result<RecordReport> {
    ensure!(options.cameras > 0 && options.seconds > 0, "--cameras and --seconds must be at least 1");
    let (footage, mbit) = (options.footage.clone(), options.mbit);
    let clips = tokio::task::spawn_blocking(move || load_clips(footage.as_deref(), mbit));
    let clips = clips.await.context("making the clips broke off")??;
    let temporary = std::env::temp_dir().join(format!("pingan-bench-{}", std::process::id()));
    let run = RecordRun {
        cameras: options.cameras,
        measured: Duration::from_secs(options.seconds),
        settle: Duration::from_secs(3),
        clips,
        send: if options.per_packet { Send::PerPacket } else { Send::PerUnit },
        folder: options.keep.clone().unwrap_or_else(|| temporary.clone()),
    };
    let result = run.measure(config, server, stop).await;
    if options.keep.is_none() {
        // Left-overs in the temporary folder are no reason to withhold the result.
        let _ = fs::remove_dir_all(&temporary);
    }
    result
}

fn load_clips(footage: Option<&Path>, mbit: f64) -> anyhow::Result<Vec<Arc<Clip>>> {
    match footage {
        Some(dir) => files_of(dir)?.iter().map(|f| Clip::load(f).map(Arc::new)).collect(),
        None => Ok(vec![Arc::new(load_clip(mbit)?)]),
    }
}

/// Ten seconds of a made scene as a main stream of exactly `mbit` Mbit/s.
pub fn load_clip(mbit: f64) -> anyhow::Result<Clip> {
    ensure!((0.1..=100.0).contains(&mbit), "--mbit must be between 0.1 and 100");
    let mut scene = Scene::demo(Variant::Yard, 1);
    (scene.duration, scene.noise) = (Duration::from_secs(10), 5);
    scene.encode("load", &EncodeSettings { bitrate: (mbit * 1e6) as u32, ..EncodeSettings::main() })
}

/// Kills the server when the run breaks off, so that none is left behind.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Costs at one moment.
struct Sample {
    at: Mono,
    server: Duration,
    rss: f64,
}

impl RecordRun {
    /// Starts everything, measures, stops everything and counts.
    pub async fn measure(
        &self,
        config: impl FnOnce(&RecordSite) -> String,
        server: impl FnOnce(&Path) -> Command,
        stop: &Stop,
    ) -> anyhow::Result<RecordReport> {
        let data = self.folder.join("data");
        fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let tasks = Tasks::root("bench");
        let sim = self.simulator(clock.clone(), &tasks).await?;
        let name = |i: usize| format!("cam-{}", i + 1);
        let cameras = (0..self.cameras).map(|i| (name(i), sim.url(&name(i)))).collect();
        let file = self.folder.join("bench.toml");
        fs::write(&file, config(&RecordSite { cameras, data: data.clone() }))
            .with_context(|| format!("cannot write {}", file.display()))?;
        let mut child = self.start(server(&file))?;

        let result = tokio::select! {
            r = self.observe(&sim, &mut child, &*clock) => r,
            () = stop.cancelled() => Err(anyhow::anyhow!("the run was stopped before its end")),
        };
        let mut report = match result {
            Ok(report) => report,
            Err(e) => {
                drop(child);
                sim.stop().await;
                return Err(e.context(self.log_end()));
            }
        };
        sim.hold(true);
        tokio::time::sleep(DRAIN).await;
        self.stop_server(child).await?;
        sim.stop().await;
        let total = sim.total();
        let counted = tokio::task::spawn_blocking(move || count_frames(&data)).await;
        report.frames_recorded = counted.context("counting broke off")??;
        report.frames_sent = total.frames_sent;
        report.frames_unsent = total.frames_dropped;
        report.frames_lost =
            (total.frames_sent + total.frames_dropped) as i64 - report.frames_recorded as i64;
        Ok(report)
    }

    async fn simulator(&self, clock: Arc<dyn Clock>, tasks: &Tasks) -> anyhow::Result<SimServer> {
        let mount = |i: usize| Mount {
            start: Start::Phase(i as u64),
            ..Mount::new(&format!("cam-{}", i + 1), self.clips[i % self.clips.len()].clone())
        };
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut options = SimOptions::new(listen, (0..self.cameras).map(mount).collect());
        options.send = self.send;
        Ok(SimServer::start(options, clock, tasks).await?)
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn start(&self, mut command: Command) -> anyhow::Result<Server> {
        let log = fs::File::create(self.log_path()).context("cannot write the server's log")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        Ok(Server(child))
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        format!("the server's last words:\n{}", lines[lines.len().saturating_sub(10)..].join("\n"))
    }

    /// Waits until all cameras play, then measures.
    async fn observe(
        &self,
        sim: &SimServer,
        child: &mut Server,
        clock: &dyn Clock,
    ) -> anyhow::Result<RecordReport> {
        let patience = Duration::from_secs(30) + Duration::from_millis(100) * self.cameras as u32;
        let begin = clock.now();
        while sim.total().playing < self.cameras as u64 {
            let playing = sim.total().playing;
            ensure!(child.0.try_wait()?.is_none(), "the server ended before it recorded");
            ensure!(
                clock.now().since(begin) < patience,
                "only {playing} of {} cameras are connected after {patience:?}",
                self.cameras
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(self.settle).await;

        let pid = child.0.id();
        let sample = || -> anyhow::Result<Sample> {
            let (server, rss) = (usage::cpu_of(pid)?, usage::rss(pid)? as f64 / MIB);
            Ok(Sample { at: clock.now(), server, rss })
        };
        let (own, threads) = (usage::own_cpu(), usage::threads_cpu(pid)?);
        let mut samples = vec![sample()?];
        while samples[samples.len() - 1].at.since(samples[0].at) < self.measured {
            let left = self.measured.saturating_sub(samples[samples.len() - 1].at.since(samples[0].at));
            tokio::time::sleep(left.min(Duration::from_secs(1))).await;
            ensure!(child.0.try_wait()?.is_none(), "the server ended while it was measured");
            samples.push(sample()?);
        }
        let own = usage::own_cpu() - own;
        let mut threads_now = usage::threads_cpu(pid)?;
        for (name, before) in &threads {
            if let Some(now) = threads_now.get_mut(name) {
                *now = now.saturating_sub(*before);
            }
        }
        let pss = usage::pss(pid).unwrap_or(0) as f64 / MIB;
        Ok(self.report(&samples, own, threads_now, pss))
    }

    fn report(
        &self,
        samples: &[Sample],
        own: Duration,
        threads: std::collections::BTreeMap<String, Duration>,
        pss_mb: f64,
    ) -> RecordReport {
        let (first, last) = (&samples[0], &samples[samples.len() - 1]);
        let seconds = last.at.since(first.at).as_secs_f64();
        let per = |cpu: Duration| cpu.as_secs_f64() * 1000.0 / (self.cameras as f64 * seconds);
        let cores: Vec<f64> = samples
            .windows(2)
            .map(|w| (w[1].server - w[0].server).as_secs_f64() / w[1].at.since(w[0].at).as_secs_f64())
            .collect();
        let mean = |of: fn(&Clip) -> f64| {
            self.clips.iter().map(|c| of(c)).sum::<f64>() / self.clips.len().max(1) as f64
        };
        RecordReport {
            cameras: self.cameras,
            seconds,
            mbit_per_camera: mean(Clip::bits_per_second) / 1e6,
            fps: mean(Clip::frame_rate),
            cpu_ms_per_camera_second: per(last.server - first.server),
            generator_cpu_ms_per_camera_second: per(own),
            frames_sent: 0,
            frames_unsent: 0,
            frames_recorded: 0,
            frames_lost: 0,
            rss_mb: last.rss,
            rss_mb_peak: samples.iter().map(|s| s.rss).fold(0.0, f64::max),
            rss_mb_growth: last.rss - first.rss,
            rss_mb_per_camera: last.rss / self.cameras as f64,
            pss_mb,
            cores_median: median(&cores).unwrap_or(0.0),
            cores_peak: percentile(&cores, 1.0).unwrap_or(0.0),
            threads: threads.into_iter().map(|(name, cpu)| (name, per(cpu))).collect(),
        }
    }

    async fn stop_server(&self, mut child: Server) -> anyhow::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::I420;

    fn small_run(folder: &Path) -> RecordRun {
        let settings =
            EncodeSettings { width: 64, height: 48, bitrate: 200_000, gop: 10, ..EncodeSettings::main() };
        let frame = |i: usize| I420::packed(64, 48, vec![i as u8 * 4; 64 * 72]).unwrap();
        let clip = super::super::encode::encode("grey", &settings, 50, frame).unwrap();
        RecordRun {
            cameras: 1,
            measured: Duration::from_secs(1),
            settle: Duration::from_secs(1),
            clips: vec![Arc::new(clip)],
            send: Send::PerUnit,
            folder: folder.into(),
        }
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
        let config = |site: &RecordSite| format!("{} {}", site.cameras[0].1, site.data.display());
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
        let report = run.measure(config, server, &Stop::new()).await.unwrap();
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
        let error = small_run(dir.path()).measure(|_| String::new(), server, &Stop::new()).await.unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("ended before") && error.contains("disk on fire"), "{error}");
    }
}
