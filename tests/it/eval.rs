//! `pingan eval` on a made clip whose truth claims what is not there.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use pingan::bench::{EncodeSettings, Scene, clip_file, scene::Variant};
use serde_json::{Value, json};

use crate::support::{has_runtime, server::BIN};

/// A name that must not get into a page as it is.
const CLIP: &str = "a&b <x>.mp4";

/// Four seconds of the yard at 25 frames/s. By this truth there is a face in a corner, and somebody crosses a
/// line that nobody comes near.
fn footage(dir: &Path) {
    for folder in ["footage", "truth", "models"] {
        std::fs::create_dir_all(dir.join(folder)).unwrap();
    }
    let mut scene = Scene::demo(Variant::Yard, 2);
    scene.duration = Duration::from_secs(4);
    let settings = EncodeSettings { width: 320, height: 184, ..EncodeSettings::load_sub() };
    clip_file::save(&scene.encode("yard", &settings).unwrap(), &dir.join("footage").join(CLIP)).unwrap();
    let line = json!({"name": "never", "anchor": "foot", "line": [[0.0, 0.02], [1.0, 0.02]], "upward": [{"t": 2.0}]});
    let clip = json!({"files": [CLIP], "fps": 25, "distinct_people": 9, "line_crossings": [line]});
    let face = json!({"file": CLIP, "frame": 0, "faces": [[0.9, 0.0, 1.0, 0.1]]});
    let write = |name: &str, truth: Value| {
        std::fs::write(dir.join("truth").join(name), truth.to_string()).unwrap();
    };
    write("events.json", json!({"tolerance_s": 0.7, "clips": [clip]}));
    write("faces.json", json!({"frames": [face]}));
    write("persons.json", json!({"frames": []}));
}

fn eval(dir: &Path, args: &[&str]) -> Output {
    Command::new(BIN)
        .args(["eval", "--data", dir.to_str().unwrap(), "--model", "pingan-nano"])
        .args(["--store", dir.join("store").to_str().unwrap()])
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

#[test]
fn what_is_missed_is_on_the_page_and_degraded_footage_beside_the_clips_as_they_are() {
    if !has_runtime() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    footage(dir.path());
    let (page, kept) = (dir.path().join("sheet.html"), dir.path().join("kept"));
    let (page_arg, kept_arg) = (page.to_str().unwrap(), kept.to_str().unwrap());
    let run = ["--degrade", "fps5,night", "--keep", kept_arg, "--html", page_arg, "--json"];
    let out = eval(dir.path(), &run);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));

    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    let conditions = report["conditions"].as_array().unwrap();
    let names: Vec<_> = conditions.iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["as it is", "fps5", "night"]);
    let frames: Vec<_> = conditions.iter().map(|c| c["clips"][0]["frames"].as_u64().unwrap()).collect();
    assert!(frames[0] == 100 && (20..=21).contains(&frames[1]) && frames[2] == 100, "{frames:?}");
    for condition in conditions {
        assert_eq!((&condition["faces"]["expected"], &condition["faces"]["found"]), (&json!(1), &json!(0)));
        assert_eq!((&condition["events"]["expected"], &condition["events"]["found"]), (&json!(1), &json!(0)));
    }
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 2, "the degraded clips are left");

    let page = std::fs::read_to_string(page).unwrap();
    // A face and an event in each of three conditions.
    assert_eq!(page.matches("<figure class=\"missed-face\"").count(), 3);
    assert_eq!(page.matches("<figure class=\"missed-event\"").count(), 3);
    assert!(page.matches("data:image/jpeg;base64,").count() >= 6);
    assert!(page.contains("a&amp;b &lt;x&gt;.mp4") && !page.contains("<x>") && !page.contains("a&b"));
}

#[test]
fn degraded_footage_is_held_to_its_floors() {
    if !has_runtime() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    footage(dir.path());
    let floors = dir.path().join("floors.toml");
    let run = ["--degrade", "fps1", "--floors", floors.to_str().unwrap()];
    for (missed, fails) in [(1, false), (0, true)] {
        let text = format!("[degraded.fps1]\nevents = {{ missed = {missed}, extra = 99 }}\nin_empty = 0\n");
        std::fs::write(&floors, text).unwrap();
        let out = eval(dir.path(), &run);
        let told = String::from_utf8_lossy(&out.stderr).contains("falls short: events at fps1: 1 missed");
        assert_eq!((out.status.success(), told), (!fails, fails), "{out:?}");
    }
    let nowhere = dir.path().join("nowhere/sheet.html");
    for (args, told) in [
        (["--degrade", "fog"], "'fog' is no degradation"),
        (["--fps", "0"], "--fps must lie between"),
        (["--fps", "nan"], "--fps must lie between"),
        (["--model", "pingan-nano"], "--model pingan-nano is given twice"),
        (["--clip", "none"], "no clip's name contains 'none'"),
        (["--html", nowhere.to_str().unwrap()], "there is no folder"),
    ] {
        let out = eval(dir.path(), &args);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && said.contains(told) && !said.contains("panicked"), "{out:?}");
    }
    let slip = r#"{"frames": [{"file": "a.mp4", "frame": 7, "faces": [[292, 143, 392, 393]]}]}"#;
    std::fs::write(dir.path().join("truth/faces.json"), slip).unwrap();
    let out = eval(dir.path(), &[]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(
        !out.status.success() && said.contains("faces.json") && said.contains("a.mp4, frame 7"),
        "{said}"
    );
}
