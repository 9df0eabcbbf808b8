//! The server: listens, accepts, and holds what tests and load runs ask it about.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::auth::Auth;
use super::connection::Connection;
use super::mount::{Begun, Mount, MountStats, Served};
use super::outlet::Outlet;
use super::pacer::Pacer;
use super::packets::Packets;
use super::player::Player;
use crate::base::task::{JoinError, Stop, Tasks};
use crate::base::{Clock, Kind};

/// How an access unit's packets go into a TCP connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Send {
    /// All at once: cheapest for the generator.
    #[default]
    PerUnit,
    /// One `write` each, as cameras do: more segments on the wire, more reads at the receiver.
    PerPacket,
}

/// Packets that are left out of UDP streams, drawn from a seed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Loss {
    /// 0 to 1.
    pub share: f64,
    pub seed: u64,
}

#[derive(Clone, Debug)]
pub struct SimOptions {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    pub mounts: Vec<Mount>,
    pub auth: Option<Auth>,
    pub send: Send,
    pub loss: Option<Loss>,
    /// The common beat of all sessions; also how late a unit may go out.
    pub tick: Duration,
    /// Tasks that share the sessions.
    pub pacers: usize,
    /// A client that leaves more bytes than this waiting loses access units until the next key.
    pub client_buffer: usize,
}

