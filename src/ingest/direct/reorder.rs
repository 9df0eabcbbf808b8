//! Datagrams back in order: what overtook others waits for them, for a while.
//!
//! The window is bounded in packets and in time. A packet that has not come by then is lost; when it
//! comes later, it is dropped.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::Mono;

/// Packets that may wait for one that is missing: a large keyframe's worth.
const WINDOW: usize = 256;
/// How long they wait: networks reorder within milliseconds, but a look at the sockets may fall
/// between two packets, so a few ticks.
const PATIENCE: Duration = Duration::from_millis(300);

/// Puts packets of one stream in the order of their sequence numbers. No I/O; time is an argument.
#[derive(Debug, Default)]
pub struct Reorder {
    next: Option<u16>,
    /// Packets by distance from `next`, with their arrival; the first is always missing, the last never.
    waiting: VecDeque<Option<(Mono, Vec<u8>)>>,
}

impl Reorder {
    /// Takes a packet in; gives out those that are due by now, in order.
    pub fn take(&mut self, sequence: u16, packet: &[u8], now: Mono, mut give: impl FnMut(&[u8])) {
        let next = *self.next.get_or_insert(sequence);
        let ahead = sequence.wrapping_sub(next);
        // Half the numbers lie behind (RFC 3550 §A.1): it was given up, or came twice.
        if ahead >= 0x8000 {
            return;
        }
        if ahead == 0 {
            give(packet);
            self.step();
            self.release(&mut give);
        } else {
            self.hold(usize::from(ahead), packet, now, &mut give);
        }
        self.expire(now, give);
    }

    /// Gives up what others have waited for too long.
    pub fn expire(&mut self, now: Mono, mut give: impl FnMut(&[u8])) {
        let late = |(at, _): &(Mono, Vec<u8>)| now.since(*at) >= PATIENCE;
        while self.waiting.iter().flatten().next().is_some_and(late) {
            self.skip(&mut give);
        }
    }

    fn hold(&mut self, ahead: usize, packet: &[u8], now: Mono, give: &mut impl FnMut(&[u8])) {
        let mut ahead = ahead;
        // A window beyond its bound gives up its first; a leap gives up all that is missing.
        while ahead >= WINDOW && !self.waiting.is_empty() {
            let before = self.next;
            self.skip(give);
            let moved = self.next.unwrap_or_default().wrapping_sub(before.unwrap_or_default());
            ahead = ahead.saturating_sub(usize::from(moved));
        }
        if ahead >= WINDOW {
            // Nothing waits any more.
            give(packet);
            self.next = self.next.map(|n| n.wrapping_add(ahead as u16 + 1));
            return;
        }
        if ahead == 0 {
            give(packet);
            self.step();
            return self.release(give);
        }
        if self.waiting.len() <= ahead {
            self.waiting.resize(ahead + 1, None);
        }
        if self.waiting[ahead].is_none() {
            self.waiting[ahead] = Some((now, packet.to_vec()));
        }
    }

    /// Gives out up to the next that is missing, after the first that waits.
    fn skip(&mut self, give: &mut impl FnMut(&[u8])) {
        while self.waiting.front().is_some_and(Option::is_none) {
            self.step();
        }
        self.release(give);
    }

    /// Gives out what waits at the front.
    fn release(&mut self, give: &mut impl FnMut(&[u8])) {
        while let Some(Some((_, packet))) = self.waiting.front() {
            give(packet);
            self.step();
        }
    }

    fn step(&mut self) {
        self.waiting.pop_front();
        self.next = self.next.map(|n| n.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};

    /// Packets as `(sequence, arrival in ms)`; the order in which they come out, up to a minute later.
    fn check(packets: &[(u16, u64)], expected: &[u16]) {
        assert_eq!(run(packets), expected);
    }

    fn run(packets: &[(u16, u64)]) -> Vec<u16> {
        let (mut reorder, mut out) = (Reorder::default(), Vec::new());
        for &(sequence, ms) in packets {
            let now = Mono(Duration::from_millis(ms));
            reorder
                .take(sequence, &sequence.to_be_bytes(), now, |p| out.push(u16::from_be_bytes([p[0], p[1]])));
        }
        reorder.expire(Mono(Duration::from_secs(60)), |p| out.push(u16::from_be_bytes([p[0], p[1]])));
        out
    }

    #[test]
    fn overtaken_packets_are_waited_for_over_the_wrap() {
        check(&[(65_534, 0), (0, 0), (1, 0), (65_535, 1), (2, 1)], &[65_534, 65_535, 0, 1, 2]);
    }

    #[test]
    fn one_that_does_not_come_is_given_up_after_a_while() {
        check(
            &[(1, 0), (3, 10), (4, 200), (6, 250), (7, 310), (2, 320), (5, 320), (8, 900)],
            &[1, 3, 4, 5, 6, 7, 8],
        );
    }

    #[test]
    fn packets_that_come_twice_or_too_late_are_dropped() {
        check(&[(1, 0), (1, 0), (3, 0), (3, 0), (2, 0), (2, 0), (0, 0)], &[1, 2, 3]);
    }

    #[test]
    fn the_window_is_bounded() {
        let flood: Vec<(u16, u64)> = std::iter::once((0, 0)).chain((2..600).map(|s| (s, 1))).collect();
        let expected: Vec<u16> = std::iter::once(0).chain(2..600).collect();
        check(&flood, &expected);
        check(&[(0, 0), (2, 0), (5_000, 0), (5_001, 0)], &[0, 2, 5_000, 5_001]);
    }

    #[test]
    fn whatever_is_shuffled_within_the_window_comes_out_in_order() {
        for seed in 0..200 {
            let mut rng = StdRng::seed_from_u64(seed);
            let begin: u16 = rng.random();
            let mut sequences: Vec<u16> = (1..400).map(|n| begin.wrapping_add(n)).collect();
            sequences.chunks_mut(8).for_each(|some| some.shuffle(&mut rng));
            sequences.retain(|_| rng.random_bool(0.95));
            sequences.insert(0, begin);
            let packets: Vec<(u16, u64)> = sequences.into_iter().zip((0..).step_by(10)).collect();
            let out = run(&packets);
            let distance: Vec<u16> = out.iter().map(|s| s.wrapping_sub(begin)).collect();
            assert!(distance.is_sorted(), "seed {seed}: {distance:?}");
            assert_eq!(out.len(), packets.len(), "seed {seed}");
        }
    }
}
