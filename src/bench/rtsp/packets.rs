//! RTP packets of a clip, cut once and sent many times: H.264 by RFC 6184 (single NAL units and
//! FU-A), H.265 by RFC 7798 (single NAL units and FU), AAC by RFC 3640 (mode AAC-hbr).
//!
//! All packets lie in one buffer in the framing of RTSP over TCP (RFC 2326 §10.12): `$`, channel,
//! length in 2 bytes, packet. Over UDP the first 4 bytes are left out.

use std::ops::Range;

use crate::bench::clip::{Clip, ClipAudio};
use crate::media::{Codec, Pts, h26x};

/// Largest RTP packet in bytes, header included: fits an Ethernet frame with IPv6 and some tunnel.
pub const MTU: usize = 1400;
/// `$`, channel and length.
pub const FRAMING: usize = 4;
/// RTP header without extensions (RFC 3550 §5.1).
pub const RTP_HEADER: usize = 12;
const MAX_PAYLOAD: usize = MTU - RTP_HEADER;

/// Index of the video track; the sound, where there is any, is track 1.
pub const VIDEO: usize = 0;

/// One track of a clip.
#[derive(Clone, Debug)]
pub struct Track {
    pub payload_type: u8,
    /// RTP clock, Hz.
    pub clock: u32,
    /// Packets in one round of the clip.
    pub packets: u32,
    /// Clock ticks of one round.
    pub round_ticks: u64,
}

/// One access unit (or sound frame) as packets.
#[derive(Clone, Debug)]
pub struct PacketUnit {
    pub track: usize,
    /// When it is sent, from the start of the round.
    pub due: Pts,
    /// Presentation time from the start of the round, in ticks of the track's clock.
    pub ticks: i64,
    /// Video that decoding can start with.
    pub key: bool,
    /// Packets of the track before it in the round.
    pub first_packet: u32,
    /// Where its packets lie.
    pub bytes: Range<usize>,
}

/// A clip as RTP packets.
///
/// Invariants: `units` is sorted by `due`; `bytes` of the units are adjacent, in order, and consist
/// of whole framed packets.
#[derive(Debug)]
pub struct Packets {
    pub tracks: Vec<Track>,
    pub units: Vec<PacketUnit>,
    pub duration: Pts,
    template: Vec<u8>,
}

/// What differs between sessions.
#[derive(Clone, Copy, Debug)]
pub struct Patch {
    pub channel: u8,
    /// Sequence number of the unit's first packet.
    pub seq: u16,
    pub timestamp: u32,
    pub ssrc: u32,
}

impl Packets {
    pub fn of(clip: &Clip) -> Packets {
        let mut order: Vec<(Pts, usize, usize)> =
            clip.units.iter().enumerate().map(|(i, u)| (u.dts, VIDEO, i)).collect();
        if let Some(audio) = &clip.audio {
            order.extend(audio.frames.iter().enumerate().map(|(i, (at, _))| (*at, VIDEO + 1, i)));
        }
        order.sort(); // stable order of a round: by time, video first
        let clocks = std::iter::once(Pts::HZ as u32).chain(clip.audio.iter().map(|a| a.params.sample_rate));
        let mut tracks: Vec<Track> = clocks
            .zip(96..)
            .map(|(clock, payload_type)| Track {
                payload_type,
                clock,
                packets: 0,
                round_ticks: rescale(clip.duration, clock) as u64,
            })
            .collect();
        let mut template = Vec::new();
        let mut units = Vec::with_capacity(order.len());
        for (due, track, i) in order {
            let start = template.len();
            let first_packet = tracks[track].packets;
            let mut cut = Cut { out: &mut template, track: &mut tracks[track] };
            let (pts, key) = match &clip.audio {
                Some(audio) if track != VIDEO => (cut.aac(audio, i), false),
                _ => {
                    let unit = &clip.units[i];
                    cut.video(clip.params.codec, &unit.data);
                    (unit.pts, unit.key)
                }
            };
            let ticks = rescale(pts, tracks[track].clock);
            units.push(PacketUnit { track, due, ticks, key, first_packet, bytes: start..template.len() });
        }
        Packets { tracks, units, duration: clip.duration, template }
    }

