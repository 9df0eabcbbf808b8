//! Where a camera belongs: the path of organisation units from the district down.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A path such as `district/school-7/gate`. Segments as in camera ids; may be empty (the root).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitPath(String);

impl UnitPath {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `self` is `other` or lies above it.
    pub fn covers(&self, other: &UnitPath) -> bool {
        self.0.is_empty()
            || other.0 == self.0
            || other.0.strip_prefix(&self.0).is_some_and(|r| r.starts_with('/'))
    }
}

impl FromStr for UnitPath {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let ok = s.is_empty()
            || s.split('/').all(|seg| {
                !seg.is_empty()
                    && seg.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
            });
        if ok && s.len() <= 256 {
            Ok(UnitPath(s.into()))
        } else {
            Err(format!("'{s}' is not a unit path: use segments of a-z, 0-9, '-' and '_' joined by '/'"))
        }
    }
}

impl TryFrom<String> for UnitPath {
    type Error = String;
    fn try_from(s: String) -> Result<Self, String> {
        s.parse()
    }
}

impl From<UnitPath> for String {
    fn from(p: UnitPath) -> String {
        p.0
    }
}

impl fmt::Display for UnitPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_covers_what_lies_below_it_only() {
        let p = |s: &str| s.parse::<UnitPath>().unwrap();
        assert!(p("a/b").covers(&p("a/b/c")) && p("").covers(&p("x")) && p("a").covers(&p("a")));
        assert!(!p("a/b").covers(&p("a/bc")) && !p("a/b").covers(&p("a")));
        assert!("a//b".parse::<UnitPath>().is_err() && "../x".parse::<UnitPath>().is_err());
    }
}
