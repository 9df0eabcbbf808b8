//! `pingan bench capacity`: the most cameras that this machine holds within the contract, and a
//! certificate of it.

use std::fmt;

use clap::Args;
use serde::Serialize;

use super::analyse::{Ground, WatchOptions};
use super::load::options::in_folder;
use super::load::{LoadOptions, Server};
use super::machine::Machine;
use super::report::AnalyseReport;
use super::search::Search;
use crate::base::task::Stop;

/// Search the most cameras that this machine records and analyses within the contract, and print a
/// certificate
#[derive(Args, Clone, Debug)]
pub struct CapacityOptions {
    /// `--cameras` is the number that is tried first
    #[command(flatten)]
    pub load: LoadOptions,
    #[command(flatten)]
    pub watch: WatchOptions,
    /// No more are tried
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub most: usize,
}

/// What is promised to every camera.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contract {
    pub frames_lost: i64,
    /// Effective over needed rate of every camera, at least.
    pub watch_ratio: f64,
    /// An idle camera is looked at so often, seconds.
    pub idle_longest_s: f64,
    pub alert_latency_ms_p95: f64,
}

impl Default for Contract {
    fn default() -> Self {
        Contract { frames_lost: 0, watch_ratio: 0.95, idle_longest_s: 4.0, alert_latency_ms_p95: 2000.0 }
    }
}

/// A look is due after so long and done a little later: the tick of the gate and the look itself.
const LOOK_SLACK_S: f64 = 0.5;

impl Contract {
    /// What of it a run did not keep, in words.
    pub fn broken(&self, run: &AnalyseReport) -> Vec<String> {
        let mut broken = Vec::new();
        let (record, analysis) = (&run.record, &run.analysis);
        if record.frames_lost != self.frames_lost {
            broken.push(format!("{} frames lost", record.frames_lost));
        }
        if record.frames_unsent > 0 {
            broken.push(format!("{} frames read too slowly to be sent", record.frames_unsent));
        }
        if let Some(ratio) = analysis.watch_ratio_lowest.filter(|r| *r < self.watch_ratio) {
            broken.push(format!("a camera watched at {ratio:.2} of what it needs"));
        }
        if let Some(s) = analysis.idle_longest_s.filter(|s| *s > self.idle_longest_s + LOOK_SLACK_S) {
            broken.push(format!("an idle camera not looked at for {s:.1} s"));
        }
        if let Some(ms) = analysis.alert_latency_ms_p95.filter(|ms| *ms > self.alert_latency_ms_p95) {
            broken.push(format!("95 of 100 alerts heard after {ms:.0} ms"));
        }
        broken
    }
}

/// One number that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Try {
    pub cameras: usize,
    /// Empty: it held.
    pub broken: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Certificate {
    /// 0: not even the first number held.
    pub cameras: usize,
    pub active_percent: f64,
    pub mbit_per_camera: f64,
    pub contract: Contract,
    pub machine: Machine,
    pub tries: Vec<Try>,
    /// Figures of the largest run that held.
    pub run: Option<AnalyseReport>,
}

/// Runs with the options of the command line; `server` must come with a token.
pub async fn run(options: &CapacityOptions, server: Server<'_>, stop: &Stop) -> anyhow::Result<Certificate> {
    let contract = Contract::default();
    in_folder(options.load.keep.as_deref(), async |folder| {
        let ground = Ground::prepare(&options.load, &options.watch, server, folder, stop).await?;
        let mut search = Search::new(options.load.cameras, options.most);
        let (mut tries, mut best) = (Vec::new(), None::<AnalyseReport>);
        while let Some(cameras) = search.next() {
            // A run that breaks off has not held either; only that it was stopped ends the search.
            let (broken, run) = match ground.with(cameras, None, stop).await {
                Ok(run) => (contract.broken(&run), Some(run)),
                Err(e) if stop.is_cancelled() => return Err(e),
                Err(e) => (vec![format!("{e:#}")], None),
            };
            search.tell(cameras, broken.is_empty());
            eprintln!("{}", verdict(cameras, &broken));
            if broken.is_empty() && best.as_ref().is_none_or(|b| b.record.cameras < cameras) {
                best = run;
            }
            tries.push(Try { cameras, broken });
        }
        Ok(Certificate {
            cameras: search.held().unwrap_or(0),
            active_percent: options.watch.active,
            mbit_per_camera: options.load.mbit,
            contract,
            machine: Machine::look(),
            tries,
            run: best,
        })
    })
    .await
}

fn verdict(cameras: usize, broken: &[String]) -> String {
    match broken {
        [] => format!("{cameras} cameras: held"),
        _ => format!("{cameras} cameras: {}", broken.join("; ")),
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "This machine holds {} cameras.", self.cameras)?;
        writeln!(f, "  machine   {}", self.machine)?;
        writeln!(
            f,
            "  cameras   main stream recorded at {} Mbit/s, sub stream analysed, {} % active",
            self.mbit_per_camera, self.active_percent
        )?;
        let c = &self.contract;
        writeln!(
            f,
            "  contract  no frame lost; every camera watched at {} of what it needs or more; idle ones looked at \
             every {} s; 95 of 100 alerts heard within {} ms",
            c.watch_ratio, c.idle_longest_s, c.alert_latency_ms_p95
        )?;
        self.tries.iter().try_for_each(|t| writeln!(f, "  tried     {}", verdict(t.cameras, &t.broken)))?;
        match &self.run {
            Some(run) => write!(f, "\n{run}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_promise_is_named() {
        let mut run = AnalyseReport::default();
        run.analysis.idle_longest_s = Some(4.3);
        run.analysis.watch_ratio_lowest = Some(0.95);
        run.analysis.alert_latency_ms_p95 = Some(1900.0);
        let contract = Contract::default();
        assert!(contract.broken(&run).is_empty());
        run.record.frames_lost = 3;
        run.record.frames_unsent = 1;
        run.analysis.idle_longest_s = Some(4.6);
        run.analysis.watch_ratio_lowest = Some(0.9);
        run.analysis.alert_latency_ms_p95 = Some(2100.0);
        let broken = contract.broken(&run);
        assert_eq!(broken.len(), 5, "{broken:?}");
        assert!(broken[0].contains("3 frames lost"), "{broken:?}");
    }
}
