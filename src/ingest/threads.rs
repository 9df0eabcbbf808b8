//! Threads on which cameras are read, driven on a tick.
//!
//! Waking up costs more than copying: a thread that wakes for every packet pays for the wake-up, the
//! poll and the read each time. These threads sleep for a tick, then look once at all sockets and
//! timers and run every task that has something to do; each socket then gives all that has gathered
//! in one read. It costs a delay of one tick, in each direction of a dialogue too.
//!
//! To the tasks it is an ordinary tokio runtime, so any client runs on it unchanged.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::base::task::{Stop, Tasks};

use super::settings::Settings;

/// Sockets and timers that one look takes in; what is beyond it comes with the next look.
const EVENTS: usize = 8192;
/// Tasks run before sockets are looked at again: all of them, so that a tick is one look.
const TASKS: u32 = 1 << 20;
/// How long name look-ups and the like may go on after the stop.
const LEFTOVERS: Duration = Duration::from_millis(500);

/// The threads' runtimes; clones of a handle may outlive them, their tasks do not.
#[derive(Debug)]
pub struct Threads {
    handles: Vec<Handle>,
    next: AtomicUsize,
}

impl Threads {
    /// Starts `settings.threads` threads `ingest-N`. They end when `tasks` are stopped; whatever
    /// still runs on them is dropped, so those who spawned should have joined by then.
    pub fn start(settings: &Settings, tasks: &Tasks) -> io::Result<Threads> {
        let mut handles = Vec::new();
        for n in 0..settings.threads.max(1) {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .max_io_events_per_tick(EVENTS)
                .event_interval(TASKS)
                .build()?;
            handles.push(runtime.handle().clone());
            let tick = settings.tick;
            tasks.thread(&format!("ingest-{n}"), move |stop| drive(runtime, tick, stop))?;
        }
        Ok(Threads { handles, next: AtomicUsize::new(0) })
    }

    /// The runtime for the next camera; cameras are dealt out in turn.
    pub fn deal(&self) -> Handle {
        self.handles[self.next.fetch_add(1, Ordering::Relaxed) % self.handles.len()].clone()
    }
}

fn drive(runtime: Runtime, tick: Duration, stop: Stop) {
    // As a task, not as the runtime's main future: a task that yields is put behind what the look
    // at the sockets has woken, the main future before it.
    let beat = runtime.spawn(async move {
        while !stop.is_cancelled() {
            thread::sleep(tick);
            // First the look at sockets and timers and what it wakes, then what that wakes in turn.
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
        }
    });
    // It panics with the thread, which its owner then hears of.
    runtime.block_on(beat).expect("invariant: the beat does not panic");
    runtime.shutdown_timeout(LEFTOVERS);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    fn settings(tick: Duration) -> Settings {
        Settings { tick, threads: 2, ..Settings::default() }
    }

    #[tokio::test]
    async fn all_that_gathers_within_a_tick_is_one_read() {
        let tasks = Tasks::root("t");
        let threads = Threads::start(&settings(Duration::from_millis(20)), &tasks).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        peer.set_nodelay(true).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let std_stream = stream.into_std().unwrap();
        let reads = threads.deal().spawn(async move {
            let mut stream = TcpStream::from_std(std_stream).unwrap();
            let (mut buffer, mut reads, mut total) = (vec![0; 1 << 16], 0, 0);
            loop {
                let n = stream.read(&mut buffer).await.unwrap();
                if n == 0 {
                    return (reads, total);
                }
                (reads, total) = (reads + 1, total + n);
            }
        });
        // All is written while the thread sleeps or waits for its first look, in ever so many pieces.
        let writer = std::thread::spawn(move || {
            for _ in 0..2_000 {
                peer.write_all(&[1; 16]).unwrap();
            }
        });
        writer.join().unwrap();
        let (reads, total) = reads.await.unwrap();
        assert_eq!(total, 32_000);
        assert!(reads < 200, "{reads} reads for 2000 pieces");
        assert!(tasks.stop_and_join(Duration::from_secs(5)).await.is_empty());
    }

    #[tokio::test]
    async fn timers_and_wakes_between_tasks_work_and_the_stop_is_joined() {
        let tasks = Tasks::root("t");
        let threads = Threads::start(&settings(Duration::from_millis(5)), &tasks).unwrap();
        let (tx, mut rx) = tokio::sync::mpsc::channel(1);
        let (there, back) = (threads.deal(), threads.deal());
        let sum = back.spawn(async move {
            let mut sum = 0;
            while let Some(n) = rx.recv().await {
                sum += n;
            }
            sum
        });
        there.spawn(async move {
            let mut beat = tokio::time::interval(Duration::from_millis(1));
            for n in 0..20 {
                beat.tick().await;
                tx.send(n).await.unwrap();
            }
        });
        assert_eq!(sum.await.unwrap(), 190);
        // A task that never ends does not keep the threads.
        threads.deal().spawn(std::future::pending::<()>());
        assert!(tasks.stop_and_join(Duration::from_secs(5)).await.is_empty());
    }
}
