//! A simulated camera: what it plays, its faults and its counters.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::outlet::Outlet;
use super::packets::Packets;
use super::sdp;
use crate::base::Wall;
use crate::bench::clip::Clip;
use crate::media::Pts;

/// A stream as it is offered.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Without a slash in front, such as `cam-1/main`.
    pub path: String,
    pub clip: Arc<Clip>,
    /// Play it once and close the connection, instead of for ever.
    pub once: bool,
    pub start: Start,
}

/// Where in the clip a session starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Start {
    #[default]
    Beginning,
    /// At one of the clip's keyframes, drawn from this seed: cameras that play the same clip then
    /// do not send their keyframes in the same moment.
    Phase(u64),
}

impl Mount {
    pub fn new(path: &str, clip: Arc<Clip>) -> Self {
        Mount { path: path.trim_matches('/').into(), clip, once: false, start: Start::Beginning }
    }
}

/// Counters of a mount, over all its sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MountStats {
    /// Sessions that began to play.
    pub sessions: u64,
    /// Sessions that play now.
    pub playing: u64,
    /// Video access units that went out whole (into the socket, not only into our buffer).
    pub frames_sent: u64,
    /// Video access units that were due and did not go out: the client read too slowly, the stream
    /// was stalled, or the connection broke while they waited.
    pub frames_dropped: u64,
    /// Sound frames that went out.
    pub audio_sent: u64,
    pub packets_sent: u64,
    /// Packets left out by the seeded loss.
    pub packets_lost: u64,
    pub bytes_sent: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub sessions: AtomicU64,
    pub playing: AtomicU64,
    pub frames_sent: AtomicU64,
    pub frames_dropped: AtomicU64,
    pub audio_sent: AtomicU64,
    pub packets_sent: AtomicU64,
    pub packets_lost: AtomicU64,
    pub bytes_sent: AtomicU64,
}

/// A mount that is being served.
pub(super) struct Served {
    pub path: String,
    pub once: bool,
    pub packets: Arc<Packets>,
    pub sdp: String,
    pub refused: AtomicBool,
    pub stalled: AtomicBool,
    pub counters: Counters,
    /// Unit with which sessions start.
    pub first_unit: usize,
    /// Connections that asked for this mount.
    clients: Mutex<Vec<Weak<Outlet>>>,
    begun: Mutex<Vec<Begun>>,
}

/// When a session sent its first unit, and where in the clip that lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Begun {
    pub at: Wall,
    pub place: Pts,
}

impl Served {
    pub fn new(mount: &Mount, packets: Arc<Packets>) -> Self {
        let keys: Vec<usize> = packets.keys().collect();
        let first_unit = match mount.start {
            Start::Beginning => keys[0],
            Start::Phase(seed) => keys[StdRng::seed_from_u64(seed).random_range(0..keys.len())],
        };
        Served {
            path: mount.path.clone(),
            once: mount.once,
            sdp: sdp::describe(&mount.clip, &packets),
            packets,
            refused: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            counters: Counters::default(),
            first_unit,
            clients: Mutex::default(),
            begun: Mutex::default(),
        }
    }

    pub fn add_client(&self, outlet: &Arc<Outlet>) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|c| c.strong_count() > 0);
        if !clients.iter().any(|c| c.as_ptr() == Arc::as_ptr(outlet)) {
            clients.push(Arc::downgrade(outlet));
        }
    }

    pub fn cut(&self) {
        let clients = std::mem::take(&mut *self.clients.lock().unwrap_or_else(PoisonError::into_inner));
        clients.iter().filter_map(Weak::upgrade).for_each(|c| c.close());
    }

    pub fn note_begin(&self, begun: Begun) {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).push(begun);
    }

    pub fn begun(&self) -> Vec<Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn stats(&self) -> MountStats {
        let c = &self.counters;
        let get = |a: &AtomicU64| a.load(Ordering::Relaxed);
        MountStats {
            sessions: get(&c.sessions),
            playing: get(&c.playing),
            frames_sent: get(&c.frames_sent),
            frames_dropped: get(&c.frames_dropped),
            audio_sent: get(&c.audio_sent),
            packets_sent: get(&c.packets_sent),
            packets_lost: get(&c.packets_lost),
            bytes_sent: get(&c.bytes_sent),
        }
    }
}
