//! Where a measurement was taken: figures without this are worth nothing.

use std::fmt;
use std::fs;
use std::process::Command;

use serde::Serialize;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Machine {
    pub processor: String,
    /// Logical processors that this process may use.
    pub processors: usize,
    pub memory_gib: f64,
    pub kernel: String,
    /// Of this program; with the commit where it runs within its repository.
    pub version: String,
}

impl Machine {
    /// What cannot be found out is said to be unknown.
    pub fn look() -> Machine {
        let line = |path: &str, key: &str| {
            let text = fs::read_to_string(path).ok()?;
            let found =
                text.lines().find_map(|l| l.strip_prefix(key).map(|v| v.trim_matches([' ', '\t', ':'])))?;
            Some(found.to_owned())
        };
        let unknown = || "unknown".to_owned();
        let kib = line("/proc/meminfo", "MemTotal")
            .and_then(|m| m.trim_end_matches("kB").trim().parse::<f64>().ok());
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").map(|k| k.trim().to_owned());
        Machine {
            processor: line("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: kib.unwrap_or(0.0) / 1024.0 / 1024.0,
            kernel: kernel.unwrap_or_else(|_| unknown()),
            version: match commit() {
                Some(commit) => format!("{} at {commit}", env!("CARGO_PKG_VERSION")),
                None => env!("CARGO_PKG_VERSION").to_owned(),
            },
        }
    }
}

fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let out = Command::new("git").args(args).output().ok().filter(|o| o.status.success())?;
        Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| !s.is_empty());
    Some(if changed { format!("{commit} with changes") } else { commit })
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} x {}, {:.1} GiB, Linux {}, pingan {}",
            self.processors, self.processor, self.memory_gib, self.kernel, self.version
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described() {
        let machine = Machine::look();
        assert!(machine.processors > 0 && machine.memory_gib > 0.1, "{machine:?}");
        assert!(!machine.processor.starts_with(':') && !machine.kernel.is_empty(), "{machine}");
    }
}