    /// Appends the unit's packets, framed and patched, to `out`; returns how many they are.
    pub fn write_unit(&self, unit: &PacketUnit, patch: Patch, out: &mut Vec<u8>) -> u32 {
        let start = out.len();
        out.extend_from_slice(&self.template[unit.bytes.clone()]);
        let mut seq = patch.seq;
        let mut rest = &mut out[start..];
        let mut count = 0;
        while let Some((head, tail)) = rest.split_first_chunk_mut::<{ FRAMING + RTP_HEADER }>() {
            head[1] = patch.channel;
            head[6..8].copy_from_slice(&seq.to_be_bytes());
            head[8..12].copy_from_slice(&patch.timestamp.to_be_bytes());
            head[12..16].copy_from_slice(&patch.ssrc.to_be_bytes());
            seq = seq.wrapping_add(1);
            count += 1;
            let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
            rest = &mut tail[len - RTP_HEADER..];
        }
        count
    }

    /// Places of the units with which a session may start: video keyframes.
    pub fn keys(&self) -> impl Iterator<Item = usize> {
        self.units.iter().enumerate().filter(|(_, u)| u.key).map(|(i, _)| i)
    }
}

/// Splits framed packets, framing included.
pub fn framed(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let head = bytes.first_chunk::<FRAMING>()?;
        let len = FRAMING + usize::from(u16::from_be_bytes([head[2], head[3]]));
        let packet = bytes.get(..len)?;
        bytes = &bytes[len..];
        Some(packet)
    })
}

fn rescale(t: Pts, clock: u32) -> i64 {
    (i128::from(t.0) * i128::from(clock) / i128::from(Pts::HZ)) as i64
}

/// Cuts units into packets at the end of `out`.
struct Cut<'a> {
    out: &'a mut Vec<u8>,
    track: &'a mut Track,
}

