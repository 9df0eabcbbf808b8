//! The disk of the recordings is full: the server stays up, what is recorded stays good, and
//! recording goes on as soon as it can.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::support::sim::Sim;
use crate::support::{
    Site, TestServer, let_pass, media, part_of_machine, server::segment_files, shared_or_skip, wait_for,
};

/// A small disk of its own, gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, options: &str) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).status();
        if !mounted.is_ok_and(|s| s.success()) {
            eprintln!("skipped: a tmpfs cannot be mounted here (root is needed)");
            return None;
        }
        Some(SmallDisk(at.to_owned()))
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }

    fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.0).unwrap();
        disk.f_bavail * disk.f_frsize
    }

    /// Somebody else's file that leaves so much free.
    fn fill(&self, leave: u64) {
        let bytes = vec![1u8; (self.free() - leave) as usize];
        File::create(self.0.join("somebody-elses")).unwrap().write_all(&bytes).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may still be ending.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn camera(port: u16) -> String {
    format!("[[camera]]\nid = \"hall\"\nurl = \"rtsp://127.0.0.1:{port}/people\"\nanalytics = \"none\"\n")
}

fn coverage(server: &TestServer, begun: Timestamp) -> Value {
    server.coverage("hall", &begun.to_string(), &Timestamp::now().to_string())
}

fn recorded_to(server: &TestServer, begun: Timestamp) -> Option<Timestamp> {
    coverage(server, begun)["recorded"].as_array()?.last()?["to"].as_str()?.parse().ok()
}

/// Everything on the disk decodes without a complaint.
fn all_good(archive: &Path) -> usize {
    let files = segment_files(archive);
    for file in &files {
        assert_eq!(media::complaints(file), "", "{}", file.display());
    }
    files.len()
}

#[test]
fn a_full_disk_takes_the_oldest_and_recording_goes_on() {
    let shared = shared_or_skip!();
    let _machine = part_of_machine();
    if !media::have_ffmpeg() {
        eprintln!("skipped: ffmpeg is not there");
        return;
    }
    let sim = Sim::of_clips(&[("people", &shared.join("footage/people-detection-768x432.mp4"))]);
    // Recordings, index, alerts and tokens on one disk, as by default.
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&dir.path().join("data"), "size=24m") else { return };
    let site =
        Site::in_dir(dir, "[recorder]\nsegment = \"2s\"\n[archive]\nmin_free = \"0B\"", &camera(sim.port()));
    let server = TestServer::start(&site);
    let begun = Timestamp::now();
    wait_for("recording", Duration::from_secs(20), || recorded_to(&server, begun));
    // About ten seconds of the camera.
    disk.fill(700_000);
    let taken = wait_for("retention", Duration::from_secs(40), || {
        let coverage = coverage(&server, begun);
        let gaps = coverage["gaps"].as_array()?;
        gaps.iter().any(|g| g["cause"] == "retention").then(Timestamp::now)
    });
    wait_for("recording goes on", Duration::from_secs(20), || {
        (recorded_to(&server, begun)? > taken).then_some(())
    });
    let all = coverage(&server, begun);
    println!("{all}");
    assert_eq!(server.state("hall"), "online");
    assert!(all_good(&site.archive()) >= 2, "not all that was recorded had to go");
    // Files and index agree: what is listed can be fetched.
    let spans = all["recorded"].as_array().unwrap();
    let last = spans.last().unwrap();
    let export = format!(
        "/api/v1/cameras/hall/export.mp4?from={}&to={}",
        last["from"].as_str().unwrap(),
        last["to"].as_str().unwrap()
    );
    assert_eq!(server.get(&export).0, 200);
    assert!(server.stop().success());
    all_good(&site.archive());
}

#[test]
fn a_disk_on_which_no_room_can_be_made_is_a_gap_that_ends_with_the_trouble() {
    let shared = shared_or_skip!();
    let _machine = part_of_machine();
    if !media::have_ffmpeg() {
        eprintln!("skipped: ffmpeg is not there");
        return;
    }
    let sim = Sim::of_clips(&[("people", &shared.join("footage/people-detection-768x432.mp4"))]);
    let site = Site::new("[recorder]\nsegment = \"2s\"\n[archive]\nmin_free = \"0B\"", &camera(sim.port()));
    // Bytes enough, but soon no room for another file: retention counts bytes and has no reason to
    // delete, so that the trouble lasts until somebody ends it.
    let Some(disk) = SmallDisk::mount(&site.archive(), "size=200m,nr_inodes=8") else { return };
    let server = TestServer::start(&site);
    let begun = Timestamp::now();
    let gap = wait_for("the gap", Duration::from_secs(40), || {
        let coverage = coverage(&server, begun);
        let gaps = coverage["gaps"].as_array()?.clone();
        gaps.into_iter().find(|g| g["cause"] == "disk")
    });
    let root = site.archive().display().to_string();
    assert!(gap["note"].as_str().is_some_and(|n| n.contains(&root) && n.contains("space")), "{gap}");
    let log = server.log();
    let said = log.lines().find(|l| l.contains("recording is interrupted")).expect("nothing in the log");
    assert!(said.contains("ERROR") && said.contains(&root), "{said}");
    let before = segment_files(&site.archive());
    assert!(before.len() >= 2 && all_good(&site.archive()) == before.len(), "{before:?}");
    // It stays up, says so once and not at every keyframe, and the camera stays connected.
    let_pass(Duration::from_secs(5));
    assert_eq!((server.get_as("/healthz", None).0, server.state("hall").as_str()), (200, "online"));
    assert_eq!(server.log().matches("recording is interrupted").count(), 1);

    disk.remount("nr_inodes=100");
    let mended = Timestamp::now();
    wait_for("recording again", Duration::from_secs(20), || {
        (recorded_to(&server, begun)? > mended).then_some(())
    });
    let all = coverage(&server, begun);
    let gaps: Vec<_> = all["gaps"].as_array().unwrap().iter().filter(|g| g["cause"] == "disk").collect();
    assert!(gaps.len() == 1 && gaps[0]["open"] == false, "{all}");
    assert!(server.stop().success());
    let after = segment_files(&site.archive());
    assert!(before.iter().all(|f| after.contains(f)), "something recorded is gone");
    assert_eq!(all_good(&site.archive()), after.len());
}
