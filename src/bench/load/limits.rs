//! Open files: a load run holds a socket for each stream, on both sides.

use anyhow::ensure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Beside the streams: listeners, logs, pipes, the tally's files.
const MORE: u64 = 256;
/// What the server holds for a camera beside its streams' sockets: its open segment.
const FILES: u64 = 1;

/// Lets this process, and the servers that it starts, hold `streams` connections of `cameras`
/// cameras; an error where the hard limit forbids that.
pub fn raise(streams: u64, cameras: u64) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let needed = streams + cameras * FILES + MORE;
    // `None` is no limit.
    ensure!(
        limit.maximum.is_none_or(|max| max >= needed),
        "{streams} streams need {needed} open files, and the hard limit is {}; raise it with `ulimit -Hn`",
        limit.maximum.unwrap_or(0)
    );
    if limit.current.is_some_and(|now| now < needed) {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    }
    Ok(())
}