impl Cut<'_> {
    fn packet(&mut self, marker: bool, parts: &[&[u8]]) {
        let len = RTP_HEADER + parts.iter().map(|p| p.len()).sum::<usize>();
        self.out.extend_from_slice(&[b'$', 0]);
        self.out.extend_from_slice(&(len as u16).to_be_bytes());
        // Version 2, no padding, no extension, no CSRC; the rest is patched when it is sent.
        self.out.extend_from_slice(&[0x80, u8::from(marker) << 7 | self.track.payload_type]);
        self.out.extend_from_slice(&[0; RTP_HEADER - 2]);
        for part in parts {
            self.out.extend_from_slice(part);
        }
        self.track.packets += 1;
    }

    fn video(&mut self, codec: Codec, data: &[u8]) {
        let mut nals = h26x::nals(data).filter(|n| n.len() > 2).peekable();
        while let Some(nal) = nals.next() {
            // The marker ends the access unit (RFC 6184 §5.1, RFC 7798 §4.1).
            let last = nals.peek().is_none();
            if nal.len() <= MAX_PAYLOAD {
                self.packet(last, &[nal]);
                continue;
            }
            // The header of the fragment: where the NAL unit's own header was, then S, E and type.
            let (header, kind, body) = match codec {
                // RFC 7798 §4.4.3: type 49, layer and temporal id kept.
                Codec::H265 => (vec![nal[0] & 0x81 | 49 << 1, nal[1]], nal[0] >> 1 & 0x3f, &nal[2..]),
                // RFC 6184 §5.8: type 28, F and NRI kept.
                _ => (vec![nal[0] & 0xe0 | 28], nal[0] & 0x1f, &nal[1..]),
            };
            let room = MAX_PAYLOAD - header.len() - 1;
            let count = body.len().div_ceil(room);
            for (i, part) in body.chunks(room).enumerate() {
                let flags = u8::from(i == 0) << 7 | u8::from(i + 1 == count) << 6;
                self.packet(last && i + 1 == count, &[&header, &[flags | kind], part]);
            }
        }
    }

    /// RFC 3640 §3.3.6: one frame per packet, AU header of 13 bits size and 3 bits index.
    fn aac(&mut self, audio: &ClipAudio, i: usize) -> Pts {
        let (at, frame) = &audio.frames[i];
        let size = ((frame.len() as u16) << 3).to_be_bytes();
        let parts = frame.len().div_ceil(MAX_PAYLOAD - 4);
        for (n, part) in frame.chunks(MAX_PAYLOAD - 4).enumerate() {
            self.packet(n + 1 == parts, &[&[0, 16], &size, part]);
        }
        *at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::clip::ClipUnit;
    use crate::media::VideoParams;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn unit_of(nals: &[Vec<u8>]) -> Bytes {
        nals.iter().flat_map(|n| [&(n.len() as u32).to_be_bytes()[..], n].concat()).collect()
    }

    /// Puts a unit's packets together again, by the RFCs and not by the code above.
    fn depacketise(codec: Codec, framed_bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut nals: Vec<Vec<u8>> = Vec::new();
        let packets: Vec<_> = framed(framed_bytes).map(|p| &p[FRAMING..]).collect();
        for (i, packet) in packets.iter().enumerate() {
            assert!(packet.len() <= MTU);
            assert_eq!(packet[1] & 0x80 != 0, i + 1 == packets.len(), "the marker ends the unit");
            let payload = &packet[RTP_HEADER..];
            let (is_fu, head) = match codec {
                Codec::H265 => (payload[0] >> 1 & 0x3f == 49, 2),
                _ => (payload[0] & 0x1f == 28, 1),
            };
            if !is_fu {
                nals.push(payload.to_vec());
                continue;
            }
            let fu = payload[head];
            if fu & 0x80 != 0 {
                nals.push(match codec {
                    Codec::H265 => vec![payload[0] & 0x81 | (fu & 0x3f) << 1, payload[1]],
                    _ => vec![payload[0] & 0xe0 | fu & 0x1f],
                });
            }
            nals.last_mut().expect("a start came first").extend_from_slice(&payload[head + 1..]);
        }
        nals
    }

    fn clip_of(codec: Codec, nals: &[Vec<u8>]) -> Clip {
        let unit =
            |i: i64| ClipUnit { pts: Pts(i * 3600), dts: Pts(i * 3600), key: i == 0, data: unit_of(nals) };
        Clip {
            name: "test".into(),
            params: VideoParams {
                codec,
                width: 64,
                height: 48,
                config: Bytes::new(),
                rfc6381: String::new(),
            },
            units: (0..2).map(unit).collect(),
            duration: Pts(7200),
            audio: None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_cut_can_be_put_together(
            sizes in prop::collection::vec(3usize..6000, 1..5), h265 in any::<bool>(), seed in any::<u8>(),
        ) {
            let codec = if h265 { Codec::H265 } else { Codec::H264 };
            let first = if h265 { 19 << 1 | 1 } else { 0x65 };
            let nal = |&n: &usize| {
                let body = (2..n).map(|i| (i as u8).wrapping_mul(seed | 1));
                [first, 1].into_iter().chain(body).collect::<Vec<u8>>()
            };
            let nals: Vec<_> = sizes.iter().map(nal).collect();
            let packets = Packets::of(&clip_of(codec, &nals));
            let mut out = Vec::new();
            let patch = Patch { channel: 2, seq: 65_534, timestamp: 7, ssrc: 9 };
            let count = packets.write_unit(&packets.units[1], patch, &mut out);
            prop_assert_eq!(depacketise(codec, &out), nals);
            prop_assert_eq!(framed(&out).count() as u32, count);
            for (i, packet) in framed(&out).enumerate() {
                prop_assert_eq!(packet[1], 2);
                prop_assert_eq!(&packet[6..8], &65_534u16.wrapping_add(i as u16).to_be_bytes()[..]);
                prop_assert_eq!(&packet[8..16], &[0, 0, 0, 7, 0, 0, 0, 9][..]);
            }
            prop_assert_eq!(packets.units[1].first_packet * 2, packets.tracks[VIDEO].packets);
        }
    }
}
