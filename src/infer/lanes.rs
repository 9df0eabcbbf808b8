//! Frames waiting for a worker: one lane per camera, served in turn, each by one worker at a time.
//!
//! A queue of the newest frame per camera would not do: with several workers a camera's next frame could
//! overtake the one that is being looked at, and trackers need them in order.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, counter, gauge};

use crate::base::metrics::{QUEUE_DEPTH, QUEUE_DROPPED};

/// See the module. `K` names the lane.
pub(super) struct Lanes<K, T> {
    state: Mutex<State<K, T>>,
    /// A lane became ready, or all is closed.
    ready: Condvar,
    /// A lane has room again, or all is closed.
    room: Condvar,
    /// Items that may wait in a lane when they are put by [`put_wait`](Lanes::put_wait).
    bound: usize,
    depth: Gauge,
    dropped: Counter,
}

struct State<K, T> {
    lanes: HashMap<K, Lane<T>>,
    /// Lanes with something waiting and no worker, each once, in the order of their turn.
    turn: VecDeque<K>,
    waiting: usize,
    closed: bool,
}

/// Invariant: exists only while something waits in it or a worker is busy with it.
struct Lane<T> {
    waiting: VecDeque<T>,
    busy: bool,
}

impl<K: Clone + Eq + Hash, T> Lanes<K, T> {
    pub fn new(name: &'static str, bound: usize) -> Self {
        Lanes {
            state: Mutex::new(State {
                lanes: HashMap::new(),
                turn: VecDeque::new(),
                waiting: 0,
                closed: false,
            }),
            ready: Condvar::new(),
            room: Condvar::new(),
            bound: bound.max(1),
            depth: gauge!(QUEUE_DEPTH, "queue" => name),
            dropped: counter!(QUEUE_DROPPED, "queue" => name),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<K, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never blocks. Returns the waiting item that this one replaces, which is counted.
    /// `Err`: closed, the item comes back.
    pub fn put_latest(&self, key: K, item: T) -> Result<Option<T>, T> {
        let mut state = self.lock();
        if state.closed {
            return Err(item);
        }
        let old = state.lanes.get_mut(&key).and_then(|lane| lane.waiting.pop_back());
        if old.is_some() {
            state.waiting -= 1;
            self.dropped.increment(1);
        }
        self.put(state, key, item, old.is_some());
        Ok(old)
    }

    /// Waits until the lane has room. `Err`: closed, the item comes back.
    pub fn put_wait(&self, key: K, item: T) -> Result<(), T> {
        let mut state = self.lock();
        while !state.closed && state.lanes.get(&key).is_some_and(|l| l.waiting.len() >= self.bound) {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(item);
        }
        self.put(state, key, item, false);
        Ok(())
    }

    /// `in_turn`: the lane's turn is booked already although nothing may wait in it.
    fn put(&self, mut state: MutexGuard<'_, State<K, T>>, key: K, item: T, in_turn: bool) {
        let lane = state.lanes.entry(key.clone()).or_insert(Lane { waiting: VecDeque::new(), busy: false });
        lane.waiting.push_back(item);
        let wake = !in_turn && !lane.busy && lane.waiting.len() == 1;
        if wake {
            state.turn.push_back(key);
        }
        state.waiting += 1;
        self.depth.set(state.waiting as f64);
        drop(state);
        if wake {
            self.ready.notify_one();
        }
    }

    /// Wait for the next item. Nobody else gets one of this lane before [`done`](Lanes::done).
    /// `None` once closed.
    pub fn take(&self) -> Option<(K, T)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(key) = state.turn.pop_front() {
                let lane = state.lanes.get_mut(&key).expect("invariant: a lane in turn exists");
                let item = lane.waiting.pop_front().expect("invariant: something waits in a lane in turn");
                lane.busy = true;
                state.waiting -= 1;
                self.depth.set(state.waiting as f64);
                drop(state);
                self.room.notify_all();
                return Some((key, item));
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The item taken last from this lane is finished.
    pub fn done(&self, key: &K) {
        let mut state = self.lock();
        let Some(lane) = state.lanes.get_mut(key) else { return };
        lane.busy = false;
        if lane.waiting.is_empty() {
            state.lanes.remove(key);
        } else {
            state.turn.push_back(key.clone());
            drop(state);
            self.ready.notify_one();
        }
    }

    /// Take in nothing more; returns what was waiting, each lane in order.
    pub fn close(&self) -> Vec<T> {
        let mut state = self.lock();
        state.closed = true;
        state.turn.clear();
        state.waiting = 0;
        self.depth.set(0.0);
        let left = state.lanes.drain().flat_map(|(_, lane)| lane.waiting).collect();
        drop(state);
        self.ready.notify_all();
        self.room.notify_all();
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_replaces_what_waits_and_lanes_take_turns() {
        let lanes = Lanes::new("test", 1);
        assert_eq!(lanes.put_latest("a", 1), Ok(None));
        assert_eq!(lanes.put_latest("b", 2), Ok(None));
        assert_eq!(lanes.put_latest("a", 3), Ok(Some(1)));
        assert_eq!(lanes.take(), Some(("a", 3)));
        assert_eq!(lanes.take(), Some(("b", 2)));
    }

    #[test]
    fn a_lane_is_not_served_twice_at_a_time() {
        let lanes = Lanes::new("test", 8);
        for i in 0..3 {
            lanes.put_wait("a", i).unwrap();
        }
        lanes.put_wait("b", 10).unwrap();
        assert_eq!(lanes.take(), Some(("a", 0)));
        assert_eq!(lanes.take(), Some(("b", 10)), "a is busy");
        assert_eq!(lanes.put_latest("a", 3), Ok(Some(2)));
        lanes.done(&"b");
        lanes.done(&"a");
        assert_eq!(lanes.take(), Some(("a", 1)));
        lanes.done(&"a");
        assert_eq!(lanes.take(), Some(("a", 3)));
        lanes.done(&"a");
        assert!(lanes.lock().lanes.is_empty(), "lanes of cameras that are gone do not gather");
    }

    #[test]
    fn closing_gives_back_what_waits_and_wakes_who_waits() {
        let lanes = std::sync::Arc::new(Lanes::new("test", 1));
        lanes.put_wait("a", 1).unwrap();
        let putting = std::thread::spawn({
            let lanes = lanes.clone();
            move || lanes.put_wait("a", 2)
        });
        // Whether the other thread waits already or not, it is refused.
        assert_eq!(lanes.close(), [1]);
        assert_eq!(putting.join().unwrap(), Err(2));
        assert_eq!(lanes.take(), None);
        assert_eq!(lanes.put_latest("a", 4), Err(4));
    }
}
