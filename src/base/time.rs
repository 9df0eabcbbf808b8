//! Points in time. `Wall` is UTC and is what users see; `Mono` never jumps and is what timeouts use.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// UTC time in microseconds since the Unix epoch. Shown and parsed as RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wall(pub i64);

impl Wall {
    pub const MIN: Wall = Wall(i64::MIN / 4);
    pub const MAX: Wall = Wall(i64::MAX / 4);

    pub const fn from_secs(secs: i64) -> Self {
        Wall(secs * 1_000_000)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// `self - earlier`, zero when `earlier` is later.
    pub fn since(self, earlier: Wall) -> Duration {
        Duration::from_micros((self.0 - earlier.0).max(0) as u64)
    }

    /// The calendar form; values outside jiff's range (year 9999) are clamped.
    pub fn timestamp(self) -> jiff::Timestamp {
        let us = self.0.clamp(jiff::Timestamp::MIN.as_microsecond(), jiff::Timestamp::MAX.as_microsecond());
        jiff::Timestamp::from_microsecond(us).unwrap_or_default()
    }
}

impl From<jiff::Timestamp> for Wall {
    fn from(t: jiff::Timestamp) -> Self {
        Wall(t.as_microsecond())
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.timestamp())
    }
}

impl fmt::Debug for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Wall {
    type Err = jiff::Error;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse::<jiff::Timestamp>().map(Wall::from)
    }
}

impl Add<Duration> for Wall {
    type Output = Wall;
    fn add(self, d: Duration) -> Wall {
        Wall(self.0 + d.as_micros() as i64)
    }
}

impl Sub<Duration> for Wall {
    type Output = Wall;
    fn sub(self, d: Duration) -> Wall {
        Wall(self.0 - d.as_micros() as i64)
    }
}

impl Serialize for Wall {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Wall {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = String::deserialize(d)?;
        s.parse().map_err(serde::de::Error::custom)
    }
}

/// A half-open range of UTC time, `start..end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct WallSpan {
    pub start: Wall,
    pub end: Wall,
}

impl WallSpan {
    pub const fn new(start: Wall, end: Wall) -> Self {
        WallSpan { start, end }
    }

    pub fn duration(self) -> Duration {
        self.end.since(self.start)
    }

    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }

    pub fn contains(self, t: Wall) -> bool {
        self.start <= t && t < self.end
    }

    /// The common part, if it is not empty.
    pub fn intersect(self, other: WallSpan) -> Option<WallSpan> {
        let span = WallSpan::new(self.start.max(other.start), self.end.min(other.end));
        (!span.is_empty()).then_some(span)
    }
}

/// Monotonic time since its clock's origin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mono(pub Duration);

impl Mono {
    /// `self - earlier`, zero when `earlier` is later.
    pub fn since(self, earlier: Mono) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, d: Duration) -> Mono {
        Mono(self.0 + d)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_text_round_trips_to_the_millisecond() {
        let t = Wall(1_700_000_000_123_000);
        assert_eq!(t.to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(t.to_string().parse::<Wall>().unwrap(), t);
        assert_eq!("2023-11-15T06:13:20.123+08:00".parse::<Wall>().unwrap(), t);
        assert!("yesterday".parse::<Wall>().is_err());
    }

    #[test]
    fn spans_intersect_half_open() {
        let s = |a, b| WallSpan::new(Wall(a), Wall(b));
        assert_eq!(s(0, 10).intersect(s(5, 20)), Some(s(5, 10)));
        assert_eq!(s(0, 10).intersect(s(10, 20)), None);
        assert!(!s(0, 10).contains(Wall(10)));
    }
}
