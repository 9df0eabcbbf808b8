//! When a rule is on.

use crate::base::Wall;

use super::spec::Schedule;

impl Schedule {
    /// Whether `at` lies in one of the spans. A span whose end is not after its start runs past
    /// midnight and belongs to the day on which it begins; no spans at all are the whole day.
    /// Daylight saving: spans are read off the wall clock of the zone, so a night may be an hour
    /// longer or shorter.
    pub fn is_on(&self, at: Wall) -> bool {
        let local = at.timestamp().to_zoned(self.zone.clone());
        let (time, day) = (local.time(), local.weekday());
        let may_begin = |day| self.days.is_empty() || self.days.contains(&day);
        if self.spans.is_empty() {
            return may_begin(day);
        }
        self.spans.iter().any(|&(start, end)| {
            if start < end {
                may_begin(day) && start <= time && time < end
            } else {
                (may_begin(day) && start <= time) || (may_begin(day.previous()) && time < end)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Weekday, time};
    use jiff::tz::TimeZone;

    use super::*;

    fn check(zone: &str, days: &[Weekday], spans: &[(i8, i8)], at: &str, on: bool) {
        let spans = spans.iter().map(|&(a, b)| (time(a, 0, 0, 0), time(b, 0, 0, 0))).collect();
        let s = Schedule { zone: TimeZone::posix(zone).unwrap(), days: days.to_vec(), spans };
        assert_eq!(s.is_on(at.parse().unwrap()), on, "{zone} {days:?} at {at}");
    }

    #[test]
    fn span_past_midnight_belongs_to_the_day_it_begins() {
        // 2026-01-02 is a Friday. Shanghai is at UTC+8.
        let night = [(22, 6)];
        check("CST-8", &[Weekday::Friday], &night, "2026-01-02T23:00:00+08:00", true);
        check("CST-8", &[Weekday::Friday], &night, "2026-01-03T05:59:59+08:00", true);
        check("CST-8", &[Weekday::Friday], &night, "2026-01-03T06:00:00+08:00", false);
        check("CST-8", &[Weekday::Friday], &night, "2026-01-02T05:00:00+08:00", false);
        check("CST-8", &[Weekday::Friday], &night, "2026-01-03T22:30:00+08:00", false);
        check("CST-8", &[], &night, "2026-01-02T15:00:00Z", true);
    }

    #[test]
    fn day_span_is_half_open_and_local() {
        check("CST-8", &[], &[(8, 18)], "2026-01-02T00:00:00Z", true);
        check("CST-8", &[], &[(8, 18)], "2026-01-02T10:00:00Z", false);
        check("CST-8", &[], &[(8, 18), (20, 21)], "2026-01-02T12:30:00Z", true);
    }

    #[test]
    fn whole_days_and_summer_time() {
        check("UTC0", &[Weekday::Friday], &[], "2026-01-02T12:00:00Z", true);
        check("UTC0", &[Weekday::Friday], &[], "2026-01-03T12:00:00Z", false);
        check("UTC0", &[Weekday::Friday], &[(6, 6)], "2026-01-03T05:00:00Z", true);
        let europe = "CET-1CEST,M3.5.0,M10.5.0/3";
        check(europe, &[], &[(8, 9)], "2026-01-02T07:30:00Z", true);
        check(europe, &[], &[(8, 9)], "2026-07-02T06:30:00Z", true);
        check(europe, &[], &[(8, 9)], "2026-07-02T07:30:00Z", false);
    }
}
