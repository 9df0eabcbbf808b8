//! Whatever is wrong is said clearly, and what goes on beside it goes on.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use crate::support::cameras::GstServer;
use crate::support::server::BIN;
use crate::support::{Site, TestServer, part_of_machine, shared_or_skip, wait_for};

/// The `message` of an offline main stream.
fn complaint(server: &TestServer, camera: &str) -> String {
    wait_for(&format!("{camera} offline"), Duration::from_secs(20), || {
        let view = server.json(&format!("/api/v1/cameras/{camera}"));
        let stream = &view["streams"][0];
        (stream["state"] == "offline").then(|| stream["message"].as_str().unwrap_or_default().to_owned())
    })
}

#[test]
fn bad_cameras_are_named_and_do_not_disturb_a_good_one() {
    let shared = shared_or_skip!();
    let _machine = part_of_machine();
    let clip = shared.join("footage/people-detection-768x432.mp4");
    let login = ["--loop", "--user", "op", "--password", "right-one", "--auth", "digest"];
    let Some(rtsp) = GstServer::start(0, &[("people", &clip)], &login) else { return };
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("notes.mp4");
    std::fs::File::create(&text).unwrap().write_all(b"this is no video\n").unwrap();
    let torn = dir.path().join("torn.mp4");
    std::fs::write(&torn, &std::fs::read(&clip).unwrap()[..200_000]).unwrap();
    for (file, password) in [("good", "right-one"), ("bad", "hunter2-wrong")] {
        std::fs::write(dir.path().join(file), password).unwrap();
    }
    let p = rtsp.port;
    let d = dir.path().display();
    let site = Site::new(
        "",
        &format!(
            "[defaults]\nanalytics = \"none\"\nuser = \"op\"\npassword = \"file:{d}/good\"\n\n\
             [[camera]]\nid = \"good\"\nurl = \"rtsp://127.0.0.1:{p}/people\"\n\
             [[camera]]\nid = \"wrong-password\"\nurl = \"rtsp://127.0.0.1:{p}/people\"\npassword = \"file:{d}/bad\"\n\
             [[camera]]\nid = \"wrong-path\"\nurl = \"rtsp://127.0.0.1:{p}/nothing\"\n\
             [[camera]]\nid = \"nobody-there\"\nurl = \"rtsp://127.0.0.1:9/x\"\n\
             [[camera]]\nid = \"text\"\nurl = \"{}\"\n\
             [[camera]]\nid = \"torn\"\nurl = \"{}\"\n",
            text.display(),
            torn.display()
        ),
    );
    let server = TestServer::start(&site);
    let said = complaint(&server, "wrong-password");
    assert!(said.contains("401") || said.to_lowercase().contains("password"), "{said}");
    let said = complaint(&server, "wrong-path");
    assert!(said.contains("404") || said.to_lowercase().contains("not found"), "{said}");
    let said = complaint(&server, "nobody-there");
    assert!(said.to_lowercase().contains("refused"), "{said}");
    let said = complaint(&server, "text");
    assert!(said.contains("notes.mp4"), "{said}");
    complaint(&server, "torn");
    wait_for("the good one online", Duration::from_secs(20), || {
        (server.state("good") == "online").then_some(())
    });
    let everything = server.log() + &String::from_utf8(server.get("/api/v1/cameras").1).unwrap();
    for secret in ["right-one", "hunter2-wrong"] {
        assert!(!everything.contains(secret), "a password was shown");
    }
    assert!(server.stop().success());
}

#[test]
fn nonsense_at_the_api_is_refused_with_a_sentence() {
    let site = Site::new("", "");
    let server = TestServer::start(&site);
    assert_eq!(server.get_as("/healthz", None).0, 200);
    for (path, token, status) in [
        ("/api/v1/cameras", None, 401),
        ("/api/v1/cameras", Some("pgn_wrong"), 401),
        ("/metrics", None, 401),
        ("/api/v1/nothing", Some(site.token.as_str()), 404),
        ("/api/v1/cameras/NO%20SUCH", Some(site.token.as_str()), 400),
        ("/api/v1/cameras/nobody", Some(site.token.as_str()), 404),
        ("/api/v1/alerts?limit=-1", Some(site.token.as_str()), 400),
        ("/api/v1/alerts?colour=red", Some(site.token.as_str()), 400),
        ("/api/v1/recordings?camera=x&from=yesterday&to=now", Some(site.token.as_str()), 400),
    ] {
        let (got, body) = server.get_as(path, token);
        let problem: serde_json::Value =
            serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{path}: no problem document: {e}"));
        assert_eq!(got, status, "{path}: {problem}");
        assert_eq!(problem["status"], status, "{path}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|d| d.ends_with('.')), "{path}: {problem}");
    }
    assert!(server.stop().success());
}

#[test]
fn five_mistakes_give_five_problems_with_their_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.toml");
    let text = "[server]\nlisten = \"nowhere\"\ncolour = 1\n\n[[camera]]\nid = \"Ä\"\nurl = \"rtsp://u:secret@h/x\"\n\
                analytics = \"people\"\n\
                [[camera.rule]]\nid = \"z\"\nkind = \"intrusion\"\nzone = [[0.0, 0.0], [2.0, 0.0]]\n";
    std::fs::write(&path, text).unwrap();
    let out = Command::new(BIN).args(["check", "--json", "--config"]).arg(&path).output().unwrap();
    assert!(!out.status.success());
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let mut lines: Vec<u64> =
        report["problems"].as_array().unwrap().iter().filter_map(|p| p["line"].as_u64()).collect();
    lines.sort_unstable();
    assert_eq!(lines, [2, 3, 6, 7, 12], "{report}");
    assert!(!report.to_string().contains("secret"), "{report}");
}

#[test]
fn a_broken_model_is_said_and_motion_stands_in() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("data/models/yolox_nano");
    std::fs::create_dir_all(&store).unwrap();
    std::fs::write(store.join("yolox_nano.onnx"), b"not a model").unwrap();
    let site = Site::in_dir(
        dir,
        "",
        "[[camera]]\nid = \"c\"\nurl = \"rtsp://127.0.0.1:9/x\"\nanalytics = \"people\"\n",
    );
    let server = TestServer::start(&site);
    let log = server.log();
    assert!(log.contains("yolox_nano") && log.contains("motion"), "{log}");
    let (status, body) = server.get_as("/readyz", None);
    let body = String::from_utf8(body).unwrap();
    assert!(status == 200 && body.contains("yolox_nano"), "{status} {body}");
    assert!(server.stop().success());
}

/// ONNX Runtime of the set-up computes on the processor alone.
#[test]
fn a_provider_that_is_absent_is_said_and_models_run_on_the_processor() {
    let site = Site::in_dir(
        tempfile::tempdir().unwrap(),
        "provider = \"cuda\"",
        "[[camera]]\nid = \"c\"\nurl = \"rtsp://127.0.0.1:9/x\"\nanalytics = \"nano\"\n",
    );
    let server = TestServer::start(&site);
    let log = server.log();
    assert!(log.contains("cannot compute on cuda") && log.contains("models run on the CPU"), "{log}");
    assert!(!log.contains("motion detection stands in"), "{log}");
    let (status, body) = server.get_as("/readyz", None);
    let body = String::from_utf8(body).unwrap();
    assert!(status == 200 && body.contains("cuda"), "{status} {body}");
    assert!(server.stop().success());
}
