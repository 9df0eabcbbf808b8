//! The access units of one analysed stream that may yet be decoded: its last GOPs, so that decoding
//! can begin late and nothing is lost by it; and what a follower has not taken yet.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::Wall;
use crate::base::queue::Weigh;
use crate::media::EncodedUnit;

/// A follower that is later than this goes on at a later key, where there is one: decoding what is long
/// past would delay every alert by as much for as long as the machine is short of time.
const LATE: Duration = Duration::from_secs(2);
/// Whole GOPs of so long are kept of a stream that nobody follows: as long as it goes without a look, so that
/// what comes between two looks can be decoded when the second finds it. 320 kB of a sub stream of 0.5 Mbit/s.
const HISTORY: Duration = Duration::from_secs(4);

/// One stream's units from the key before `HISTORY` on, or from a follower's cursor. Bounded in bytes; nobody
/// ever gets a unit whose references are missing here.
pub struct Ring {
    /// In decoding order.
    units: VecDeque<EncodedUnit>,
    bytes: usize,
    bound: usize,
    /// Place of the newest key.
    key: Option<usize>,
    /// From the newest key on nothing is missing: decoding can begin there and go on.
    whole: bool,
    follower: Option<Follower>,
    connection: Option<u32>,
    left_out: u64,
}

struct Follower {
    /// Place of the next unit to take. Not before it, but perhaps before `key`, lies what must be kept.
    next: usize,
    /// What comes after the units here can be decoded.
    goes_on: bool,
    /// The newest unit when it began: what lies before is late on purpose.
    began: Wall,
    /// The key of the GOP it is in.
    key: Option<Wall>,
    /// The rest of that GOP is left out.
    cut: bool,
    /// Units left out since the last one it got; what the next key is told, since what comes behind it may refer to
    /// one of them (open GOPs of H.265).
    omitted: usize,
}

/// What a follower gets.
#[derive(Debug, Default)]
pub struct Taken {
    pub units: Vec<EncodedUnit>,
    /// Units left out because only the heads of GOPs are wanted.
    pub cut: usize,
}

impl Ring {
    /// Holds at most `bound` bytes, but always the newest key.
    pub fn new(bound: usize) -> Ring {
        Ring {
            units: VecDeque::new(),
            bytes: 0,
            bound,
            key: None,
            whole: false,
            follower: None,
            connection: None,
            left_out: 0,
        }
    }

    /// Take in a video unit, in decoding order.
    pub fn push(&mut self, unit: EncodedUnit) {
        let torn = unit.lost_before > 0 || self.connection != Some(unit.connection);
        self.connection = Some(unit.connection);
        if unit.key {
            self.key = Some(self.units.len());
            self.whole = true;
            if let Some(f) = &mut self.follower {
                f.goes_on = true;
            }
        } else {
            if torn {
                self.whole = false;
                if let Some(f) = &mut self.follower {
                    f.goes_on = false;
                }
            }
            if !self.whole && !self.follower.as_ref().is_some_and(|f| f.goes_on) {
                return;
            }
        }
        self.bytes += unit.weight();
        let key = unit.key;
        self.units.push_back(unit);
        if key || self.is_followed() {
            self.trim();
        }
        self.fit();
    }

    /// The newest key: what a look decodes.
    pub fn key(&self) -> Option<&EncodedUnit> {
        self.units.get(self.key?)
    }

    /// Whether decoding from the newest key on misses nothing. If not, the GOP was larger than the bound or
    /// packets were lost.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// From now on [`take`](Self::take) gives every unit, beginning with the last key up to `from`; where that
    /// is gone, with the oldest.
    pub fn follow(&mut self, from: Wall) {
        self.leave();
        let next = self.key_up_to(from);
        let began = self.units.back().map_or(Wall::MIN, |unit| unit.received);
        self.follower =
            Some(Follower { next, goes_on: self.whole, began, key: None, cut: false, omitted: 1 });
    }

