//! What was sent against what is in the files, and what the server says itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;

use super::api::{Api, growth};
use super::run::LoadRun;
use super::setting::camera;
use super::tally::{self, Tally};
use crate::base::metrics::{CAMERA_RECONNECTS, INGEST_UNITS, RECORDER_GAPS};
use crate::bench::frames::count_frames;
use crate::bench::report::RecordReport;
use crate::bench::rtsp::SimServer;

impl LoadRun {
    /// What the server says when nothing is on its way any more.
    pub(super) async fn ask(&self, api: &Api, record: &mut RecordReport) -> anyhow::Result<()> {
        let metrics = api.metrics().await?;
        let sound = self.clips.iter().any(|c| c.main.audio.is_some());
        let main: f64 = metrics.by(INGEST_UNITS, "camera", &[("stream", "main")]).values().sum();
        record.frames_received = (!sound).then_some(main as u64);
        let gaps = growth(&BTreeMap::new(), &metrics.by(RECORDER_GAPS, "cause", &[]));
        record.gaps = gaps.into_iter().filter(|(_, n)| *n > 0.0).map(|(c, n)| (c, n as u64)).collect();
        record.reconnects = metrics.sum(CAMERA_RECONNECTS) as u64;
        Ok(())
    }

    /// What was sent against what is in the files.
    pub(super) async fn count(
        &self,
        sim: &SimServer,
        record: &mut RecordReport,
        mut tally: Tally,
    ) -> anyhow::Result<()> {
        let totals = (0..self.cameras).map(|i| sim.stats(&camera(i))).collect::<Result<Vec<_>, _>>()?;
        record.frames_sent = totals.iter().map(|t| t.frames_sent).sum();
        record.frames_unsent = totals.iter().map(|t| t.frames_dropped).sum();
        let folders: Vec<PathBuf> = self.compare.iter().map(|r| self.beside_folder(*r)).collect();
        let counted = tokio::task::spawn_blocking(move || {
            tally.look(true)?;
            let beside =
                folders.iter().map(|folder| count_frames(folder)).collect::<anyhow::Result<Vec<_>>>()?;
            anyhow::Ok((tally, beside))
        });
        let (tally, beside) = counted.await.context("counting broke off")??;
        record.frames_recorded = tally.frames;
        record.frames_lost = (record.frames_sent + record.frames_unsent) as i64 - tally.frames as i64;
        record.files = tally.files;
        record.disk_mb_highest = tally.highest as f64 / 1e6;
        record.beside.iter_mut().zip(beside).for_each(|(report, frames)| report.frames_recorded = frames);
        Ok(())
    }
}

/// A tally that looks beside the async code.
pub(super) struct Tallying {
    tally: Option<Tally>,
}

impl Tallying {
    pub fn new(root: PathBuf) -> Self {
        Tallying { tally: Some(Tally::new(root)) }
    }

    /// Looks where it is time, after so many seconds.
    pub async fn look(&mut self, seconds: u64) -> anyhow::Result<()> {
        if !seconds.is_multiple_of(tally::LOOK_EVERY.as_secs()) {
            return Ok(());
        }
        let mut tally = self.tally.take().context("invariant: a look gives it back")?;
        let looked = tokio::task::spawn_blocking(move || tally.look(false).map(|()| tally));
        self.tally = Some(looked.await.context("counting broke off")??);
        Ok(())
    }

    pub async fn end(mut self) -> anyhow::Result<Tally> {
        self.look(0).await?;
        self.tally.context("invariant: a look gives it back")
    }
}
