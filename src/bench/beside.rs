//! The yardstick: one `ffmpeg -c copy` per camera, recording beside the server under measurement.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use super::usage;

/// One ffmpeg per stream. Killed and reaped when dropped.
pub struct Beside {
    children: Vec<Child>,
}

const STOP_WITHIN: Duration = Duration::from_secs(5);

impl Beside {
    /// Record `(name, url)` into `dir`, each as a run of MP4 files of a minute.
    pub fn start(streams: &[(String, String)], dir: &Path) -> anyhow::Result<Beside> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let mut beside = Beside { children: Vec::new() };
        for (name, url) in streams {
            let mut command = Command::new("ffmpeg");
            command.args(["-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", url, "-c", "copy"]);
            command.args(["-f", "segment", "-segment_time", "60", "-segment_format", "mp4"]);
            command.args(["-reset_timestamps", "1"]).arg(dir.join(format!("{name}-%04d.mp4")));
            let log = std::fs::File::create(dir.join(format!("{name}.log")))?;
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let child = command.spawn().context("cannot start ffmpeg; --compare needs it")?;
            beside.children.push(child);
        }
        Ok(beside)
    }

    fn sum<T: std::iter::Sum>(&self, of: fn(u32) -> std::io::Result<T>) -> anyhow::Result<T> {
        self.children.iter().map(|c| of(c.id())).sum::<std::io::Result<T>>().context("an ffmpeg has ended")
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
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)
                .context("cannot tell ffmpeg to end")?;
        }
        let ended = async {
            for child in &mut self.children {
                while child.try_wait()?.is_none() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(STOP_WITHIN, ended).await.context("an ffmpeg did not end in time")?
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
