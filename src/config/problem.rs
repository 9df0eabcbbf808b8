//! What is wrong with a configuration, told all at once.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::base::Kind;

/// One thing wrong, or doubtful, at one place. Texts hold no values of keys that may be secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Problem {
    pub file: PathBuf,
    /// From 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// In characters, from 1; 0 where the file as a whole is meant.
    pub column: usize,
    /// The key, such as `camera[3].url` (counted from 0); empty where no key is meant.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, "\n  {}\n  {}", self.what, self.hint)
    }
}

/// Why a configuration cannot be used: never empty. In the order of files and lines.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, thiserror::Error)]
pub struct Problems {
    pub problems: Vec<Problem>,
    /// What would have been doubtful anyway.
    pub warnings: Vec<Problem>,
}

impl Problems {
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for p in &self.problems {
            writeln!(f, "{p}")?;
        }
        let n = self.problems.len();
        write!(f, "{n} problem{} in the configuration", if n == 1 { "" } else { "s" })
    }
}

/// Gathers problems while a configuration is read.
#[derive(Default, Debug)]
pub(super) struct Report {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

impl Report {
    /// Files in the order in which they were read, lines in the order of the file.
    pub fn sort(&mut self, files: &[PathBuf]) {
        let place = |p: &Problem| (files.iter().position(|f| *f == p.file), p.line, p.column);
        self.problems.sort_by_key(place);
        self.warnings.sort_by_key(place);
    }
}
