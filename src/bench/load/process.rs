//! The server as a process of its own, so that its costs are its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::sample::MIB;
use super::site::{Server, Site};
use crate::base::{Clock, SystemClock};
use crate::bench::usage;

const STOP_WITHIN: Duration = Duration::from_secs(30);
const LAST_LINES: usize = 10;

/// A server that runs. It is killed when this is dropped, so that none is left behind.
pub struct Process {
    child: Child,
    log: PathBuf,
    /// For its API.
    pub token: Option<String>,
}

impl Process {
    /// Writes the configuration of `site` into `folder` and starts the server with it.
    pub fn start(server: &Server<'_>, site: &Site, folder: &Path) -> anyhow::Result<Process> {
        fs::create_dir_all(&site.data).with_context(|| format!("cannot make {}", site.data.display()))?;
        let file = folder.join("bench.toml");
        fs::write(&file, (server.config)(site)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
        let token = server.token.as_ref().map(|token| token(&file)).transpose()?;
        let path = folder.join("server.log");
        let log = fs::File::create(&path).context("cannot write the server's log")?;
        let mut command = (server.serve)(&file);
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        Ok(Process { child, log: path, token })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error where it has ended; `before` says before what.
    pub fn lives(&mut self, before: &str) -> anyhow::Result<()> {
        ensure!(self.child.try_wait()?.is_none(), "the server ended before {before}");
        Ok(())
    }

    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        format!("the server's last words:\n{}", lines[lines.len().saturating_sub(LAST_LINES)..].join("\n"))
    }

    /// Warnings and errors in its log.
    pub fn warnings(&self) -> usize {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().filter(|l| l.contains(" WARN ") || l.contains("ERROR ")).count()
    }

    /// Where its API listens, as its log says: such as `http://127.0.0.1:8088`.
    pub async fn address(&mut self, patience: Duration, clock: &dyn Clock) -> anyhow::Result<String> {
        let begin = clock.now();
        loop {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            // Whole lines only: the last may still be on its way.
            let whole = &log[..log.rfind('\n').unwrap_or(0)];
            if let Some(at) = whole.lines().find_map(|l| Some(l.split_once("listening on http://")?.1)) {
                return Ok(format!("http://{}", at.trim()));
            }
            self.lives("it listened")?;
            ensure!(clock.now().since(begin) < patience, "the server does not say where it listens");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Tells it to end, and waits for that.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .context("cannot tell the server to end")?;
        let ended = async {
            while self.child.try_wait()?.is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            anyhow::Ok(())
        };
        match tokio::time::timeout(STOP_WITHIN, ended).await {
            Ok(ended) => ended,
            Err(_) => bail!("the server did not end within {STOP_WITHIN:?}; {}", self.last_words()),
        }
    }
}

/// What the server takes without a camera: resident and proportional memory, MiB.
pub async fn empty(server: &Server<'_>, folder: &Path) -> anyhow::Result<(f64, f64)> {
    const SETTLE: Duration = Duration::from_secs(2);
    let clock = SystemClock::new();
    let folder = folder.join("empty");
    let site = Site { data: folder.join("data"), ..Site::default() };
    let mut process = Process::start(server, &site, &folder)?;
    let result = async {
        process.address(Duration::from_secs(30), &clock).await?;
        tokio::time::sleep(SETTLE).await;
        let mib = |bytes: u64| bytes as f64 / MIB;
        anyhow::Ok((mib(usage::rss(process.pid())?), mib(usage::pss(process.pid())?)))
    }
    .await;
    let memory = result.map_err(|e| e.context(process.last_words()))?;
    process.stop().await?;
    Ok(memory)
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
