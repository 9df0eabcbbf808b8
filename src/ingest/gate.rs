//! Leave to connect: so many handshakes begun per second, and so many at once, over all cameras.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::settings::Settings;

pub struct ConnectGate {
    places: Arc<Semaphore>,
    between: Duration,
    /// When the next handshake may begin.
    next: Mutex<Option<Instant>>,
}

/// Leave for one handshake; dropped when it is over.
pub struct Leave(#[allow(dead_code)] OwnedSemaphorePermit);

impl ConnectGate {
    pub fn new(settings: &Settings) -> Arc<Self> {
        Arc::new(ConnectGate {
            places: Arc::new(Semaphore::new(settings.connects_at_once.max(1))),
            between: Duration::from_secs_f64(1.0 / settings.connects_per_second.clamp(0.1, 1e6)),
            next: Mutex::new(None),
        })
    }

    /// Waits until a handshake may begin, in the order of asking.
    pub async fn enter(&self) -> Leave {
        let place =
            self.places.clone().acquire_owned().await.expect("invariant: the semaphore is never closed");
        let slot = self.reserve(Instant::now());
        tokio::time::sleep_until(slot).await;
        Leave(place)
    }

    /// When a handshake asked for at `now` may begin.
    fn reserve(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = next.map_or(now, |n| n.max(now));
        *next = Some(slot + self.between);
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn handshakes_are_spread() {
        let gate = ConnectGate::new(&Settings { connects_per_second: 10.0, ..Settings::default() });
        let now = Instant::now();
        let tenth = Duration::from_millis(100);
        assert_eq!(
            [gate.reserve(now), gate.reserve(now), gate.reserve(now)],
            [now, now + tenth, now + 2 * tenth]
        );
        let later = now + 50 * tenth;
        assert_eq!(gate.reserve(later), later, "an idle time earns no burst");
    }

    #[tokio::test]
    async fn no_more_than_so_many_at_once() {
        let settings = Settings { connects_per_second: 1e6, connects_at_once: 2, ..Settings::default() };
        let gate = ConnectGate::new(&settings);
        let first = gate.enter().await;
        let _second = gate.enter().await;
        assert!(gate.enter().now_or_never().is_none(), "a third handshake was let in beside two");
        drop(first);
        gate.enter().await;
    }
}
