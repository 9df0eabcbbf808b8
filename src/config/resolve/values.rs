//! Small values: durations, sizes, paths.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::config::document::Place;
use crate::config::problem::Report;
use crate::config::units::{self, BYTES_HINT, DURATION_HINT};

/// The duration at `at`, if one is written there and is right.
pub fn duration(at: &Place, text: Option<&str>, report: &mut Report) -> Option<Duration> {
    match units::duration(text?) {
        Ok(d) => Some(d),
        Err(e) => {
            at.error(report, e, DURATION_HINT);
            None
        }
    }
}

/// As [`duration`], and longer than nothing.
pub fn positive_duration(at: &Place, text: Option<&str>, report: &mut Report) -> Option<Duration> {
    let d = duration(at, text, report)?;
    if d.is_zero() {
        at.error(report, "this duration is zero", "write a duration longer than zero");
        return None;
    }
    Some(d)
}

/// The size at `at`, if one is written there and is right.
pub fn bytes(at: &Place, text: Option<&str>, report: &mut Report) -> Option<u64> {
    match units::bytes(text?) {
        Ok(n) => Some(n),
        Err(e) => {
            at.error(report, e, BYTES_HINT);
            None
        }
    }
}

/// As [`bytes()`], and more than nothing.
pub fn positive_bytes(at: &Place, text: Option<&str>, report: &mut Report) -> Option<u64> {
    let n = bytes(at, text, report)?;
    if n == 0 {
        at.error(report, "this size is zero", "write a size larger than zero");
        return None;
    }
    Some(n)
}

/// The path at `at`, if one is written there; relative ones start at the file's folder.
pub fn path(at: &Place, text: Option<&str>, report: &mut Report) -> Option<PathBuf> {
    let text = text?;
    if text.is_empty() {
        at.error(report, "this path is empty", "write a path, or leave the key out");
        return None;
    }
    Some(in_folder(at.folder(), Path::new(text)))
}

/// `path` as seen from `folder`, without `./`.
pub fn in_folder(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path).components().filter(|c| !matches!(c, Component::CurDir)).collect()
}

/// The folder in which `file` stands, never empty.
pub fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.into(),
        _ => ".".into(),
    }
}
