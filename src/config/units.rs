//! Durations and sizes as people write them: `500ms`, `30d`, `64MB`, `1GiB`.

use std::time::Duration;

/// A whole or decimal number and one of ms, s, m, h, d.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{}' is not a duration", shown(text));
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(wrong()),
    };
    // Milliseconds, so that 0.1s is exactly 100ms.
    let ms = (number * seconds * 1000.0).round();
    // Ten thousand years: more is a slip of the hand, and would overflow sums with wall time.
    if ms < 3.2e14 { Ok(Duration::from_millis(ms as u64)) } else { Err(wrong()) }
}

/// A whole or decimal number and one of B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB.
pub fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{}' is not a size", shown(text));
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let factor: u64 = match unit {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(wrong()),
    };
    let value = (number * factor as f64).round();
    if value < i64::MAX as f64 { Ok(value as u64) } else { Err(wrong()) }
}

pub const DURATION_HINT: &str = "write a number and a unit: \"500ms\", \"10s\", \"5m\", \"2h\" or \"30d\"";
pub const BYTES_HINT: &str = "write a number and a unit: \"64MB\", \"2TB\" or \"1GiB\"";

fn split(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

fn shown(text: &str) -> String {
    text.chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_as_people_write_them() {
        let ms = Duration::from_millis;
        for (text, want) in [
            ("500ms", ms(500)),
            ("0.1s", ms(100)),
            ("10s", ms(10_000)),
            ("5m", ms(300_000)),
            ("1.5 h", ms(5_400_000)),
            ("30d", ms(30 * 86_400_000)),
        ] {
            assert_eq!(duration(text), Ok(want), "{text}");
        }
        for (text, want) in
            [("64MB", 64_000_000), ("2TB", 2_000_000_000_000), ("1GiB", 1 << 30), ("1.5KiB", 1536), ("0B", 0)]
        {
            assert_eq!(bytes(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_or_size_is_refused() {
        for bad in ["", "10", "s", "-5s", "10 sec", "1e9d", "99999999999999d", "1..2s", "NaNs"] {
            assert!(duration(bad).is_err(), "{bad:?} was let in");
        }
        for bad in ["", "10", "5XB", "-1MB", "99999999999TB", "MB"] {
            assert!(bytes(bad).is_err(), "{bad:?} was let in");
        }
    }
}
