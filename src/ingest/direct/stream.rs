//! Bytes of a connection to access units. No I/O.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use crate::ingest::source::SourceUnit;
use crate::media::Codec;

use super::aac::Aac;
use super::message::{FRAMING, Front, Message, front, packet};
use super::odd::Odd;
use super::rtp::{Order, Packet, Times};
use super::sets::Sets;
use super::video::{Place, Video};

/// So many odd packets without one whole unit between them are not an accident.
const ODD_IN_A_ROW: u32 = 100;

/// The streams of one session.
#[derive(Debug)]
pub struct Streams {
    video: Track<Video>,
    audio: Option<Track<Aac>>,
    /// Units that are whole, in the order in which they became so.
    pub ready: VecDeque<SourceUnit>,
    /// A unit has ever become whole.
    began: bool,
    odd_in_a_row: u32,
}

/// One stream on its way.
#[derive(Debug)]
pub struct Track<T> {
    /// Interleaved channel of its RTP packets; over UDP any number.
    pub channel: u8,
    order: Order,
    times: Times,
    /// SSRC of its packets.
    source: Option<u32>,
    media: T,
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    NotUnderstood(String),
    /// Was understood until now.
    #[error("{0}")]
    Broken(&'static str),
    #[error("an access unit of {0} bytes")]
    TooLarge(usize),
}

impl<T> Track<T> {
    /// `begin`: RTP time of the begin that all streams of the session share.
    pub fn new(channel: u8, rate: NonZeroU32, begin: Option<u32>, media: T) -> Self {
        Track { channel, order: Order::default(), times: Times::new(rate, begin), source: None, media }
    }
}

impl Streams {
    pub fn new(video: Track<Video>, audio: Option<Track<Aac>>) -> Self {
        Streams { video, audio, ready: VecDeque::new(), began: false, odd_in_a_row: 0 }
    }

    /// Takes all that is whole off the front of `bytes`; returns how many bytes that was. Messages
    /// between packets go to `told`.
    pub fn take(&mut self, bytes: &[u8], mut told: impl FnMut(Message)) -> Result<usize, Failure> {
        let mut rest = bytes;
        loop {
            // Nearly all that comes is packets.
            if let Some((channel, packet)) = packet(rest) {
                self.packet(channel, packet, rest.len())?;
                rest = &rest[FRAMING + packet.len()..];
                continue;
            }
            let used = match front(rest) {
                Front::Message(message, used) => {
                    told(message);
                    used
                }
                Front::Filler(used) => used,
                Front::Part => return Ok(bytes.len() - rest.len()),
                Front::Nonsense if self.began => {
                    return Err(Failure::Broken("what came is neither packet nor message"));
                }
                Front::Nonsense => {
                    return Err(Failure::NotUnderstood("neither packet nor message".to_owned()));
                }
            };
            rest = &rest[used..];
        }
    }

    /// Takes one packet of the stream that `channel` stands for. `room`: bytes that were read together
    /// from here on.
    #[inline]
    pub fn packet(&mut self, channel: u8, bytes: &[u8], room: usize) -> Result<(), Failure> {
        let waiting = self.ready.len();
        let result = if channel == self.video.channel {
            self.video.take(bytes, |media, packet, missing, times| {
                let ticks = times.ticks(packet.timestamp);
                let place = Place { pts: times.pts(ticks), missing, room };
                media.take(packet, place, &mut self.ready)
            })
        } else if let Some(audio) = self.audio.as_mut().filter(|a| a.channel == channel) {
            audio.take(bytes, |media, packet, missing, times| {
                media.take(packet, missing, times, &mut self.ready)
            })
        } else {
            // Reports of the sender (RTCP), and streams that were not asked for.
            return Ok(());
        };
        if self.ready.len() > waiting {
            (self.began, self.odd_in_a_row) = (true, 0);
        }
        result.or_else(|stop| self.judge(stop))
    }

