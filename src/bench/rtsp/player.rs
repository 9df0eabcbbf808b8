//! One playing session: which unit is due when, and how it goes out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use tokio::net::UdpSocket;

use super::mount::{Begun, Served};
use super::outlet::{Outlet, Put};
use super::packets::{FRAMING, Patch, VIDEO, framed};
use super::server::Send;
use crate::base::{Mono, Wall};
use crate::media::Pts;

/// How often a sender report goes out (RFC 3550 §6.2 asks for about 5 s).
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// Seconds from 1900, NTP's epoch, to 1970.
const NTP_OFFSET: i64 = 2_208_988_800;

/// Where a track goes.
pub(super) enum Way {
    /// Interleaved on the control connection: RTP on this channel, RTCP on the next.
    Channel(u8),
    Udp {
        rtp: UdpSocket,
        rtcp: UdpSocket,
    },
}

/// A track that was set up.
pub(super) struct TrackOut {
    pub way: Way,
    pub ssrc: u32,
    /// Sequence number and timestamp of the clip's start in round 0.
    pub seq: u16,
    pub timestamp: u32,
    packets: u32,
    octets: u32,
}

impl TrackOut {
    pub fn new(way: Way, rng: &mut impl Rng) -> Self {
        TrackOut {
            way,
            ssrc: rng.random(),
            seq: rng.random(),
            timestamp: rng.random(),
            packets: 0,
            octets: 0,
        }
    }
}

pub(super) struct Player {
    pub mount: Arc<Served>,
    pub outlet: Arc<Outlet>,
    /// By track of the clip; `None` where the client did not set it up.
    pub tracks: Vec<Option<TrackOut>>,
    pub loss: Option<(StdRng, f64)>,
    pub send: Send,
    position: usize,
    round: u64,
    /// When the first unit went out, and its place in the clip.
    origin: Option<Mono>,
    skipped: Pts,
    /// A unit was left out, so nothing goes out before the next keyframe.
    resync: bool,
    next_report: Mono,
    /// Ends, in the outlet's count, of video units that are not yet written.
    unwritten: VecDeque<u64>,
    ended: bool,
}

/// What a player wants after a tick.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    Go,
    Gone,
}

impl Player {
    pub fn new(
        mount: Arc<Served>,
        outlet: Arc<Outlet>,
        tracks: Vec<Option<TrackOut>>,
        loss: Option<(StdRng, f64)>,
        send: Send,
    ) -> Self {
        let c = &mount.counters;
        c.sessions.fetch_add(1, Relaxed);
        c.playing.fetch_add(1, Relaxed);
        Player {
            position: mount.first_unit,
            skipped: mount.packets.units[mount.first_unit].due,
            mount,
            outlet,
            tracks,
            loss,
            send,
            round: 0,
            origin: None,
            resync: false,
            next_report: Mono::default(),
            unwritten: VecDeque::new(),
            ended: false,
        }
    }

    /// Sequence number and RTP timestamp of the track's first packet, for `RTP-Info`.
    pub fn first_packet(&self, track: usize) -> Option<(u16, u32)> {
        let out = self.tracks.get(track)?.as_ref()?;
        let packets = &self.mount.packets;
        let unit = packets.units[self.position..].iter().find(|u| u.track == track)?;
        Some((out.seq.wrapping_add(unit.first_packet as u16), out.timestamp.wrapping_add(unit.ticks as u32)))
    }

    /// Sends what is due. `held`: the whole server sends nothing new.
    pub fn tick(&mut self, now: Mono, wall: Wall, held: bool, scratch: &mut Vec<u8>) -> Next {
        self.outlet.flush();
        self.count_written();
        if self.outlet.is_closed() {
            return Next::Gone;
        }
        if held || self.ended {
            return Next::Go;
        }
        let packets = self.mount.packets.clone();
        if self.origin.is_none() {
            self.next_report = now;
            self.mount.note_begin(Begun { at: wall, place: self.skipped });
        }
        let origin = *self.origin.get_or_insert(now);
        if now >= self.next_report {
            self.next_report = now + REPORT_EVERY;
            self.report(now.since(origin) + self.skipped.since(Pts(0)), wall);
        }
        while !self.ended {
            let due = Pts(packets.units[self.position].due.0 + self.round as i64 * packets.duration.0);
            if origin + due.since(self.skipped) > now {
                break;
            }
            self.send_unit(scratch);
            self.position += 1;
            if self.position == packets.units.len() {
                self.position = 0;
                self.round += 1;
                self.ended = self.mount.once;
            }
        }
        if self.ended {
            self.outlet.close_when_written();
        }
        self.count_written();
        Next::Go
    }

