//! How much of the disk a run may take, and what follows for the server's retention.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::site::Bound;

/// How often retention looks at the archive: so much more may lie there meanwhile.
const RETENTION_EVERY: Duration = Duration::from_secs(10);
const SEGMENT: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(60));
/// Containers, parameters, index and padding beside the pictures themselves.
const MORE: f64 = 1.1;

/// The bound that keeps an archive that grows by `rate` bytes a second within `budget` bytes; `None`
/// where a run of `length` fits anyhow.
///
/// A third of the budget is for the open segments, which retention cannot delete. Retention comes
/// by once in ten seconds, so what is written in that time must fit beside the rest.
pub fn bound(budget: u64, rate: f64, length: Duration) -> anyhow::Result<Option<Bound>> {
    let rate = rate * MORE;
    if rate * length.as_secs_f64() <= budget as f64 {
        return Ok(None);
    }
    let segment = Duration::from_secs_f64((budget as f64 / 3.0 / rate).min(SEGMENT.1.as_secs_f64()).floor());
    ensure!(
        segment >= SEGMENT.0,
        "a disk budget of {:.1} GB is too small for {:.0} MB/s; give at least {:.0} GB with --disk-budget",
        budget as f64 / 1e9,
        rate / 1e6,
        (rate * SEGMENT.0.as_secs_f64() * 3.0 / 1e9).ceil()
    );
    let slack = rate * RETENTION_EVERY.as_secs_f64();
    let max_bytes = (budget as f64 - slack).max(budget as f64 / 2.0) as u64;
    Ok(Some(Bound { max_bytes, segment }))
}

/// An error where the disk of `folder` has less room than a run takes.
pub fn check_room(folder: &Path, needed: u64) -> anyhow::Result<()> {
    /// As much as `archive.min_free` keeps free unless told otherwise.
    const RESERVE: u64 = 2 << 30;
    let disk = rustix::fs::statvfs(folder)
        .with_context(|| format!("cannot ask for the free space of {}", folder.display()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    ensure!(
        free >= needed.saturating_add(RESERVE),
        "{} has {:.1} GB free, and the run takes up to {:.1} GB beside a reserve of 2 GiB; use --keep or a \
         smaller --disk-budget",
        folder.display(),
        free as f64 / 1e9,
        needed as f64 / 1e9
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    #[test]
    fn a_run_that_fits_is_left_as_it_is() {
        assert_eq!(bound(12 * GB, 4e6, Duration::from_secs(600)).unwrap(), None);
    }

    #[test]
    fn open_segments_and_a_late_retention_stay_within_the_budget() {
        let rate = 250e6;
        let bound = bound(12 * GB, rate, Duration::from_secs(600)).unwrap().unwrap();
        let open = rate * MORE * bound.segment.as_secs_f64();
        assert!(open <= 4e9 && bound.segment >= Duration::from_secs(10), "{bound:?}");
        assert!(bound.max_bytes as f64 + rate * MORE * 10.0 <= 12e9, "{bound:?}");
        // A finished segment lies there long enough to be counted.
        assert!((bound.max_bytes as f64 - open) / (rate * MORE) > 15.0, "{bound:?}");
    }

    #[test]
    fn a_budget_that_is_too_small_names_one_that_is_not() {
        let error = bound(2 * GB, 250e6, Duration::from_secs(60)).unwrap_err().to_string();
        assert!(error.contains("at least 4 GB"), "{error}");
    }
}