    /// A torn packet now and then costs a unit; one before all units, or very many, and this client
    /// does not understand the camera.
    fn judge(&mut self, stop: Stop) -> Result<(), Failure> {
        match stop {
            Stop::OtherSource => Err(Failure::Broken("its packets come from another source than before")),
            Stop::Odd(Odd::TooLarge(bytes)) => Err(Failure::TooLarge(bytes)),
            Stop::Odd(Odd::Malformed(_)) if self.began && self.odd_in_a_row < ODD_IN_A_ROW => {
                self.odd_in_a_row += 1;
                Ok(())
            }
            Stop::Odd(odd) => Err(Failure::NotUnderstood(odd.to_string())),
        }
    }
}

enum Stop {
    Odd(Odd),
    OtherSource,
}

impl<T> Track<T> {
    #[inline]
    fn take(
        &mut self,
        bytes: &[u8],
        media: impl FnOnce(&mut T, &Packet<'_>, u16, &mut Times) -> Result<(), Odd>,
    ) -> Result<(), Stop> {
        let malformed = |what| Err(Stop::Odd(Odd::Malformed(what)));
        let Some(packet) = Packet::parse(bytes) else { return malformed("a packet that is not RTP") };
        // Geovision's own data is type 50; 72 to 76 are reports (RFC 5761 §4).
        if matches!(packet.payload_type, 50 | 72..=76) {
            return Ok(());
        }
        if *self.source.get_or_insert(packet.source) != packet.source {
            return Err(Stop::OtherSource);
        }
        let Some(missing) = self.order.missing_before(packet.sequence) else {
            return malformed("a packet out of order");
        };
        media(&mut self.media, &packet, missing, &mut self.times).map_err(Stop::Odd)
    }
}

/// Reads `input` as the bytes of a connection, cut into pieces; must end well whatever they are. For
/// fuzzing: the first byte chooses the codec, the second how the rest is cut.
pub fn read_anything(input: &[u8]) {
    let [codec, cut, rest @ ..] = input else { return };
    let codec = if codec & 1 == 0 { Codec::H264 } else { Codec::H265 };
    let hz = NonZeroU32::new(90_000).expect("invariant: not 0");
    let video = Video::new(codec, Sets::new(codec), 1 << 16);
    let config = crate::ingest::params::audio(bytes::Bytes::from_static(&[0x11, 0x90]));
    let audio = config.ok().map(|a| Aac::new(std::sync::Arc::new(crate::media::Params::Audio(a))));
    let audio = audio.map(|media| Track::new(2, hz, Some(7), media));
    let mut streams = Streams::new(Track::new(0, hz, None, video), audio);
    let mut kept = Vec::new();
    for piece in rest.chunks(usize::from(*cut) * 16 + 1) {
        kept.extend_from_slice(piece);
        match streams.take(&kept, drop) {
            Ok(used) => drop(kept.drain(..used)),
            Err(_) => return,
        }
        for unit in streams.ready.drain(..) {
            let video = unit.params.video().is_some();
            assert!(!video || crate::media::h26x::is_well_formed(&unit.data), "a torn unit got out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    /// Packets that hang together well enough to get deep into the code, then bitten into.
    fn bitten(rng: &mut StdRng) -> Vec<u8> {
        let mut input = vec![rng.random(), rng.random()];
        let heads: [&[u8]; 12] = [
            &[
                0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x1e, 0x84, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0xc8, 0x3c, 0x48, 0x99,
                0x20,
            ],
            &[0x68, 0xcb, 0x83, 0xcb, 0x20],
            &[0x65, 0x88],
            &[0x78, 0, 2, 0x65, 0x88, 0, 1, 0x68],
            &[0x7c, 0x85, 1],
            &[0x7c, 0x45, 2],
            &[64, 1, 12, 1],
            &[66, 1, 1, 1, 96, 0, 0, 3, 0, 144, 0, 0, 3, 0, 0, 3, 0, 30, 160],
            &[98, 1, 0x93, 5],
            &[98, 1, 0x53, 6],
            &[96, 1, 0, 2, 68, 1, 0, 2, 38, 1],
            &[0, 16, 0, 16, 7, 7],
        ];
        for n in 0..rng.random_range(1..40u8) {
            let mut packet = vec![0x80, rng.random::<u8>() & 0x80 | 96, 0, n, 0, 0, 0, n / 4, 0, 0, 0, 1];
            packet.extend_from_slice(heads[rng.random_range(0..heads.len())]);
            input.extend_from_slice(&[b'$', [0, 0, 0, 2][rng.random_range(0..4)], 0, packet.len() as u8]);
            input.extend_from_slice(&packet);
        }
        for _ in 0..rng.random_range(0..6) {
            let at = rng.random_range(0..input.len());
            input[at] = rng.random();
        }
        input
    }

    #[test]
    fn nothing_that_a_camera_sends_breaks_us() {
        for seed in 0..4_000 {
            let mut rng = StdRng::seed_from_u64(seed);
            read_anything(&bitten(&mut rng));
            let noise: Vec<u8> = (0..rng.random_range(0..300)).map(|_| rng.random()).collect();
            read_anything(&noise);
            read_anything(&[&[0, 255, b'$', 0, 1, 0][..], &noise].concat());
        }
    }
}
