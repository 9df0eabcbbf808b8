//! Access units cut into RTP packets in every way that the RFCs allow, drawn from a seed.

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::media::{Codec, h26x};

/// One RTP stream being made.
pub struct Cutter {
    rng: StdRng,
    codec: Codec,
    payload_type: u8,
    /// Of the next packet.
    pub sequence: u16,
    pub packets: Vec<Vec<u8>>,
}

impl Cutter {
    pub fn new(codec: Codec, payload_type: u8, seed: u64) -> Self {
        let sequence = u16::MAX - 100;
        Cutter { rng: StdRng::seed_from_u64(seed), codec, payload_type, sequence, packets: Vec::new() }
    }

    fn packet(&mut self, marker: bool, timestamp: u32, payload: &[u8]) {
        let mut packet = vec![0x80, u8::from(marker) << 7 | self.payload_type];
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&timestamp.to_be_bytes());
        packet.extend_from_slice(&[1, 2, 3, self.payload_type]);
        packet.extend_from_slice(payload);
        self.packets.push(packet);
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// A picture: `sets` in front, then what `data` holds.
    pub fn picture(&mut self, timestamp: u32, sets: &[Bytes], data: &[u8]) {
        let nals: Vec<&[u8]> = sets.iter().map(|s| &s[..]).chain(h26x::nals(data)).collect();
        let mut at = 0;
        while at < nals.len() {
            let together = self.together(&nals[at..]);
            // Sometimes only the next picture's time ends this one.
            let marker = at + together == nals.len() && self.rng.random_bool(0.9);
            if together > 1 {
                let aggregate = self.aggregate(&nals[at..at + together]);
                self.packet(marker, timestamp, &aggregate);
            } else if nals[at].len() < 1400 && self.rng.random_bool(0.8) {
                self.packet(marker, timestamp, nals[at]);
            } else {
                self.fragments(marker, timestamp, nals[at]);
            }
            at += together;
        }
    }

    /// How many of the next NAL units go into one packet.
    fn together(&mut self, nals: &[&[u8]]) -> usize {
        let short = nals.iter().take_while(|n| n.len() < 300).count();
        if short > 1 && self.rng.random_bool(0.5) { self.rng.random_range(2..=short.min(4)) } else { 1 }
    }

    fn aggregate(&self, nals: &[&[u8]]) -> Vec<u8> {
        let mut out = if self.codec == Codec::H265 { vec![48 << 1, 1] } else { vec![24 | 0x60] };
        for nal in nals {
            out.extend_from_slice(&(nal.len() as u16).to_be_bytes());
            out.extend_from_slice(nal);
        }
        out
    }

    fn fragments(&mut self, marker: bool, timestamp: u32, nal: &[u8]) {
        let (header, kind, body) = match self.codec {
            Codec::H265 => (vec![nal[0] & 0x81 | 49 << 1, nal[1]], nal[0] >> 1 & 0x3f, &nal[2..]),
            _ => (vec![nal[0] & 0xe0 | 28], nal[0] & 0x1f, &nal[1..]),
        };
        let size = self.rng.random_range(3..1400).min(body.len().div_ceil(2).max(1));
        let parts: Vec<&[u8]> = body.chunks(size).collect();
        for (i, part) in parts.iter().enumerate() {
            let last = i + 1 == parts.len();
            let flags = u8::from(i == 0) << 7 | u8::from(last) << 6;
            let payload = [&header[..], &[flags | kind], part].concat();
            self.packet(marker && last, timestamp, &payload);
        }
    }

    /// Sound frames, one packet for all of them.
    pub fn sound(&mut self, timestamp: u32, frames: &[Bytes]) {
        let mut out = (16 * frames.len() as u16).to_be_bytes().to_vec();
        frames.iter().for_each(|f| out.extend_from_slice(&((f.len() as u16) << 3).to_be_bytes()));
        frames.iter().for_each(|f| out.extend_from_slice(f));
        self.packet(true, timestamp, &out);
    }

    /// Takes out the given share of the packets, but not the first.
    pub fn lose(&mut self, share: f64) -> usize {
        let before = self.packets.len();
        let mut first = true;
        let rng = &mut self.rng;
        self.packets.retain(|_| std::mem::take(&mut first) || !rng.random_bool(share));
        before - self.packets.len()
    }
}
