//! RTP packets (RFC 3550): header, order, time.

use std::num::NonZeroU32;

use crate::media::Pts;

/// Times in `RTP-Info` further than this from the first packet's are not believed, seconds.
const BELIEVABLE: i64 = 10;

/// A packet as far as its header goes (§5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub source: u32,
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// `None`: not RTP version 2, or cut short.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let (head, mut rest) = bytes.split_first_chunk::<12>()?;
        if head[0] >> 6 != 2 {
            return None;
        }
        rest = rest.get(4 * usize::from(head[0] & 0xf)..)?;
        if head[0] & 0x10 != 0 {
            let ([_, _, a, b], tail) = rest.split_first_chunk::<4>()?;
            rest = tail.get(4 * usize::from(u16::from_be_bytes([*a, *b]))..)?;
        }
        if head[0] & 0x20 != 0 {
            let padding = usize::from(*rest.last()?);
            rest = rest.get(..rest.len().checked_sub(padding.max(1))?)?;
        }
        Some(Packet {
            marker: head[1] & 0x80 != 0,
            payload_type: head[1] & 0x7f,
            sequence: u16::from_be_bytes([head[2], head[3]]),
            timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            source: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
            payload: rest,
        })
    }
}

/// Follows sequence numbers, to count what is missing.
#[derive(Debug, Default)]
pub struct Order {
    next: Option<u16>,
}

impl Order {
    /// Packets missing before this one; `None`: it is older than what came before.
    #[inline]
    pub fn missing_before(&mut self, sequence: u16) -> Option<u16> {
        let missing = self.next.map_or(0, |next| sequence.wrapping_sub(next));
        // Half the numbers lie ahead, half behind (§A.1).
        if missing >= 0x8000 {
            return None;
        }
        self.next = Some(sequence.wrapping_add(1));
        Some(missing)
    }
}

/// Unwraps timestamps.
#[derive(Debug)]
pub struct Times {
    rate: NonZeroU32,
    /// The presentation's begin as the camera told it.
    told: Option<u32>,
    zero: i64,
    last: Option<i64>,
}

impl Times {
    /// `rate`: ticks per second. `told`: the begin that all streams of the session share; without it
    /// the first packet is the begin.
    pub fn new(rate: NonZeroU32, told: Option<u32>) -> Self {
        Times { rate, told, zero: 0, last: None }
    }

    /// Ticks from the begin.
    #[inline]
    pub fn ticks(&mut self, timestamp: u32) -> i64 {
        let at = match self.last {
            // Two packets are never half a turn (13 hours of video) apart.
            Some(last) => last + i64::from(timestamp.wrapping_sub(last as u32) as i32),
            None => self.begin(timestamp),
        };
        self.last = Some(at);
        at - self.zero
    }

    fn begin(&mut self, timestamp: u32) -> i64 {
        let first = i64::from(timestamp);
        let after = self.told.map_or(0, |told| i64::from(timestamp.wrapping_sub(told) as i32));
        let believable = after.abs() <= BELIEVABLE * i64::from(self.rate.get());
        self.zero = if believable { first - after } else { first };
        first
    }

    /// Ticks of this clock in ticks of 90 kHz.
    #[inline]
    pub fn pts(&self, ticks: i64) -> i64 {
        let rate = i64::from(self.rate.get());
        if rate == Pts::HZ {
            return ticks;
        }
        (i128::from(ticks) * i128::from(Pts::HZ) / i128::from(rate)) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(first: u8, tail: &[u8]) -> Vec<u8> {
        [&[first, 0x80 | 96, 1, 2, 0, 0, 0, 9, 0, 0, 0, 7][..], tail].concat()
    }

    #[test]
    fn headers_of_every_length_are_stepped_over() {
        let plain = packet(0x80, b"data");
        let p = Packet::parse(&plain).unwrap();
        assert_eq!((p.marker, p.payload_type, p.sequence), (true, 96, 0x102));
        assert_eq!((p.timestamp, p.source, p.payload), (9, 7, &b"data"[..]));
        // One CSRC; an extension of one word; two bytes of padding.
        let all = packet(0xb1, b"csrc\xbe\xde\0\x01wordxy\0\x02");
        assert_eq!(Packet::parse(&all).unwrap().payload, b"xy");
        for cut in 0..plain.len() - 4 {
            assert_eq!(Packet::parse(&plain[..cut]), None);
        }
        assert_eq!(Packet::parse(&packet(0xa0, b"x\x09")), None, "more padding than there is");
        assert_eq!(Packet::parse(&packet(0x40, b"")), None, "version 1");
    }

    #[test]
    fn missing_packets_are_counted_over_the_wrap() {
        let mut order = Order::default();
        let seen = [65_534, 65_535, 0, 3, 2, 4, 4].map(|s| order.missing_before(s));
        assert_eq!(seen, [Some(0), Some(0), Some(0), Some(2), None, Some(0), None]);
    }

    fn times(rate: u32, told: Option<u32>) -> Times {
        Times::new(NonZeroU32::new(rate).unwrap(), told)
    }

    #[test]
    fn time_goes_on_over_the_wrap_and_back_for_b_frames() {
        let mut t = times(90_000, None);
        let at = [u32::MAX - 1, 1, u32::MAX, 3].map(|ts| t.ticks(ts));
        assert_eq!(at, [0, 3, 1, 5]);
    }

    #[test]
    fn sound_and_picture_count_from_the_begin_that_was_told() {
        assert_eq!(times(90_000, Some(u32::MAX)).ticks(8_999), 9_000);
        let mut t = times(8_000, Some(100));
        let ticks = t.ticks(900);
        assert_eq!(t.pts(ticks), 9_000);
        assert_eq!(times(8_000, Some(100)).ticks(1_000_000), 0, "a begin that cannot be");
    }
}
