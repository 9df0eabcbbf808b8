//! What processes cost: CPU time and memory, read from Linux's `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

/// Length of a tick in `/proc/PID/stat`: the kernel shows 100 per second on every architecture.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of this process, all threads, in user and kernel mode.
pub fn own_cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

/// CPU time of another process, to the tick of 10 ms.
pub fn cpu_of(pid: u32) -> io::Result<Duration> {
    let fields = stat(&format!("/proc/{pid}/stat"))?;
    Ok(fields.user + fields.system)
}

/// CPU time of another process in user and in kernel mode.
pub fn modes_of(pid: u32) -> io::Result<(Duration, Duration)> {
    let fields = stat(&format!("/proc/{pid}/stat"))?;
    Ok((fields.user, fields.system))
}

/// Time that the machine's processors worked since its start, all together and all processes: from
/// proc(5), the sum of what is neither idle nor waiting for a disk.
pub fn machine_cpu() -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    parse_machine(&text)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/stat is not understood"))
}

fn parse_machine(text: &str) -> Option<Duration> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|v| v.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guests count as user already.
    let busy: u64 =
        ticks.iter().take(8).enumerate().filter(|(i, _)| !matches!(i, 3 | 4)).map(|(_, t)| t).sum();
    (ticks.len() >= 8).then(|| TICK * u32::try_from(busy).unwrap_or(u32::MAX))
}

/// CPU time of this process's children that have ended and were waited for.
pub fn ended_children_cpu() -> io::Result<Duration> {
    stat("/proc/self/stat").map(|s| s.children)
}

/// CPU time of a process's living threads by name; numbers at the end of names are left out, so
/// that `decode-1` and `decode-2` count as `decode`.
pub fn threads_cpu(pid: u32) -> io::Result<BTreeMap<String, Duration>> {
    let mut sums = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = entry?.path().join("stat");
        // A thread may end between the listing and the look at it.
        let Ok(stat) = stat(&path.to_string_lossy()) else { continue };
        let group = stat.name.trim_end_matches(|c: char| c.is_ascii_digit() || "-_#:/".contains(c));
        *sums.entry(group.to_owned()).or_insert(Duration::ZERO) += stat.user + stat.system;
    }
    Ok(sums)
}

/// Resident memory of a process, bytes; shared pages count in full.
pub fn rss(pid: u32) -> io::Result<u64> {
    kib_line(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// Proportional memory of a process, bytes; a page shared by n processes counts as 1/n.
pub fn pss(pid: u32) -> io::Result<u64> {
    kib_line(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

struct Stat {
    name: String,
    user: Duration,
    system: Duration,
    children: Duration,
}

/// proc(5): the name stands in parentheses and may itself contain some; utime, stime, cutime and
/// cstime are fields 14 to 17.
fn stat(path: &str) -> io::Result<Stat> {
    let text = fs::read_to_string(path)?;
    parse_stat(&text)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{path} is not understood")))
}

fn parse_stat(text: &str) -> Option<Stat> {
    let (head, tail) = text.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let ticks = |i: usize| Some(TICK * fields.get(i - 3)?.parse::<u32>().ok()?);
    Some(Stat { name, user: ticks(14)?, system: ticks(15)?, children: ticks(16)? + ticks(17)? })
}

fn kib_line(path: &str, key: &str) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    let value = text.lines().find_map(|l| l.strip_prefix(key)).and_then(|v| {
        let kib: u64 = v.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    });
    value.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{path} has no {key}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strange_thread_name_does_not_move_the_fields() {
        let line = "7 (a) b (c) S 1 1 1 0 -1 4194560 1 2 3 4 150 50 20 5 20 0 1 0 9 8 7";
        let stat = parse_stat(line).unwrap();
        assert_eq!(stat.name, "a) b (c");
        assert_eq!((stat.user, stat.system), (Duration::from_millis(1500), Duration::from_millis(500)));
        assert_eq!(stat.children, Duration::from_millis(250));
        assert!(parse_stat("nonsense").is_none());
    }

    #[test]
    fn waiting_is_no_work_of_the_machine() {
        let text = "cpu  100 10 50 9000 700 3 4 5 60 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(parse_machine(text), Some(Duration::from_millis(1720)));
        assert!(machine_cpu().is_ok() && parse_machine("intr 1").is_none());
    }

    #[test]
    fn this_process_has_memory_and_threads() {
        let pid = std::process::id();
        let (rss, pss) = (rss(pid).unwrap(), pss(pid).unwrap());
        assert!(rss > 1 << 20 && pss > 1 << 19, "{rss} {pss}");
        assert!(own_cpu() > Duration::ZERO && cpu_of(pid).is_ok() && ended_children_cpu().is_ok());
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let (started, is_started) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("measured-12".into());
        let thread = thread
            .spawn(move || {
                let _ = started.send(());
                let _ = wait.recv();
            })
            .unwrap();
        is_started.recv().unwrap();
        assert!(threads_cpu(pid).unwrap().contains_key("measured"));
        drop(release);
        thread.join().unwrap();
    }
}
