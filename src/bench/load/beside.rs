//! The yardsticks: one recording process per camera, beside the server under measurement.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;

use crate::bench::usage;

/// What records beside the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Recorder {
    /// `ffmpeg -c copy -f segment`
    Ffmpeg,
    /// `gst-launch-1.0 rtspsrc ! h264parse ! splitmuxsink`
    Gstreamer,
}

impl Recorder {
    pub fn name(self) -> &'static str {
        match self {
            Recorder::Ffmpeg => "ffmpeg",
            Recorder::Gstreamer => "gstreamer",
        }
    }

    /// Records `url` as a run of MP4 files of a minute.
    fn command(self, name: &str, url: &str, dir: &Path) -> Command {
        match self {
            Recorder::Ffmpeg => {
                let mut command = Command::new("ffmpeg");
                command.args(["-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", url, "-c", "copy"]);
                command.args(["-f", "segment", "-segment_time", "60", "-segment_format", "mp4"]);
                command.args(["-reset_timestamps", "1"]).arg(dir.join(format!("{name}-%04d.mp4")));
                command
            }
            Recorder::Gstreamer => {
                let mut command = Command::new("gst-launch-1.0");
                // parsebin takes the packets of either codec apart and puts the right parser in.
                command.args(["-q", "-e", "rtspsrc", "protocols=tcp", "latency=0"]);
                command.arg(format!("location={url}")).args(["!", "parsebin", "!", "splitmuxsink"]);
                command.arg(format!("location={}", dir.join(format!("{name}-%04d.mp4")).display()));
                command.arg("max-size-time=60000000000");
                command
            }
        }
    }

    /// What makes it finish its files.
    fn end(self) -> Signal {
        match self {
            Recorder::Ffmpeg => Signal::TERM,
            Recorder::Gstreamer => Signal::INT,
        }
    }
}

/// One process per stream. Killed and reaped when dropped.
pub struct Beside {
    pub recorder: Recorder,
    children: Vec<Child>,
}

const STOP_WITHIN: Duration = Duration::from_secs(10);

impl Beside {
    /// Record `(name, url)` into `dir`.
    pub fn start(recorder: Recorder, streams: &[(String, String)], dir: &Path) -> anyhow::Result<Beside> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let mut beside = Beside { recorder, children: Vec::new() };
        for (name, url) in streams {
            let mut command = recorder.command(name, url, dir);
            let log = std::fs::File::create(dir.join(format!("{name}.log")))?;
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let child = command.spawn().with_context(|| {
                format!("cannot start {}; --compare needs it", command.get_program().to_string_lossy())
            })?;
            beside.children.push(child);
        }
        Ok(beside)
    }

    fn sum<T: std::iter::Sum>(&self, of: fn(u32) -> std::io::Result<T>) -> anyhow::Result<T> {
        let sum = self.children.iter().map(|c| of(c.id())).sum::<std::io::Result<T>>();
        sum.with_context(|| format!("a {} has ended", self.recorder.name()))
    }

    pub fn cpu(&self) -> anyhow::Result<Duration> {
        self.sum(usage::cpu_of)
    }

    /// Resident memory of all, bytes; shared pages count once per process.
    pub fn rss(&self) -> anyhow::Result<u64> {
        self.sum(usage::rss)
    }

    /// Proportional memory of all, bytes.
    pub fn pss(&self) -> anyhow::Result<u64> {
        self.sum(usage::pss)
    }

    /// Let them finish their files. Must come while the streams still send: ffmpeg looks at the
    /// signal between two packets.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for child in &self.children {
            let pid = rustix::process::Pid::from_child(child);
            rustix::process::kill_process(pid, self.recorder.end())
                .with_context(|| format!("cannot tell {} to end", self.recorder.name()))?;
        }
        let ended = async {
            for child in &mut self.children {
                while child.try_wait()?.is_none() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            anyhow::Ok(())
        };
        let ended = tokio::time::timeout(STOP_WITHIN, ended).await;
        ended.with_context(|| format!("a {} did not end in time", self.recorder.name()))?
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        for child in &mut self.children {
            // One that has ended already was reaped, and is left alone by both.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
