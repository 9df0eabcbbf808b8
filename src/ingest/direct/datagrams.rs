//! A stream over UDP: its two sockets, and its packets back in order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Once;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::net::UdpSocket;

use crate::base::Mono;

use super::reorder::Reorder;

/// Asked for: two seconds of a main stream, for the system counts a packet for almost twice its size.
const BUFFER: usize = 4 << 20;
/// What the system counts for a packet of Ethernet size, about twice: with less than this a keyframe
/// does not fit between two looks at the socket.
const ENOUGH: usize = 1 << 20;
/// Pairs of ports tried.
const TRIES: usize = 64;
/// Packets taken at a time, so that one camera does not keep the others waiting.
const AT_ONCE: usize = 1024;
/// Offset of the sequence number, and length of an RTP header.
const SEQUENCE: usize = 2;
const HEADER: usize = 12;

pub struct Datagrams {
    rtp: UdpSocket,
    /// The sender's reports go here. They are not read: nothing of them is needed.
    _rtcp: std::net::UdpSocket,
    reorder: Reorder,
    /// Of RTP; reports come to the next.
    pub port: u16,
    /// The number under which the stream is known, as the channel is over TCP.
    pub channel: u8,
}

impl Datagrams {
    /// An even port and the next (RFC 3550 §11) of the address that the camera knows us by.
    pub fn bind(own: IpAddr, channel: u8) -> io::Result<Datagrams> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..TRIES {
            let rtp = std::net::UdpSocket::bind((own, 0))?;
            let port = rtp.local_addr()?.port();
            if !port.is_multiple_of(2) {
                continue;
            }
            match std::net::UdpSocket::bind((own, port + 1)) {
                Ok(rtcp) => return Datagrams::of(rtp, rtcp, port, channel),
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    fn of(
        rtp: std::net::UdpSocket,
        rtcp: std::net::UdpSocket,
        port: u16,
        channel: u8,
    ) -> io::Result<Datagrams> {
        let socket = SockRef::from(&rtp);
        socket.set_recv_buffer_size(BUFFER)?;
        let granted = socket.recv_buffer_size()?;
        rtp.set_nonblocking(true)?;
        if granted < ENOUGH {
            warn_once(granted);
        }
        Ok(Datagrams {
            rtp: UdpSocket::from_std(rtp)?,
            _rtcp: rtcp,
            reorder: Reorder::default(),
            port,
            channel,
        })
    }

    /// From now on only what `camera` sends is received.
    pub fn listen_to(&self, camera: SocketAddr) -> io::Result<()> {
        SockRef::from(&self.rtp).connect(&camera.into())
    }

    /// Receives what there is; packets that are due go to `give`, in order.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        now: Mono,
        mut give: impl FnMut(&[u8]),
    ) -> Poll<io::Result<()>> {
        ready!(self.rtp.poll_recv_ready(cx))?;
        for _ in 0..AT_ONCE {
            match self.rtp.try_recv(scratch) {
                Ok(n) if n < HEADER => {}
                Ok(n) => {
                    let sequence = u16::from_be_bytes([scratch[SEQUENCE], scratch[SEQUENCE + 1]]);
                    self.reorder.take(sequence, &scratch[..n], now, &mut give);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
        self.reorder.expire(now, give);
        Poll::Ready(Ok(()))
    }
}

fn warn_once(granted: usize) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(
            granted_kb = granted / 1000,
            "the system grants small receive buffers: cameras over UDP will lose packets; \
             set net.core.rmem_max to {BUFFER}, or use TCP"
        );
    });
}