    /// Place of the last key up to that time, else of the first.
    fn key_up_to(&self, time: Wall) -> usize {
        let keys = self.units.iter().enumerate().filter(|(_, unit)| unit.key);
        keys.take_while(|(_, unit)| unit.received <= time).last().map_or(0, |(place, _)| place)
    }

    /// Nobody takes units any more.
    pub fn leave(&mut self) {
        self.follower = None;
        self.trim();
        if let (false, Some(key)) = (self.whole, self.key) {
            self.remove(key + 1, self.units.len());
        }
    }

    pub fn is_followed(&self) -> bool {
        self.follower.is_some()
    }

    /// Units that wait for the follower, and their bytes.
    pub fn waiting(&self) -> (usize, usize) {
        let Some(f) = &self.follower else { return (0, 0) };
        let waiting = self.units.range(f.next..);
        (waiting.len(), waiting.map(Weigh::weight).sum())
    }

    /// Every unit since the last time, each once and in order; of each GOP those that came within `head` of its key.
    /// Those that would be decoded late are left out up to a later key, where there is one; `now`: `None` where
    /// none may be left out for that. What was left out stands in the `lost_before` of the next unit.
    pub fn take(&mut self, now: Option<Wall>, head: Duration) -> Taken {
        let Some(f) = &mut self.follower else { return Taken::default() };
        if let (Some(now), Some(key), Some(first)) = (now, self.key, self.units.get(f.next))
            && now.since(first.received.max(f.began)) > LATE
            && key > f.next
        {
            self.left_out += (key - f.next) as u64;
            f.omitted += key - f.next;
            f.next = key;
        }
        let mut taken = Taken::default();
        for unit in self.units.range(f.next..) {
            if unit.key {
                (f.key, f.cut) = (Some(unit.received), false);
            }
            // Once one is left out, those after it lack their reference.
            f.cut |= f.key.is_some_and(|key| unit.received.since(key) >= head);
            if f.cut {
                taken.cut += 1;
                f.omitted += 1;
                continue;
            }
            let mut unit = unit.clone();
            unit.lost_before = unit.lost_before.saturating_add(std::mem::take(&mut f.omitted) as u32);
            taken.units.push(unit);
        }
        f.next = self.units.len();
        self.trim();
        taken
    }

    /// Units left out so far because a follower was late or too many waited.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Forget what nobody will ask for.
    fn trim(&mut self) {
        let Some(newest) = self.units.back() else { return };
        let keep = match &self.follower {
            Some(f) => self.key.unwrap_or(self.units.len()).min(f.next),
            None => self.key_up_to(newest.received - HISTORY),
        };
        self.remove(0, keep);
    }

    /// Keep to the bound. GOPs before the newest go first, the oldest before others, then what was taken (decoding
    /// cannot begin late then until the next key), then what a follower is behind with, then all but the key.
    fn fit(&mut self) {
        while self.bytes > self.bound {
            let Some(key) = self.key else { return };
            let next = self.follower.as_ref().map(|f| f.next);
            match next {
                None if key > 0 => {
                    let second = self.units.iter().skip(1).position(|unit| unit.key).map_or(key, |at| at + 1);
                    self.remove(0, second);
                }
                Some(next) if next > key + 1 => {
                    self.whole = false;
                    self.remove(key + 1, next);
                }
                Some(next) if next < key => {
                    self.left_out += (key - next) as u64;
                    self.remove(0, key);
                }
                _ => {
                    self.whole = false;
                    if let Some(f) = &mut self.follower {
                        f.goes_on = false;
                        self.left_out += (self.units.len() - key - 1) as u64;
                    }
                    self.remove(key + 1, self.units.len());
                    return;
                }
            }
        }
    }