    fn send_unit(&mut self, scratch: &mut Vec<u8>) {
        let packets = &self.mount.packets;
        let unit = &packets.units[self.position];
        let Some(out) = &mut self.tracks[unit.track] else { return };
        let c = &self.mount.counters;
        self.resync |= self.mount.stalled.load(Relaxed);
        if self.resync && unit.key && !self.mount.stalled.load(Relaxed) {
            self.resync = false;
        }
        if self.resync {
            c.frames_dropped.fetch_add(u64::from(unit.track == VIDEO), Relaxed);
            return;
        }
        // Numbers follow from the place on the time line, so what was left out shows as a gap.
        let track = &packets.tracks[unit.track];
        let before = (self.round as u32).wrapping_mul(track.packets).wrapping_add(unit.first_packet);
        let ticks = (self.round.wrapping_mul(track.round_ticks) as u32).wrapping_add(unit.ticks as u32);
        let patch = Patch {
            channel: if let Way::Channel(n) = out.way { n } else { 0 },
            seq: out.seq.wrapping_add(before as u16),
            timestamp: out.timestamp.wrapping_add(ticks),
            ssrc: out.ssrc,
        };
        scratch.clear();
        let count = packets.write_unit(unit, patch, scratch);
        let put = match &out.way {
            Way::Channel(_) => match self.send {
                Send::PerUnit => self.outlet.put_media(std::iter::once(scratch.as_slice())),
                Send::PerPacket => self.outlet.put_media(framed(scratch)),
            },
            Way::Udp { rtp, .. } => {
                c.packets_lost.fetch_add(send_datagrams(rtp, scratch, &mut self.loss), Relaxed);
                Put::Until(0)
            }
        };
        match put {
            Put::Until(end) => {
                out.packets = out.packets.wrapping_add(count);
                let headers = count * 12 + count * FRAMING as u32;
                out.octets = out.octets.wrapping_add(scratch.len() as u32 - headers);
                c.packets_sent.fetch_add(u64::from(count), Relaxed);
                c.bytes_sent.fetch_add(scratch.len() as u64, Relaxed);
                if unit.track == VIDEO {
                    self.unwritten.push_back(end);
                } else {
                    c.audio_sent.fetch_add(1, Relaxed);
                }
            }
            Put::Full | Put::Closed => {
                self.resync = true;
                c.frames_dropped.fetch_add(u64::from(unit.track == VIDEO), Relaxed);
            }
        }
    }

    fn count_written(&mut self) {
        if self.unwritten.is_empty() {
            return;
        }
        let written = self.outlet.written();
        while self.unwritten.front().is_some_and(|end| *end <= written) {
            self.unwritten.pop_front();
            self.mount.counters.frames_sent.fetch_add(1, Relaxed);
        }
    }

    /// Sender report and CNAME (RFC 3550 §6.4.1, §6.5.1) on every track.
    fn report(&mut self, elapsed: Duration, wall: Wall) {
        let us = wall.micros();
        let seconds = (us.div_euclid(1_000_000) + NTP_OFFSET) as u32;
        let fraction = ((us.rem_euclid(1_000_000) as u64) << 32) / 1_000_000;
        for (track, out) in self.mount.packets.tracks.iter().zip(&mut self.tracks) {
            let Some(out) = out else { continue };
            let ticks = (elapsed.as_micros() * u128::from(track.clock) / 1_000_000) as u32;
            let mut m = vec![b'$', 0, 0, 0, 0x80, 200, 0, 6];
            let words = [
                out.ssrc,
                seconds,
                fraction as u32,
                out.timestamp.wrapping_add(ticks),
                out.packets,
                out.octets,
            ];
            words.iter().for_each(|w| m.extend_from_slice(&w.to_be_bytes()));
            m.extend_from_slice(&[0x81, 202, 0, 4]);
            m.extend_from_slice(&out.ssrc.to_be_bytes());
            m.extend_from_slice(b"\x01\x08simulate\x00\x00");
            match &out.way {
                Way::Channel(n) => {
                    m[1] = n + 1;
                    let len = (m.len() - FRAMING) as u16;
                    m[2..4].copy_from_slice(&len.to_be_bytes());
                    self.outlet.put_media(std::iter::once(m.as_slice()));
                }
                // Reports may get lost like everything on UDP.
                Way::Udp { rtcp, .. } => drop(rtcp.try_send(&m[FRAMING..])),
            }
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.count_written();
        let c = &self.mount.counters;
        c.frames_dropped.fetch_add(self.unwritten.len() as u64, Relaxed);
        c.playing.fetch_sub(1, Relaxed);
    }
}

/// Sends each packet as a datagram; returns how many the loss left out. What the kernel refuses is
/// lost as on a real network.
fn send_datagrams(rtp: &UdpSocket, frames: &[u8], loss: &mut Option<(StdRng, f64)>) -> u64 {
    let mut lost = 0;
    for packet in framed(frames) {
        if loss.as_mut().is_some_and(|(rng, share)| rng.random_bool(*share)) {
            lost += 1;
        } else {
            let _ = rtp.try_send(&packet[FRAMING..]);
        }
    }
    lost
}
