//! Everything but the cameras.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::archive::Retention;
use crate::config::document::Place;
use crate::config::problem::Report;
use crate::config::settings::Watch;
use crate::config::{Settings, raw};
use crate::{alerts, api, archive, infer, ingest, recorder};

use super::values::{bytes, in_folder, path, positive_bytes, positive_duration};

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1)), 8088);
/// Shortest and longest tick of the ingest threads.
const TICKS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(1));
/// Per worker: about what one core can follow of sub streams, with room.
const MAX_FOLLOW: usize = 48;
/// Also of observations: an alert can be decided again for as long as it is kept at least.
const ALERTS_MAX_AGE: Duration = Duration::from_secs(90 * 86_400);

/// All sections but the cameras; what is wrong has its default.
pub fn resolve(root: &Place, raw: &raw::Main, report: &mut Report) -> Settings {
    let none = raw::Server::default();
    let server = raw.server.as_ref().unwrap_or(&none);
    let at = root.key("server");
    let data = path(&at.key("data"), server.data.as_deref(), report)
        .unwrap_or_else(|| in_folder(root.folder(), Path::new("data")));
    Settings {
        file: PathBuf::new(),
        folders: Vec::new(),
        pipelines: path(&at.key("pipelines"), server.pipelines.as_deref(), report)
            .unwrap_or_else(|| "pipelines".into()),
        archive: archive(root, raw, &data, report),
        recorder: recorder(root, raw, report),
        ingest: ingest(root, raw, report),
        watch: watch(raw),
        infer: infer(root, raw, &data, report),
        decode: raw.decode.as_ref().and_then(|d| d.profile.clone()).unwrap_or_else(|| "auto".into()),
        alerts: alerts(root, raw, &data, report),
        api: api::Settings {
            listen: listen(&at, server, report),
            tokens: path(&at.key("tokens"), server.tokens.as_deref(), report)
                .unwrap_or_else(|| data.join("tokens.sqlite")),
        },
        data,
        cameras: Vec::new(),
        warnings: Vec::new(),
    }
}

fn listen(at: &Place, raw: &raw::Server, report: &mut Report) -> SocketAddr {
    let Some(text) = &raw.listen else { return LISTEN };
    let here = at.key("listen");
    match text.parse::<SocketAddr>() {
        Ok(a) if a.ip().is_loopback() || raw.allow_remote == Some(true) => a,
        Ok(a) => {
            let what = format!("{} can be reached by other machines", a.ip());
            let hint = "listen on 127.0.0.1 and put a TLS proxy before it, or write `allow_remote = true` \
                        if whoever reaches this address may try tokens over plain HTTP";
            here.error(report, what, hint);
            LISTEN
        }
        Err(_) => {
            let hint = "write an IP address and a port: \"127.0.0.1:8088\" or \"[::1]:8088\"";
            here.error(report, "this is not an address to listen on", hint);
            LISTEN
        }
    }
}

fn archive(root: &Place, raw: &raw::Main, data: &Path, report: &mut Report) -> archive::Settings {
    let none = raw::Archive::default();
    let raw = raw.archive.as_ref().unwrap_or(&none);
    let at = root.key("archive");
    let default = Retention::default();
    let mut age = |key: &str, text: Option<&str>, default: Option<Duration>| match text {
        Some("forever") => None,
        text => positive_duration(&at.key(key), text, report).or(default),
    };
    let max_age = age("max_age", raw.max_age.as_deref(), default.max_age);
    let observations_max_age =
        age("observations_max_age", raw.observations_max_age.as_deref(), Some(ALERTS_MAX_AGE));
    let root = path(&at.key("root"), raw.root.as_deref(), report).unwrap_or_else(|| data.join("archive"));
    archive::Settings {
        more_roots: more_roots(&at.key("more_roots"), raw.more_roots.as_deref(), &root, report),
        root,
        index: path(&at.key("index"), raw.index.as_deref(), report)
            .unwrap_or_else(|| data.join("index.sqlite")),
        retention: Retention {
            max_age,
            max_bytes: positive_bytes(&at.key("max_bytes"), raw.max_bytes.as_deref(), report)
                .or(default.max_bytes),
            min_free_bytes: bytes(&at.key("min_free"), raw.min_free.as_deref(), report)
                .unwrap_or(default.min_free_bytes),
        },
        observations: path(&at.key("observations"), raw.observations.as_deref(), report)
            .unwrap_or_else(|| data.join("observations.sqlite")),
        observations_max_age,
    }
}

/// Absolute, because the index knows segments on further disks by them.
fn more_roots(at: &Place, raw: Option<&[String]>, first: &Path, report: &mut Report) -> Vec<PathBuf> {
    let absolute = |p: &Path| std::path::absolute(p).unwrap_or_else(|_| p.to_owned());
    let mut roots = vec![absolute(first)];
    for (i, text) in raw.unwrap_or_default().iter().enumerate() {
        let here = at.item(i);
        let Some(root) = path(&here, Some(text), report).map(|p| absolute(&p)) else { continue };
        match roots.iter().find(|r| r.starts_with(&root) || root.starts_with(r)) {
            None => roots.push(root),
            Some(other) => {
                let what = format!("{} and {} lie within one another", root.display(), other.display());
                here.error(report, what, "give each disk a folder of its own");
            }
        }
    }
    roots.split_off(1)
}

