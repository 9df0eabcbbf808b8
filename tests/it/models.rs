//! `pingan models` by the command line.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use pingan::bench::{EncodeSettings, Scene, clip_file, scene::Variant};
use serde_json::{Value, json};

use crate::support::{has_runtime, server::BIN, shared};

fn models(args: &[&str]) -> Output {
    let dir = env!("CARGO_MANIFEST_DIR");
    Command::new(BIN).arg("models").args(args).current_dir(dir).output().unwrap()
}

fn told(args: &[&str]) -> Value {
    let out = models(args);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn the_cost_of_a_model_is_told_for_a_picture_of_nothing_and_for_footage() {
    if !has_runtime() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let clip = dir.path().join("yard.mp4");
    let mut scene = Scene::demo(Variant::Yard, 2);
    scene.duration = Duration::from_secs(2);
    let settings = EncodeSettings { width: 320, height: 184, ..EncodeSettings::load_sub() };
    clip_file::save(&scene.encode("yard", &settings).unwrap(), &clip).unwrap();
    let bench = ["bench", "pingan-nano", "--pictures", "3", "--threads", "2", "--json"];
    let clip = clip.to_str().unwrap();
    for (more, picture) in [(&[][..], [640, 360]), (&["--footage", clip], [320, 184])] {
        let cost = told(&[&bench[..], more].concat());
        assert_eq!(cost["input"], json!([1, 3, 224, 384]), "{cost}");
        assert_eq!(cost["picture"], json!(picture), "{cost}");
        for key in ["cpu_ms_median", "cpu_ms_mean", "pictures_per_second"] {
            assert!(cost[key].as_f64().is_some_and(|v| v > 0.0), "{key}: {cost}");
        }
        if more.is_empty() {
            assert_eq!([&cost["second_opinions_mean"], &cost["verified_mean"]], [0.0, 0.0], "{cost}");
        }
    }
    if let Some(shared) = shared() {
        let crowd = shared.join("footage/crowd-faces-800x450.mp4");
        let crowd = crowd.to_str().unwrap();
        let cost = told(&["bench", "pingan-nano", "--pictures", "30", "--footage", crowd, "--json"]);
        // In six seconds three of the four and twelve of the sixteen come anew.
        for (key, most) in [("second_opinions_mean", 7.0 / 30.0), ("verified_mean", 28.0 / 30.0)] {
            assert!(cost[key].as_f64().is_some_and(|v| v > 0.0 && v <= most), "{key}: {cost}");
        }
    }
    let out = models(&[&bench[..], &["--footage", "Cargo.toml"]].concat());
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && said.contains("Cargo.toml"), "{said}");
}

#[test]
fn what_comes_with_the_project_is_listed_whole_and_a_missing_part_of_it_is_not_to_be_pulled() {
    let (dir, ours) =
        (tempfile::tempdir().unwrap(), Path::new(env!("CARGO_MANIFEST_DIR")).join("models/pingan-nano"));
    let folder = dir.path().join("pingan-nano");
    std::fs::create_dir(&folder).unwrap();
    let mut bytes = 0;
    for file in ["model.toml", "pingan_nano.onnx", "pingan_nano_verifier.onnx"] {
        let copied = std::fs::copy(ours.join(file), folder.join(file)).unwrap();
        bytes += if file == "model.toml" { 0 } else { copied };
    }
    let manifests = dir.path().to_str().unwrap();
    let state = told(&["list", "--json", "--manifests", manifests]);
    assert_eq!((&state[0]["bytes"], &state[0]["verified"]), (&json!(bytes), &json!(true)), "{state}");
    std::fs::remove_file(folder.join("pingan_nano_verifier.onnx")).unwrap();
    let out = models(&["verify", "pingan-nano", "--manifests", manifests]);
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(!out.status.success() && said.contains("pingan_nano_verifier.onnx"), "{said}");
    assert!(said.contains("comes with the project") && !said.contains("pull"), "{said}");
    // Nor is it passed over where nobody names it.
    let store = dir.path().join("store");
    let dirs = ["--manifests", manifests, "--store", store.to_str().unwrap()];
    let out = models(&[&["verify"], &dirs[..]].concat());
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(!out.status.success() && told.contains("pingan_nano_verifier.onnx"), "{told}");
    let out = Command::new(BIN).arg("doctor").args(dirs).output().unwrap();
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(!out.status.success() && told.contains("damaged: pingan-nano"), "{told}");
}
