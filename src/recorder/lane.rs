//! What a disk's thread shares with the handles and with the threads of the other disks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::handle::{Message, Stream};
use super::writing::Writing;
use crate::base::queue::Refused;
use crate::base::{Mono, tray};

/// A recorded stream, with the thread of its disk.
pub(super) struct Recorded {
    pub stream: Arc<Stream>,
    pub writing: Writing,
}

/// The lane of one disk. Lock order: `late`, then the tray's own.
pub(super) struct Lane {
    pub tray: tray::Sender<Message>,
    /// Control messages that found the tray full; taken when it is empty again.
    late: Mutex<VecDeque<Message>>,
    /// The thread is writing: a full tray then is the disk's doing.
    pub writing: Arc<AtomicBool>,
    /// Something was refused since the thread looked.
    refused: AtomicBool,
    /// When the disk last refused a write.
    failed: Mutex<Option<Mono>>,
}

/// Control messages kept for a recorder that is stuck: far more than there are cameras.
const MAX_LATE: usize = 8192;
/// A disk that failed is given no other disk's streams for so long. Retention makes room in seconds.
const SHUNNED: Duration = Duration::from_secs(60);

pub(super) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lane {
    pub fn new(tray: tray::Sender<Message>) -> Lane {
        Lane {
            tray,
            late: Mutex::default(),
            writing: Arc::default(),
            refused: AtomicBool::new(false),
            failed: Mutex::default(),
        }
    }

    /// What must not be lost, in order.
    pub fn control(&self, message: Message) {
        let mut late = lock(&self.late);
        // Behind one that is late: what was switched on and off must stay in this order.
        let refused = match late.is_empty() {
            true => self.tray.offer(message),
            false => Err(Refused::Full(message)),
        };
        if let Err(Refused::Full(message)) = refused {
            if late.len() == MAX_LATE {
                late.pop_front();
            }
            late.push_back(message);
        }
    }

    pub fn take_late(&self) -> VecDeque<Message> {
        std::mem::take(&mut *lock(&self.late))
    }

    pub fn note_refused(&self) {
        self.refused.store(true, Ordering::Release);
    }

    /// Whether anything was refused since the last call.
    pub fn take_refused(&self) -> bool {
        self.refused.swap(false, Ordering::AcqRel)
    }

    pub fn note_failed(&self, now: Mono) {
        *lock(&self.failed) = Some(now);
    }

    /// No write failed lately.
    pub fn works(&self, now: Mono) -> bool {
        lock(&self.failed).is_none_or(|at| now.since(at) >= SHUNNED)
    }
}
