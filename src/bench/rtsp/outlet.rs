//! The sending side of a client's TCP connection: whole messages go in, never a torn one, and a
//! client that does not read costs a bounded buffer and not the others' time.

use std::io;
use std::net::Shutdown;
use std::sync::{Mutex, MutexGuard, PoisonError};

use socket2::SockRef;
use tokio::net::TcpStream;

pub(super) struct Outlet {
    stream: TcpStream,
    /// Media are refused beyond so many waiting bytes.
    bound: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Bytes that the socket has not taken, from `start` on. Only the front message may be torn.
    waiting: Vec<u8>,
    start: usize,
    /// Bytes ever taken in, and ever taken by the socket.
    queued: u64,
    written: u64,
    /// Close once everything is written.
    closing: bool,
    closed: bool,
}

impl State {
    fn waiting(&self) -> usize {
        self.waiting.len() - self.start
    }
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Put {
    /// Taken; it is out when [`Outlet::written`] reaches this.
    Until(u64),
    /// The client reads too slowly.
    Full,
    Closed,
}

impl Outlet {
    pub fn new(stream: TcpStream, bound: usize) -> Self {
        Outlet { stream, bound, state: Mutex::default() }
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a unit's packets, or none of them. Each of `messages` is written by itself.
    pub fn put_media<'a>(&self, messages: impl Iterator<Item = &'a [u8]>) -> Put {
        let mut s = self.lock();
        if s.waiting() > self.bound {
            return Put::Full;
        }
        for message in messages {
            self.take(&mut s, message);
        }
        if s.closed { Put::Closed } else { Put::Until(s.queued) }
    }

    /// Takes a response; there are few of them, so the bound does not apply.
    pub fn put_response(&self, message: &[u8]) {
        self.take(&mut self.lock(), message);
    }

    fn take(&self, s: &mut State, message: &[u8]) {
        if s.closed || s.closing {
            return;
        }
        s.queued += message.len() as u64;
        let mut taken = 0;
        if s.waiting() == 0 {
            taken = self.write(s, message);
        }
        s.waiting.extend_from_slice(&message[taken..]);
    }

    /// Writes what the socket takes; returns how much that is. Marks a broken connection.
    fn write(&self, s: &mut State, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && !s.closed {
            match self.stream.try_write(&bytes[taken..]) {
                Ok(n) => taken += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => s.closed = true,
            }
        }
        s.written += taken as u64;
        taken
    }

    /// Writes more of what waits; returns how many bytes still wait.
    pub fn flush(&self) -> usize {
        let mut s = self.lock();
        if s.waiting() > 0 {
            let waiting = std::mem::take(&mut s.waiting);
            let start = s.start;
            s.start = start + self.write(&mut s, &waiting[start..]);
            s.waiting = waiting;
            // What is written leaves in large pieces, so that a slow client does not cost a move of
            // all that waits with each tick.
            if s.start > s.waiting.len() / 2 {
                let start = std::mem::take(&mut s.start);
                s.waiting.drain(..start);
            }
        }
        if s.closing && !s.closed && s.waiting() == 0 {
            // Only our side: the client still has to read what is on its way.
            self.shut(&mut s, Shutdown::Write);
        }
        if s.closed { 0 } else { s.waiting() }
    }

    pub fn written(&self) -> u64 {
        self.lock().written
    }

    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Closes at once.
    pub fn close(&self) {
        self.shut(&mut self.lock(), Shutdown::Both);
    }

    /// Closes once everything is written; takes nothing more.
    pub fn close_when_written(&self) {
        self.lock().closing = true;
        self.flush();
    }

    fn shut(&self, s: &mut State, how: Shutdown) {
        s.closed = true;
        // An error means that the connection is gone already, which is what was wanted.
        let _ = SockRef::from(&self.stream).shutdown(how);
    }
}
