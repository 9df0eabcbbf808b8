//! What a load run is made of before anything is measured: the cameras with their clips, and what
//! the server is told of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use super::beside::Recorder;
use super::budget;
use super::events::Played;
use super::looks::Known;
use super::run::LoadRun;
use super::site::{Bound, CameraClips, Site, SiteCamera};
use crate::base::Clock;
use crate::base::task::Tasks;
use crate::bench::clip::Clip;
use crate::bench::rtsp::{Begun, Mount, SimOptions, SimServer, Start};
use crate::media::Pts;

pub fn camera(i: usize) -> String {
    format!("cam-{}", i + 1)
}

/// The stream of camera `i` that is analysed where it has one.
pub fn sub(i: usize) -> String {
    format!("{}/sub", camera(i))
}

/// The stream that another recorder records: the camera's clip from the same place, on a mount of its
/// own, so that frames sent to the server are counted apart.
pub(super) fn twin(recorder: Recorder, i: usize) -> String {
    format!("{}/{}", camera(i), recorder.name())
}

impl LoadRun {
    fn clips_of(&self, i: usize) -> &CameraClips {
        &self.clips[i % self.clips.len()]
    }

    pub(in crate::bench) async fn simulator(
        &self,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> anyhow::Result<SimServer> {
        let mut mounts = Vec::new();
        for i in 0..self.cameras {
            let clips = self.clips_of(i);
            let start = if self.together { Start::Beginning } else { Start::Phase(i as u64) };
            let mount = |path: &str, clip: &Arc<Clip>| Mount { start, ..Mount::new(path, clip.clone()) };
            mounts.push(mount(&camera(i), &clips.main));
            mounts.extend(self.compare.iter().map(|r| mount(&twin(*r, i), &clips.main)));
            mounts.extend(clips.sub.as_ref().map(|clip| mount(&sub(i), clip)));
        }
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut options = SimOptions::new(listen, mounts);
        options.send = self.send;
        Ok(SimServer::start(options, clock, tasks).await?)
    }

    /// Streams that play when all are connected.
    pub(super) fn streams(&self) -> u64 {
        let sub = |i: usize| u64::from(self.clips_of(i).sub.is_some());
        (0..self.cameras).map(|i| 1 + self.compare.len() as u64 + sub(i)).sum()
    }

    pub(in crate::bench) fn site(&self, sim: &SimServer) -> anyhow::Result<Site> {
        let site_camera = |i: usize| {
            let sub = self.clips_of(i).sub.as_ref().map(|_| sim.url(&sub(i)));
            SiteCamera { id: camera(i), url: sim.url(&camera(i)), sub }
        };
        Ok(Site {
            cameras: (0..self.cameras).map(site_camera).collect(),
            data: self.data(),
            bound: self.bound()?,
        })
    }

    fn bound(&self) -> anyhow::Result<Option<Bound>> {
        let rate: f64 = (0..self.cameras).map(|i| self.clips_of(i).main.bits_per_second() / 8.0).sum();
        let length = self.measured + self.settle + self.patience();
        let bound = budget::bound(self.disk_budget, rate, length)?;
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        let needed = if bound.is_some() { self.disk_budget } else { (rate * length.as_secs_f64()) as u64 };
        budget::check_room(&self.folder, needed)?;
        Ok(bound)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(super) fn beside_folder(&self, recorder: Recorder) -> PathBuf {
        self.folder.join(recorder.name())
    }

    pub(super) fn known(&self) -> BTreeMap<String, Known> {
        let known = |i: usize| {
            let clips = self.clips_of(i);
            (camera(i), Known { role: clips.role, busy: clips.busy.clone() })
        };
        (0..self.cameras).map(known).collect()
    }

    /// What each camera's analysed stream played when.
    pub(super) fn played(&self, sim: &SimServer) -> anyhow::Result<BTreeMap<String, Played>> {
        let played = |i: usize| {
            let clips = self.clips_of(i);
            let (mount, clip) = match &clips.sub {
                Some(clip) => (sub(i), clip),
                None => (camera(i), &clips.main),
            };
            let begun = sim.begun(&mount)?;
            let zero = |b: &Begun| (b.at - b.place.since(Pts(0)), b.at);
            Ok((camera(i), Played { duration: clip.duration, sessions: begun.iter().map(zero).collect() }))
        };
        (0..self.cameras).map(played).collect()
    }
}
