//! The common beat: a pacer ticks and lets each of its players send what is due.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::player::{Next, Player};
use crate::base::Clock;
use crate::base::task::Stop;

#[derive(Default)]
pub(super) struct Pacer {
    /// Players that begin with the next tick.
    incoming: Mutex<Vec<Player>>,
}

impl Pacer {
    pub fn add(&self, player: Player) {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner).push(player);
    }

    fn take_incoming(&self) -> Vec<Player> {
        std::mem::take(&mut *self.incoming.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs until stopped.
    pub async fn run(
        self: Arc<Self>,
        clock: Arc<dyn Clock>,
        every: Duration,
        held: Arc<AtomicBool>,
        stop: Stop,
    ) {
        let mut players: Vec<Player> = Vec::new();
        let mut scratch = Vec::new();
        let mut beat = tokio::time::interval(every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = stop.cancelled() => return,
            }
            players.append(&mut self.take_incoming());
            let (now, wall) = (clock.now(), clock.wall());
            let held = held.load(Ordering::Relaxed);
            players.retain_mut(|p| p.tick(now, wall, held, &mut scratch) == Next::Go);
        }
    }
}
