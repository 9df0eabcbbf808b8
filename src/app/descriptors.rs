//! Open files and sockets: as many as the machine allows, and a warning where that is too few.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Databases, log, API clients, models, and what libraries open.
const BASE: u64 = 256;
/// Of one camera: two connections, over UDP with four sockets more, and two files being written.
const PER_CAMERA: u64 = 8;

/// Raises the soft limit of open files to the hard one (systemd and most shells start with 1,024,
/// which is made for `select`). `Some`: even so it is too small for so many cameras.
pub fn raise(cameras: usize) -> Option<String> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let needed = needed(cameras);
    // `None` is no limit.
    allowed.filter(|&allowed| allowed < needed).map(|allowed| {
        format!(
            "only {allowed} files may be open, {cameras} cameras need up to {needed}; \
             raise LimitNOFILE of the systemd unit, or `ulimit -Hn`"
        )
    })
}

fn needed(cameras: usize) -> u64 {
    BASE + PER_CAMERA * cameras as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_hard_one_and_a_site_beyond_it_is_told() {
        let too_many = raise(usize::MAX >> 4);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(too_many.is_some(), limit.maximum.is_some());
        assert!(too_many.is_none_or(|text| text.contains("LimitNOFILE")));
        assert_eq!(raise(1).is_none(), limit.maximum.is_none_or(|m| m >= 264));
    }
}
