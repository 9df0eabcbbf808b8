//! What the behaviour tests share: a running server, RTSP servers that are not ours, waiting.

pub mod cameras;
pub mod media;
pub mod server;
pub mod sim;
pub mod sse;

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc};
use std::time::{Duration, Instant};

pub use server::{Site, TestServer};

/// The folder of footage, truth and models, if this machine has it.
pub fn shared() -> Option<PathBuf> {
    let path = std::env::var_os("PINGAN_SHARED").map(PathBuf::from);
    let path = path.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")));
    path.join("footage").is_dir().then_some(path)
}

/// The shared folder, or the reason why the test ends here.
macro_rules! shared_or_skip {
    () => {
        match crate::support::shared() {
            Some(path) => path,
            None => {
                eprintln!("skipped: ../shared is not there");
                return;
            }
        }
    };
}
pub(crate) use shared_or_skip;

/// Whether models can run, or else a visible word.
pub fn has_runtime() -> bool {
    let usual = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".run/onnxruntime/libonnxruntime.so");
    let there = usual.is_file() || std::env::var_os("PINGAN_ORT").is_some();
    if !there {
        eprintln!("skipped: ONNX Runtime is not there");
    }
    there
}

static MACHINE: RwLock<()> = RwLock::new(());

/// The machine to itself, for a test whose cameras or models need all of it, while this is held.
pub fn machine() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// A part of the machine, for a test with a few real-time cameras: it runs beside others of its
/// kind, but not beside one that needs all.
pub fn part_of_machine() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Ask `probe` until it answers; panics naming `what` when it has not by the deadline.
pub fn wait_for<T>(what: &str, within: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    // Nobody ever sends: the receiver only paces the asking.
    let (_keep, pace) = mpsc::channel::<()>();
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what} did not come within {within:?}");
        let _ = pace.recv_timeout(Duration::from_millis(50));
    }
}

/// Let real time pass while a real-time camera plays on.
pub fn let_pass(time: Duration) {
    let (_keep, pace) = mpsc::channel::<()>();
    let _ = pace.recv_timeout(time);
}
