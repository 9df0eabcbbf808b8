//! Bounded queues. Each has a name, a bound, a stated way of being full, and counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam::channel::{self, RecvTimeoutError};
use metrics::{Counter, Gauge, counter, gauge};

use super::metrics::{QUEUE_BYTES, QUEUE_DEPTH, QUEUE_DROPPED};

/// What an item weighs in a byte-bounded queue.
pub trait Weigh {
    fn weight(&self) -> usize;
}

/// The queue is full; here is the item back.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused<T> {
    Full(T),
    /// The receiving side is gone.
    Closed(T),
}

struct Counters {
    bytes: AtomicUsize,
    max_bytes: usize,
    depth_gauge: Gauge,
    bytes_gauge: Gauge,
    dropped: Counter,
}

/// Sending side; clones share the queue.
pub struct Sender<T> {
    tx: channel::Sender<(usize, T)>,
    shared: Arc<Counters>,
}

/// Receiving side; clones compete for items.
pub struct Receiver<T> {
    rx: channel::Receiver<(usize, T)>,
    shared: Arc<Counters>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender { tx: self.tx.clone(), shared: self.shared.clone() }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Receiver { rx: self.rx.clone(), shared: self.shared.clone() }
    }
}

/// A queue of at most `items` items.
pub fn items<T>(name: &'static str, items: usize) -> (Sender<T>, Receiver<T>) {
    build(name, items, usize::MAX)
}

/// A queue of at most `max_bytes` bytes (by [`Weigh`]) and `items` items.
/// An item heavier than the bound is taken only when the queue is empty.
pub fn bytes<T: Weigh>(name: &'static str, max_bytes: usize, items: usize) -> (Sender<T>, Receiver<T>) {
    build(name, items, max_bytes)
}

fn build<T>(name: &'static str, items: usize, max_bytes: usize) -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = channel::bounded(items.max(1));
    let shared = Arc::new(Counters {
        bytes: AtomicUsize::new(0),
        max_bytes,
        depth_gauge: gauge!(QUEUE_DEPTH, "queue" => name),
        bytes_gauge: gauge!(QUEUE_BYTES, "queue" => name),
        dropped: counter!(QUEUE_DROPPED, "queue" => name),
    });
    (Sender { tx, shared: shared.clone() }, Receiver { rx, shared })
}

impl<T: Weigh> Sender<T> {
    /// Never blocks. A full queue counts the refusal and gives the item back.
    pub fn offer_weighed(&self, item: T) -> Result<(), Refused<T>> {
        self.offer_with(item.weight(), item)
    }
}

impl<T> Sender<T> {
    /// Never blocks. A full queue counts the refusal and gives the item back.
    pub fn offer(&self, item: T) -> Result<(), Refused<T>> {
        self.offer_with(0, item)
    }

    fn offer_with(&self, weight: usize, item: T) -> Result<(), Refused<T>> {
        let before = self.shared.bytes.fetch_add(weight, Ordering::AcqRel);
        if before > 0 && before.saturating_add(weight) > self.shared.max_bytes {
            self.shared.bytes.fetch_sub(weight, Ordering::AcqRel);
            self.shared.dropped.increment(1);
            return Err(Refused::Full(item));
        }
        match self.tx.try_send((weight, item)) {
            Ok(()) => {
                self.shared.depth_gauge.set(self.tx.len() as f64);
                Ok(())
            }
            Err(e) => {
                self.shared.bytes.fetch_sub(weight, Ordering::AcqRel);
                Err(match e {
                    channel::TrySendError::Full((_, item)) => {
                        self.shared.dropped.increment(1);
                        Refused::Full(item)
                    }
                    channel::TrySendError::Disconnected((_, item)) => Refused::Closed(item),
                })
            }
        }
    }

    /// Waits for a place. `Err` gives the item back when the receiver is gone.
    pub fn send(&self, item: T) -> Result<(), T> {
        self.tx.send((0, item)).map_err(|e| e.0.1)
    }

    pub fn len(&self) -> usize {
        self.tx.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tx.is_empty()
    }
}

impl<T> Receiver<T> {
    fn taken(&self, (weight, item): (usize, T)) -> T {
        let left = self.shared.bytes.fetch_sub(weight, Ordering::AcqRel) - weight;
        self.shared.depth_gauge.set(self.rx.len() as f64);
        self.shared.bytes_gauge.set(left as f64);
        item
    }

    /// Waits for an item; `None` when all senders are gone and the queue is empty.
    pub fn recv(&self) -> Option<T> {
        self.rx.recv().ok().map(|m| self.taken(m))
    }

    /// As [`recv`](Self::recv), at most for `timeout`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, Empty> {
        self.rx.recv_timeout(timeout).map(|m| self.taken(m)).map_err(|e| match e {
            RecvTimeoutError::Timeout => Empty::Now,
            RecvTimeoutError::Disconnected => Empty::Forever,
        })
    }

    pub fn try_recv(&self) -> Option<T> {
        self.rx.try_recv().ok().map(|m| self.taken(m))
    }
}

/// Why nothing was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    Now,
    /// All senders are gone.
    Forever,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct Heavy(usize);
    impl Weigh for Heavy {
        fn weight(&self) -> usize {
            self.0
        }
    }

    #[test]
    fn byte_bound_refuses_and_gives_the_item_back() {
        let (tx, rx) = bytes("test", 100, 10);
        tx.offer_weighed(Heavy(60)).unwrap();
        assert_eq!(tx.offer_weighed(Heavy(60)), Err(Refused::Full(Heavy(60))));
        assert_eq!(rx.recv(), Some(Heavy(60)));
        tx.offer_weighed(Heavy(500)).expect("an empty queue takes even a heavy item");
        drop(rx);
        assert_eq!(tx.offer_weighed(Heavy(1)), Err(Refused::Full(Heavy(1))));
    }

    #[test]
    fn item_bound_refuses_and_closing_is_told() {
        let (tx, rx) = items("test", 1);
        tx.offer(1).unwrap();
        assert_eq!(tx.offer(2), Err(Refused::Full(2)));
        drop(tx);
        assert_eq!(rx.recv(), Some(1));
        assert_eq!(rx.recv_timeout(Duration::from_secs(1)), Err(Empty::Forever));
    }
}
