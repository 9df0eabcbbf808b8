//! This build's own camera simulator, in the test's process, so that a test can ask what was sent.

use std::path::Path;
use std::sync::Arc;

use pingan::base::SystemClock;
use pingan::base::task::Tasks;
use pingan::bench::clip::Clip;
use pingan::bench::rtsp::{Mount, MountStats, SimOptions, SimServer};
use pingan::bench::simulate::{self, SimulateOptions};

/// Serves until dropped.
pub struct Sim {
    // Dropped first: its tasks run on the runtime.
    server: SimServer,
    _runtime: tokio::runtime::Runtime,
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

impl Sim {
    /// `mounts` are (name, clip), played over and over from their beginning.
    pub fn of_clips(mounts: &[(&str, &Path)]) -> Sim {
        let mounts = mounts.iter().map(|(n, p)| Mount::new(n, Arc::new(Clip::load(p).unwrap()))).collect();
        let options = SimOptions::new("127.0.0.1:0".parse().unwrap(), mounts);
        let runtime = runtime();
        let clock = Arc::new(SystemClock::new());
        let server = runtime.block_on(SimServer::start(options, clock, &Tasks::root("sim"))).unwrap();
        Sim { server, _runtime: runtime }
    }

    /// The demo's made scenes, main and sub stream, as `pingan demo` serves them.
    pub fn of_scenes() -> Sim {
        let options = SimulateOptions::looped(None, "127.0.0.1:0".parse().unwrap());
        let runtime = runtime();
        let (server, _) = runtime.block_on(simulate::start(&options)).unwrap();
        Sim { server, _runtime: runtime }
    }

    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    pub fn stats(&self, mount: &str) -> MountStats {
        self.server.stats(mount).unwrap()
    }
}