impl SimOptions {
    pub fn new(listen: SocketAddr, mounts: Vec<Mount>) -> Self {
        SimOptions {
            listen,
            mounts,
            auth: None,
            send: Send::PerUnit,
            loss: None,
            tick: Duration::from_millis(10),
            pacers: 2,
            client_buffer: 4 << 20,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SimError {
    #[error("the simulator cannot listen on {at}: {source}; choose another address with --listen")]
    Listen { at: SocketAddr, source: std::io::Error },
    #[error("no simulated camera is called '{0}'")]
    NoMount(String),
}

impl SimError {
    pub fn kind(&self) -> Kind {
        match self {
            SimError::Listen { .. } => Kind::Unavailable,
            SimError::NoMount(_) => Kind::NotFound,
        }
    }
}

/// What connections share.
pub(super) struct Shared {
    pub mounts: HashMap<String, Arc<Served>>,
    pub auth: Option<Auth>,
    pub send: Send,
    pub loss: Option<Loss>,
    pub client_buffer: usize,
    pacers: Vec<Arc<Pacer>>,
    next_pacer: AtomicUsize,
    held: Arc<AtomicBool>,
    connections: AtomicU64,
}

impl Shared {
    /// Lets a session begin. Sessions are dealt out to the pacers in turn.
    pub fn play(&self, player: Player) {
        let i = self.next_pacer.fetch_add(1, Ordering::Relaxed) % self.pacers.len();
        self.pacers[i].add(player);
    }
}

/// A running simulator. It runs until [`stop`](Self::stop), or until the parent tasks are stopped.
pub struct SimServer {
    at: SocketAddr,
    shared: Arc<Shared>,
    tasks: Arc<Tasks>,
}

impl SimServer {
    /// Listens and serves. Each clip is cut into packets once, however many mounts play it.
    pub async fn start(options: SimOptions, clock: Arc<dyn Clock>, parent: &Tasks) -> Result<Self, SimError> {
        let fail = |source| SimError::Listen { at: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(fail)?;
        let at = listener.local_addr().map_err(fail)?;
        let mut cut: HashMap<usize, Arc<Packets>> = HashMap::new();
        let mut mounts = HashMap::new();
        for mount in &options.mounts {
            let packets = cut.entry(Arc::as_ptr(&mount.clip) as usize);
            let packets = packets.or_insert_with(|| Arc::new(Packets::of(&mount.clip))).clone();
            mounts.insert(mount.path.clone(), Arc::new(Served::new(mount, packets)));
        }
        let held = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared {
            mounts,
            auth: options.auth,
            send: options.send,
            loss: options.loss,
            client_buffer: options.client_buffer,
            pacers: (0..options.pacers.max(1)).map(|_| Arc::default()).collect(),
            next_pacer: AtomicUsize::new(0),
            held: held.clone(),
            connections: AtomicU64::new(0),
        });
        let tasks = Arc::new(parent.child("simulate"));
        for pacer in &shared.pacers {
            let (pacer, clock, held) = (pacer.clone(), clock.clone(), held.clone());
            tasks.spawn("pacer", |stop| pacer.run(clock, options.tick, held, stop));
        }
        let (serving, owner) = (shared.clone(), Arc::downgrade(&tasks));
        tasks.spawn("accept", |stop| async move {
            while let Some(stream) = accept(&listener, &stop).await {
                let Some(owner) = owner.upgrade() else { return };
                let count = serving.connections.fetch_add(1, Ordering::Relaxed) + 1;
                let outlet = Arc::new(Outlet::new(stream, serving.client_buffer));
                let connection = Connection::new(outlet, serving.clone(), count);
                owner.spawn("client", |stop| connection.run(stop));
            }
        });
        Ok(SimServer { at, shared, tasks })
    }

    pub fn address(&self) -> SocketAddr {
        self.at
    }

    /// Address of a mount, without credentials.
    pub fn url(&self, mount: &str) -> String {
        format!("rtsp://{}/{mount}", self.at)
    }

    fn mount(&self, mount: &str) -> Result<&Arc<Served>, SimError> {
        self.shared.mounts.get(mount).ok_or_else(|| SimError::NoMount(mount.into()))
    }

    pub fn stats(&self, mount: &str) -> Result<MountStats, SimError> {
        Ok(self.mount(mount)?.stats())
    }

    /// When each of the mount's sessions began, in order.
    pub fn begun(&self, mount: &str) -> Result<Vec<Begun>, SimError> {
        Ok(self.mount(mount)?.begun())
    }

    /// Counters over all mounts.
    pub fn total(&self) -> MountStats {
        self.shared.mounts.values().map(|m| m.stats()).fold(MountStats::default(), |a, b| MountStats {
            sessions: a.sessions + b.sessions,
            playing: a.playing + b.playing,
            frames_sent: a.frames_sent + b.frames_sent,
            frames_dropped: a.frames_dropped + b.frames_dropped,
            audio_sent: a.audio_sent + b.audio_sent,
            packets_sent: a.packets_sent + b.packets_sent,
            packets_lost: a.packets_lost + b.packets_lost,
            bytes_sent: a.bytes_sent + b.bytes_sent,
        })
    }

    /// Connections ever accepted, those that never played included.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Fault: close the mount's connections, as if the camera lost its power for a moment.
    pub fn cut(&self, mount: &str) -> Result<(), SimError> {
        self.mount(mount)?.cut();
        Ok(())
    }

    /// Fault: answer new requests for the mount with 503.
    pub fn refuse(&self, mount: &str, refuse: bool) -> Result<(), SimError> {
        self.mount(mount)?.refused.store(refuse, Ordering::Relaxed);
        Ok(())
    }

    /// Fault: keep the connections open and answer keepalives, but send no media. Afterwards the
    /// stream goes on, where it would be by then, with the next keyframe.
    pub fn stall(&self, mount: &str, stall: bool) -> Result<(), SimError> {
        self.mount(mount)?.stalled.store(stall, Ordering::Relaxed);
        Ok(())
    }

    /// Whether all sessions pause, connections open. For the end of a load run: after this and a
    /// moment to flush, `frames_sent` stands still.
    pub fn hold(&self, hold: bool) {
        self.shared.held.store(hold, Ordering::Relaxed);
    }

    /// Ends everything; names what did not end in time.
    pub async fn stop(&self) -> Vec<JoinError> {
        self.tasks.stop_and_join(Duration::from_secs(5)).await
    }
}

async fn accept(listener: &TcpListener, stop: &Stop) -> Option<TcpStream> {
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Only a hint; without it packets are a little late.
                    let _ = stream.set_nodelay(true);
                    return Some(stream);
                }
                Err(error) => {
                    // Mostly too many open files, which passes; without a pause it would spin.
                    tracing::warn!(%error, "the simulator cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            () = stop.cancelled() => return None,
        }
    }
}
