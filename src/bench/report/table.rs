//! Rows of the table for people.

use std::fmt;

pub(super) fn row(f: &mut fmt::Formatter<'_>, name: &str, value: impl fmt::Display) -> fmt::Result {
    writeln!(f, "{name:<48}{value:>14}")
}

/// With so many digits behind the point.
pub(super) fn number(f: &mut fmt::Formatter<'_>, name: &str, value: f64, digits: usize) -> fmt::Result {
    row(f, name, format!("{value:.digits$}"))
}

/// A dash where there is no value.
pub(super) fn maybe(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    value: Option<f64>,
    digits: usize,
) -> fmt::Result {
    row(f, name, value.map_or("-".to_owned(), |v| format!("{v:.digits$}")))
}
