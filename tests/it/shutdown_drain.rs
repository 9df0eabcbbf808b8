//! A server that is told to stop first finishes what it has taken in.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::support::sim::Sim;
use crate::support::{
    Site, TestServer, let_pass, media, part_of_machine, server::segment_files, shared_or_skip, wait_for,
};

const CAMERAS: usize = 4;
/// The time of a connection's first picture is that of its arrival, which later ones correct: it may be late
/// by a tick of reading (0.1 s), and by another where the machine is busy starting.
const FIRST_LATE_S: f64 = 0.2;

#[test]
fn a_stopped_server_leaves_every_received_picture_in_closed_segments() {
    let shared = shared_or_skip!();
    let _machine = part_of_machine();
    if !media::have_ffmpeg() {
        eprintln!("skipped: ffmpeg is not there");
        return;
    }
    let clip = shared.join("footage/people-detection-768x432.mp4");
    let ids: Vec<String> = (0..CAMERAS).map(|i| format!("cam-{i}")).collect();
    let mounts: Vec<_> = ids.iter().map(|id| (id.as_str(), clip.as_path())).collect();
    let sim = Sim::of_clips(&mounts);
    let cameras = |port: u16| -> String {
        let camera = |id| {
            format!(
                "[[camera]]\nid = \"{id}\"\nurl = \"rtsp://127.0.0.1:{port}/{id}\"\nanalytics = \"none\"\n\n"
            )
        };
        ids.iter().map(camera).collect()
    };
    let site = Site::new("[recorder]\nsegment = \"4s\"", &cameras(sim.port()));
    let server = TestServer::start(&site);
    let begun = Timestamp::now().to_string();
    for id in &ids {
        wait_for("online", Duration::from_secs(20), || (server.state(id) == "online").then_some(()));
    }
    // In the middle of a GOP (2 s) and of a segment.
    let_pass(Duration::from_millis(7100));

    let sent = |id: &String| sim.stats(id).frames_sent;
    let before: Vec<u64> = ids.iter().map(sent).collect();
    let asked = Instant::now();
    let status = server.stop();
    let took = asked.elapsed();
    let after: Vec<u64> = ids.iter().map(sent).collect();
    println!("stopped after {took:?}");
    assert_eq!(status.code(), Some(0));
    // Each stage's own deadline: a stop that reaches it has not stopped cleanly.
    assert!(took < Duration::from_secs(5), "{took:?}");

    for (i, id) in ids.iter().enumerate() {
        let files = segment_files(&site.archive().join(id));
        assert!(files.len() >= 2, "{files:?}");
        let on_disk: u64 = files.iter().map(|f| media::frames(f)).sum();
        println!("{id}: sent {} before the signal, {} in all; {on_disk} on the disk", before[i], after[i]);
        // The newest picture is known to be whole only when the next one begins.
        assert!(on_disk + 1 >= before[i] && on_disk <= after[i], "{id}: {on_disk} on the disk");
        for file in files {
            assert_eq!(media::complaints(&file), "", "{}", file.display());
        }
    }
    let index = rusqlite::Connection::open(site.index()).unwrap();
    let not_closed: i64 =
        index.query_row("SELECT count(*) FROM segment WHERE state <> 1", [], |r| r.get(0)).unwrap();
    assert_eq!(not_closed, 0, "segments were left open");
    drop(index);

    let_pass(Duration::from_secs(1));
    let server = TestServer::start(&site);
    for (id, before) in ids.iter().zip(&before) {
        wait_for("recording again", Duration::from_secs(20), || {
            let coverage = server.coverage(id, &begun, &Timestamp::now().to_string());
            (coverage["recorded"].as_array()?.len() == 2).then_some(())
        });
        let coverage = server.coverage(id, &begun, &Timestamp::now().to_string());
        let span = |which: usize, end: &str| -> Timestamp {
            coverage["recorded"][which][end].as_str().unwrap().parse().unwrap()
        };
        let first = span(0, "to").duration_since(span(0, "from")).as_secs_f64();
        let listed = (first + FIRST_LATE_S) * 12.0;
        assert!(listed + 1.5 >= *before as f64, "{id}: {first} s listed of {before} pictures");
        let gaps = coverage["gaps"].as_array().unwrap();
        let down = gaps.iter().find(|g| g["cause"] == "server_down").expect("no gap tells of the stop");
        assert_eq!(down["from"].as_str().unwrap().parse::<Timestamp>().unwrap(), span(0, "to"), "{coverage}");
    }
    assert!(server.stop().success());
}