    /// Remove the units of these places; the other places move up.
    fn remove(&mut self, from: usize, to: usize) {
        if from >= to {
            return;
        }
        self.bytes -= self.units.drain(from..to).map(|u| u.weight()).sum::<usize>();
        let moved = |place: usize| if place >= to { place - (to - from) } else { place.min(from) };
        self.key = self.key.map(moved);
        if let Some(f) = &mut self.follower {
            f.next = moved(f.next);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::base::{CameraId, StreamKind};
    use crate::media::{Codec, Params, Pts, VideoParams};

    /// Weight of every unit's data.
    const DATA: usize = 840;
    const UNIT: usize = 1000;

    fn unit(n: i64, key: bool, connection: u32, lost_before: u32) -> EncodedUnit {
        EncodedUnit {
            camera: CameraId::new("t").unwrap(),
            stream: StreamKind::Sub,
            connection,
            pts: Pts(n),
            dts: Pts(n),
            received: Wall::from_secs(1000) + Duration::from_millis(100 * n as u64),
            key,
            lost_before,
            params: Arc::new(Params::Video(VideoParams {
                codec: Codec::H264,
                width: 16,
                height: 16,
                config: Bytes::new(),
                rfc6381: String::new(),
            })),
            data: Bytes::from_static(&[0; DATA]),
        }
    }

    /// Plays a script: K key, P other (numbered from 0, a tenth of a second apart), `!` packets lost before
    /// the next, `@` new connection before it, `h` from now on only the first two tenths of a second of GOPs are
    /// wanted, `f` follow from now on, `F` from half a second before now, `l` leave, `t` take now, `T` take three
    /// seconds from now, `k` look at the key, `w` wait for a second. Taken units stand in brackets, keys looked at
    /// alone.
    fn check(bound: usize, script: &str, want: &str) -> Ring {
        let mut ring = Ring::new(bound * UNIT);
        let (mut n, mut lost, mut connection, mut got) = (0, 0, 1, String::new());
        let (mut waited, mut head) = (Duration::ZERO, Duration::MAX);
        for c in script.chars() {
            let now = Wall::from_secs(1000) + Duration::from_millis(100 * n as u64) + waited;
            match c {
                'K' | 'P' => {
                    let unit = unit(n, c == 'K', connection, std::mem::take(&mut lost));
                    ring.push(EncodedUnit { received: now, ..unit });
                    n += 1;
                }
                'h' => head = Duration::from_millis(200),
                'w' => waited += Duration::from_secs(1),
                '!' => lost = 1,
                '@' => connection += 1,
                'f' => ring.follow(now),
                'F' => ring.follow(now - Duration::from_millis(500)),
                'l' => ring.leave(),
                't' | 'T' => {
                    let late = if c == 'T' { Duration::from_secs(3) } else { Duration::ZERO };
                    let taken = ring.take(Some(now + late), head);
                    let taken: Vec<String> = taken.units.iter().map(|u| u.pts.0.to_string()).collect();
                    got += &format!("[{}]", taken.join(" "));
                }
                'k' => got += &ring.key().map_or("-".into(), |k| k.pts.0.to_string()),
                _ => {}
            }
            assert!(ring.bytes <= bound.max(1) * UNIT, "{script}: {} bytes", ring.bytes);
            assert_eq!(ring.bytes, ring.units.iter().map(Weigh::weight).sum::<usize>(), "{script}");
        }
        assert_eq!(got, want, "{script}");
        ring
    }

    #[test]
    fn a_look_takes_the_newest_key() {
        check(9, "kPkKkPPkKk", "--114");
    }

    #[test]
    fn a_follower_gets_every_unit_from_the_newest_key_on_once_and_in_order() {
        check(9, "KPPfPtPPttKPtKt", "[0 1 2 3][4 5][][6 7][8]");
        check(9, "KPPKPft", "[3 4]");
        check(9, "KPfPtlPPKPPft", "[0 1 2][5 6 7]");
        check(9, "PfPKPt", "[2 3]");
    }

    #[test]
    fn a_follower_may_begin_with_gops_before_the_newest() {
        check(20, "KPPKPPKPFt", "[3 4 5 6 7]");
        check(20, "KPPPKPPPPKPFtPt", "[4 5 6 7 8 9 10][11]");
        // However late its begin is; later it has to keep up.
        check(20, "KPPKPFtPPKPT", "[0 1 2 3 4][7 8]");
        // Four seconds are kept, and the GOP in which they begin.
        check(20, "KwwKwwKwPPFt", "[2 3 4]");
        let ring = check(20, "KwKwKwKwKwKw", "");
        assert_eq!(ring.units.front().unwrap().pts, Pts(1));
        // Where there is no room the oldest GOPs go, but never the newest.
        check(8, "KPPKPPKPPFt", "[3 4 5 6 7 8]");
        check(4, "KPPKPPFt", "[3 4 5]");
        check(9, "KP!PKPFt", "[0 1 3 4]");
    }

    #[test]
    fn units_wait_for_a_follower_over_the_borders_of_gops_until_they_are_late() {
        check(9, "KfPPKPt", "[0 1 2 3 4]");
        assert_eq!(check(9, "KfPPPKPPT", "[4 5 6]").left_out(), 4);
        // Without a later key nothing would be gained.
        assert_eq!(check(9, "KfPPPPT", "[0 1 2 3 4]").left_out(), 0);
    }

    #[test]
    fn where_only_heads_are_wanted_the_rest_of_each_gop_is_left_out() {
        check(20, "KPPPhfPPt", "[0 1]");
        check(20, "hKfPtPtPtKtPPPKPPPt", "[0 1][][][4][5 8 9]");
        // What was begun with is not gone back on; what was left out is not begun again.
        check(20, "KfPPPtPhPtKPPt", "[0 1 2 3][][6 7]");
        // A late follower goes on at a key all the same.
        check(20, "hKfPPPKPPT", "[4 5]");
    }

    #[test]
    fn the_first_unit_after_some_that_were_left_out_says_so() {
        let mut ring = Ring::new(20 * UNIT);
        let mut lost = |units: std::ops::Range<i64>, late: u64, head: u64| {
            units.for_each(|n| ring.push(unit(n, n % 4 == 0, 1, 0)));
            if !ring.is_followed() {
                ring.follow(Wall::from_secs(1000));
            }
            let now = Wall::from_secs(1000) + Duration::from_secs(late);
            let taken = ring.take(Some(now), Duration::from_millis(head));
            taken.units.iter().map(|u| (u.pts.0, u.lost_before)).collect::<Vec<_>>()
        };
        // Whoever begins has seen nothing before; then two of four are left out, then four because it is late.
        assert_eq!(lost(0..6, 0, 200), [(0, 1), (1, 0), (4, 2), (5, 0)]);
        assert_eq!(lost(6..14, 60, 9000), [(12, 6), (13, 0)]);
    }

    #[test]
    fn a_gop_beyond_the_bound_keeps_its_key_and_says_so() {
        let ring = check(4, "KPPPPPkft", "0[0]");
        assert!(!ring.is_whole());
        assert!(check(4, "KPPPPPftPtKPt", "[0][][7 8]").is_whole());
    }

    #[test]
    fn a_follower_who_keeps_up_goes_on_beyond_the_bound_but_nobody_begins_there() {
        check(3, "KfPtPtPtPtlftPt", "[0 1][2][3][4][0][]");
    }

    #[test]
    fn a_follower_far_behind_goes_on_at_a_key() {
        assert_eq!(check(4, "KfPPPPtPtKt", "[0][][6]").left_out(), 4);
        assert_eq!(check(4, "KfPPKPt", "[3 4]").left_out(), 3);
    }

    #[test]
    fn nothing_without_its_references_is_given() {
        check(9, "KPf!PPtKPt", "[0 1][4 5]");
        check(9, "KPf@PtKt", "[0 1][3]");
        check(9, "K!PPft", "[0]");
        check(9, "KPf!KPt", "[0 1 2 3]");
    }
}
