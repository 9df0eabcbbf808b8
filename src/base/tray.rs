//! A bounded queue whose reader comes by on a tick and takes all that has gathered: a wake-up for each
//! access unit would cost more than what is done with it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};

use super::metrics::{QUEUE_BYTES, QUEUE_DEPTH, QUEUE_DROPPED};
use super::queue::{Refused, Weigh};

struct Lying<T> {
    items: VecDeque<T>,
    receiver: bool,
}

struct Shared<T> {
    lying: Mutex<Lying<T>>,
    /// Rung when the reader should not sleep on.
    bell: Condvar,
    /// Bytes of what lies there and of what was gathered and is not taken yet.
    bytes: AtomicUsize,
    max_bytes: usize,
    max_items: usize,
    depth_gauge: Gauge,
    bytes_gauge: Gauge,
    dropped: Counter,
}

/// Sending side; clones share the tray.
pub struct Sender<T>(Arc<Shared<T>>);

/// Receiving side; there is one.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    gathered: VecDeque<T>,
}

/// A tray of at most `max_bytes` bytes (by [`Weigh`]) and `max_items` items.
/// An item heavier than the bound is taken only when the tray is empty.
pub fn tray<T: Weigh>(name: &str, max_bytes: usize, max_items: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        lying: Mutex::new(Lying { items: VecDeque::new(), receiver: true }),
        bell: Condvar::new(),
        bytes: AtomicUsize::new(0),
        max_bytes,
        max_items: max_items.max(1),
        depth_gauge: gauge!(QUEUE_DEPTH, "queue" => name.to_owned()),
        bytes_gauge: gauge!(QUEUE_BYTES, "queue" => name.to_owned()),
        dropped: counter!(QUEUE_DROPPED, "queue" => name.to_owned()),
    });
    (Sender(shared.clone()), Receiver { shared, gathered: VecDeque::new() })
}

impl<T> Shared<T> {
    fn lying(&self) -> MutexGuard<'_, Lying<T>> {
        self.lying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// More than half full.
    fn is_urgent(&self, lying: &Lying<T>) -> bool {
        lying.items.len() > self.max_items / 2
            || (!lying.items.is_empty() && self.bytes.load(Ordering::Acquire) > self.max_bytes / 2)
    }
}

impl<T: Weigh> Sender<T> {
    /// Never blocks for the reader's work. A full tray counts the refusal and gives the item back.
    pub fn offer(&self, item: T) -> Result<(), Refused<T>> {
        let shared = &*self.0;
        let weight = item.weight();
        let before = shared.bytes.fetch_add(weight, Ordering::AcqRel);
        let heavy = before > 0 && before.saturating_add(weight) > shared.max_bytes;
        let mut lying = shared.lying();
        if heavy || !lying.receiver || lying.items.len() >= shared.max_items {
            shared.bytes.fetch_sub(weight, Ordering::AcqRel);
            if !lying.receiver {
                return Err(Refused::Closed(item));
            }
            shared.dropped.increment(1);
            return Err(Refused::Full(item));
        }
        lying.items.push_back(item);
        if shared.is_urgent(&lying) {
            shared.bell.notify_one();
        }
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender(self.0.clone())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut lying = self.shared.lying();
        lying.receiver = false;
        lying.items.clear();
    }
}

impl<T: Weigh> Receiver<T> {
    /// Sleep for `tick`, less where more than half of the room is taken.
    pub fn sleep(&self, tick: Duration) {
        let lying = self.shared.lying();
        drop(self.shared.bell.wait_timeout_while(lying, tick, |l| !self.shared.is_urgent(l)));
    }

    /// Gather all that lies there, behind what was gathered before; false when there is nothing.
    pub fn gather(&mut self) -> bool {
        let mut lying = self.shared.lying();
        if self.gathered.is_empty() {
            std::mem::swap(&mut lying.items, &mut self.gathered);
        } else {
            self.gathered.append(&mut lying.items);
        }
        drop(lying);
        self.shared.depth_gauge.set(self.gathered.len() as f64);
        self.shared.bytes_gauge.set(self.shared.bytes.load(Ordering::Relaxed) as f64);
        !self.gathered.is_empty()
    }

    /// The next of what was gathered.
    pub fn take(&mut self) -> Option<T> {
        let item = self.gathered.pop_front()?;
        self.shared.bytes.fetch_sub(item.weight(), Ordering::AcqRel);
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[derive(Debug, PartialEq, Eq)]
    struct Heavy(usize);
    impl Weigh for Heavy {
        fn weight(&self) -> usize {
            self.0
        }
    }

    #[test]
    fn what_is_gathered_counts_until_it_is_taken() {
        let (tx, mut rx) = tray("test", 100, 10);
        tx.offer(Heavy(60)).unwrap();
        assert!(rx.gather());
        assert_eq!(tx.offer(Heavy(60)), Err(Refused::Full(Heavy(60))));
        assert_eq!(rx.take(), Some(Heavy(60)));
        tx.offer(Heavy(500)).expect("an empty tray takes even a heavy item");
        drop(rx);
        assert_eq!(tx.offer(Heavy(1)), Err(Refused::Closed(Heavy(1))));
    }

    #[test]
    fn more_than_half_full_ends_the_sleep() {
        let (tx, mut rx) = tray("test", 100, 4);
        tx.offer(Heavy(51)).unwrap();
        rx.sleep(LONG);
        assert!(rx.gather() && rx.take().is_some() && !rx.gather());
        let sleeper = std::thread::spawn(move || {
            rx.sleep(LONG);
            rx.gather();
            std::iter::from_fn(|| rx.take()).count()
        });
        (0..3).for_each(|_| tx.offer(Heavy(0)).unwrap());
        assert_eq!(sleeper.join().unwrap(), 3);
    }

    #[test]
    fn a_full_tray_refuses_by_number_too() {
        let (tx, mut rx) = tray("test", 100, 1);
        tx.offer(Heavy(1)).unwrap();
        assert_eq!(tx.offer(Heavy(1)), Err(Refused::Full(Heavy(1))));
        assert!(rx.gather());
        tx.offer(Heavy(1)).unwrap();
    }
}
