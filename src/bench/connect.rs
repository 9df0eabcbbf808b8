//! `pingan bench connect`: how soon all cameras are recorded after the server's start, and after all
//! their connections broke at once.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use super::load::options::in_folder;
use super::load::process::Process;
use super::load::run::LoadRun;
use super::load::setting::camera;
use super::load::tally::Tally;
use super::load::{CameraClips, LoadOptions, Server, content};
use super::rtsp::SimServer;
use crate::base::task::{Stop, Tasks};
use crate::base::{Clock, Mono, SystemClock};

/// Connect many cameras at once, break all connections at once, and measure until all are recorded
#[derive(Args, Clone, Debug)]
pub struct ConnectOptions {
    #[command(flatten)]
    pub load: LoadOptions,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ConnectReport {
    pub cameras: usize,
    /// From the server's start, and from the moment of the break: until all streams played, and until
    /// a whole fragment of every camera lay on the disk. A fragment is a group of pictures, here 2 s.
    pub start_until_all_play_s: f64,
    pub start_until_all_recorded_s: f64,
    pub break_until_all_play_s: f64,
    pub break_until_all_recorded_s: f64,
    /// Connections that the simulated cameras accepted, and those that came to play: the difference
    /// failed in between.
    pub connections: u64,
    pub sessions: u64,
    pub failed: u64,
    /// Connections that this machine's kernel refused meanwhile, because nobody took them in time.
    pub kernel_refused: u64,
    pub log_warnings: usize,
}

const GIVE_UP: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// So long all is well before the connections break.
const CALM: Duration = Duration::from_secs(3);

/// Runs with the options of the command line.
pub async fn run(options: &ConnectOptions, server: Server<'_>, stop: &Stop) -> anyhow::Result<ConnectReport> {
    let load = &options.load;
    load.check()?;
    let (mbit, kept) = (load.mbit, load.clips());
    let main = tokio::task::spawn_blocking(move || content::main(mbit, &kept));
    let main = main.await.context("making the clips broke off")??;
    in_folder(load.keep.as_deref(), async |folder| {
        let run = load.run(vec![CameraClips::recorded(main)], folder);
        let (clock, tasks): (Arc<dyn Clock>, _) = (Arc::new(SystemClock::new()), Tasks::root("bench"));
        let sim = run.simulator(clock.clone(), &tasks).await?;
        let refused = kernel_refused();
        let result = tokio::select! {
            r = storm(&run, &sim, &server, &*clock) => r,
            () = stop.cancelled() => Err(anyhow::anyhow!("the run was stopped before its end")),
        };
        let (connections, sessions) = (sim.connections(), sim.total().sessions);
        sim.stop().await;
        Ok(ConnectReport {
            connections,
            sessions,
            failed: connections.saturating_sub(sessions),
            kernel_refused: kernel_refused().saturating_sub(refused),
            ..result?
        })
    })
    .await
}

async fn storm(
    run: &LoadRun,
    sim: &SimServer,
    server: &Server<'_>,
    clock: &dyn Clock,
) -> anyhow::Result<ConnectReport> {
    let site = run.site(sim)?;
    let mut tally = Tally::new(site.data.join("archive"));
    let start = clock.now();
    let mut process = Process::start(server, &site, &run.folder)?;
    let n = run.cameras;
    let result = async {
        let first = recorded(sim, n, 1, &mut tally, start, &mut process, clock).await?;
        tokio::time::sleep(CALM).await;
        tally.look(false)?;
        let broken = clock.now();
        (0..n).try_for_each(|i| sim.cut(&camera(i)))?;
        let second = recorded(sim, n, 2, &mut tally, broken, &mut process, clock).await?;
        anyhow::Ok((first, second))
    }
    .await;
    let (first, second) = result.map_err(|e| e.context(process.last_words()))?;
    let log_warnings = process.warnings();
    process.stop().await?;
    Ok(ConnectReport {
        cameras: n,
        start_until_all_play_s: first.0,
        start_until_all_recorded_s: first.1,
        break_until_all_play_s: second.0,
        break_until_all_recorded_s: second.1,
        log_warnings,
        ..ConnectReport::default()
    })
}

/// Seconds from `begin` until every camera plays in its `round`th session or a later one, and until
/// frames of all of them lie in files that were not there before.
async fn recorded(
    sim: &SimServer,
    cameras: usize,
    round: u64,
    tally: &mut Tally,
    begin: Mono,
    process: &mut Process,
    clock: &dyn Clock,
) -> anyhow::Result<(f64, f64)> {
    let before = tally.looks();
    let passed = || clock.now().since(begin);
    let mut played = None;
    loop {
        let stats = (0..cameras).map(|i| sim.stats(&camera(i))).collect::<Result<Vec<_>, _>>()?;
        let playing = stats.iter().filter(|s| s.sessions >= round && s.playing > 0).count();
        if playing == cameras {
            played.get_or_insert(passed().as_secs_f64());
        }
        // Listing the archive of many cameras takes a while, and the processors are shared.
        if let Some(played) = played {
            tally.look(false)?;
            if tally.folders_after(before) == cameras {
                return Ok((played, passed().as_secs_f64()));
            }
        }
        process.lives("all cameras were recorded")?;
        ensure!(passed() < GIVE_UP, "after {GIVE_UP:?} {playing} of {cameras} cameras play");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Connections that the kernel dropped because the listener's queue was full, since the machine's
/// start; 0 where it does not say.
fn kernel_refused() -> u64 {
    fs::read_to_string(Path::new("/proc/net/netstat")).map_or(0, |text| overflows(&text))
}

/// In `/proc/net/netstat` a line of names comes before the line of values.
fn overflows(text: &str) -> u64 {
    let mut lines = text.lines().filter_map(|l| l.strip_prefix("TcpExt:"));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return 0 };
    let value =
        names.split_whitespace().zip(values.split_whitespace()).find(|(n, _)| *n == "ListenOverflows");
    value.and_then(|(_, v)| v.parse().ok()).unwrap_or(0)
}

impl fmt::Display for ConnectReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "{name:<48}{value:>14}");
        row("cameras", self.cameras.to_string())?;
        row("after the start: all play, s", format!("{:.1}", self.start_until_all_play_s))?;
        row("after the start: all on the disk, s", format!("{:.1}", self.start_until_all_recorded_s))?;
        row("after the break: all play, s", format!("{:.1}", self.break_until_all_play_s))?;
        row("after the break: all on the disk, s", format!("{:.1}", self.break_until_all_recorded_s))?;
        row("connections accepted", self.connections.to_string())?;
        row("  that played", self.sessions.to_string())?;
        row("  that failed in between", self.failed.to_string())?;
        row("connections that the kernel refused", self.kernel_refused.to_string())?;
        row("warnings in the server's log", self.log_warnings.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflows_are_read_by_their_name() {
        let text =
            "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 4 17 18\nIpExt: A\nIpExt: 9\n";
        assert_eq!((overflows(text), overflows("IpExt: A\nIpExt: 1\n")), (17, 0));
    }
}