fn recorder(root: &Place, raw: &raw::Main, report: &mut Report) -> recorder::Settings {
    let default = recorder::Settings::default();
    let Some(raw) = &raw.recorder else { return default };
    let at = root.key("recorder");
    let size = |key: &str, text: &Option<String>, default: usize, report: &mut Report| {
        positive_bytes(&at.key(key), text.as_deref(), report).map_or(default, |n| n as usize)
    };
    let queue_bytes = size("queue_bytes", &raw.queue_bytes, default.queue_bytes, report);
    let max_fragment_bytes =
        size("max_fragment_bytes", &raw.max_fragment_bytes, default.max_fragment_bytes, report);
    recorder::Settings {
        segment: positive_duration(&at.key("segment"), raw.segment.as_deref(), report)
            .unwrap_or(default.segment),
        max_fragment: positive_duration(&at.key("max_fragment"), raw.max_fragment.as_deref(), report)
            .unwrap_or(default.max_fragment),
        queue_bytes,
        max_fragment_bytes,
    }
}

fn ingest(root: &Place, raw: &raw::Main, report: &mut Report) -> ingest::Settings {
    let default = ingest::Settings::default();
    let Some(raw) = &raw.ingest else { return default };
    let at = root.key("ingest");
    let mut time = |key: &str, text: &Option<String>, default: Duration| {
        positive_duration(&at.key(key), text.as_deref(), report).unwrap_or(default)
    };
    let tick = time("tick", &raw.tick, default.tick);
    let connect_timeout = time("connect_timeout", &raw.connect_timeout, default.connect_timeout);
    let backoff_min = time("backoff_min", &raw.backoff_min, default.backoff_min);
    let backoff_max = time("backoff_max", &raw.backoff_max, default.backoff_max);
    if backoff_min > backoff_max {
        let what = format!("the first wait ({backoff_min:?}) is longer than the longest ({backoff_max:?})");
        at.key("backoff_min").error(report, what, "make backoff_min at most backoff_max");
    }
    let connects_per_second = raw.connects_per_second.unwrap_or(default.connects_per_second);
    if connects_per_second <= 0.0 {
        let hint = "write a number above 0, such as 50.0";
        at.key("connects_per_second").error(report, "no camera would ever be connected", hint);
    }
    let connects_at_once = raw.connects_at_once.map_or(default.connects_at_once, |n| n as usize);
    if connects_at_once == 0 {
        let hint = "write a number above 0, such as 32";
        at.key("connects_at_once").error(report, "no camera would ever be connected", hint);
    }
    let threads = raw.threads.map_or(default.threads, |n| n as usize);
    if threads == 0 {
        at.key("threads").error(report, "nothing would read the cameras", "write a number above 0");
    }
    if !(TICKS.0..=TICKS.1).contains(&tick) {
        let what = format!("{tick:?} is no beat to read cameras on");
        at.key("tick").error(report, what, "write a time from 1ms to 1s; 100ms suits most");
    }
    let max_unit = positive_bytes(&at.key("max_unit_bytes"), raw.max_unit_bytes.as_deref(), report);
    ingest::Settings {
        threads,
        tick,
        connects_per_second,
        connects_at_once,
        connect_timeout,
        backoff_min,
        backoff_max,
        max_unit_bytes: max_unit.map_or(default.max_unit_bytes, |n| n as usize),
        certificates: raw.certificates.unwrap_or(default.certificates),
    }
}

fn watch(raw: &raw::Main) -> Watch {
    let none = raw::Watch::default();
    let raw = raw.watch.as_ref().unwrap_or(&none);
    // Recording comes first all the same: these threads give way to others.
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = raw.workers.map_or(processors, |n| n as usize);
    Watch { workers, max_follow: raw.max_follow.map_or(MAX_FOLLOW * workers, |n| n as usize) }
}

fn infer(root: &Place, raw: &raw::Main, data: &Path, report: &mut Report) -> infer::Settings {
    let none = raw::Infer::default();
    let raw = raw.infer.as_ref().unwrap_or(&none);
    let at = root.key("infer");
    infer::Settings {
        runtime: path(&at.key("runtime"), raw.runtime.as_deref(), report),
        manifests: path(&at.key("manifests"), raw.manifests.as_deref(), report)
            .unwrap_or_else(|| "models".into()),
        store: path(&at.key("store"), raw.store.as_deref(), report).unwrap_or_else(|| data.join("models")),
        provider: raw.provider.unwrap_or_default(),
    }
}

fn alerts(root: &Place, raw: &raw::Main, data: &Path, report: &mut Report) -> alerts::Settings {
    let none = raw::Alerts::default();
    let raw = raw.alerts.as_ref().unwrap_or(&none);
    let at = root.key("alerts");
    alerts::Settings {
        store: path(&at.key("store"), raw.store.as_deref(), report)
            .unwrap_or_else(|| data.join("alerts.sqlite")),
        snapshots: path(&at.key("snapshots"), raw.snapshots.as_deref(), report)
            .unwrap_or_else(|| data.join("snapshots")),
        max_age: positive_duration(&at.key("max_age"), raw.max_age.as_deref(), report)
            .unwrap_or(ALERTS_MAX_AGE),
    }
}
