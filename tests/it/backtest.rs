//! Rules tried on what a server saw and recorded, and its alerts decided once more.

use std::process::{Command, Output};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::server::BIN;
use crate::support::sim::Sim;
use crate::support::{Site, TestServer, media, part_of_machine, shared_or_skip, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);
const RULES: &str = r#"
[[RULE]]
id = "hall"
kind = "intrusion"
zone = [[0.2, 0.3], [0.8, 0.3], [0.8, 1], [0.2, 1]]
classes = ["motion"]
cooldown = "1s"
[[RULE]]
id = "line"
kind = "line_crossing"
line = [[0, 0.6], [1, 0.6]]
classes = ["motion"]
cooldown = "0s"
"#;

/// Runs a command of this build on the site; its answer as JSON.
fn ask(site: &Site, args: &[&str]) -> (Value, Output) {
    let mut command = Command::new(BIN);
    command.arg(args[0]).arg("--config").arg(&site.config).arg("--json").args(&args[1..]);
    let out = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let answer = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|e| panic!("{args:?}: {e}\n{}", String::from_utf8_lossy(&out.stderr)));
    (answer, out)
}

fn counts(report: &Value) -> (u64, u64, u64) {
    let n = |what: &str| report["counts"][what].as_u64().unwrap_or_else(|| panic!("{report}"));
    (n("kept"), n("new"), n("gone"))
}

#[test]
fn rules_are_tried_on_yesterday_and_alerts_decided_again() {
    let shared = shared_or_skip!();
    let _machine = part_of_machine();
    let clip = shared.join("footage/people-detection-768x432.mp4");
    let sim = Sim::of_clips(&[("people", &clip)]);
    let camera = format!(
        "[[camera]]\nid = \"hall\"\nurl = \"rtsp://127.0.0.1:{}/people\"\nanalytics = \"motion\"\n{}",
        sim.port(),
        RULES.replace("RULE", "camera.rule")
    );
    let site = Site::new("[recorder]\nsegment = \"4s\"", &camera);
    let begun = Timestamp::now().to_string();
    let server = TestServer::start(&site);
    wait_for("alerts of both rules", PATIENCE, || {
        let alerts = server.alerts("camera=hall");
        let of = |rule: &str| alerts.iter().filter(|a| a["rule"] == rule).count();
        (of("hall") >= 2 && of("line") >= 2).then_some(())
    });
    // What was seen a moment ago may not be written yet; that is no other decision.
    let latest = &server.alerts("camera=hall")[0];
    let (_, replay) =
        server.post(&format!("/api/v1/alerts/{}/replay", latest["id"].as_str().unwrap()), &json!({}));
    let told = replay["detail"].as_str().unwrap();
    assert!(
        replay["verdict"] == "same" || told.contains("written yet") || told.contains("more than"),
        "{replay:#}"
    );
    assert!(server.stop().success());
    let ended = Timestamp::now().to_string();
    let between = ["--from", begun.as_str(), "--to", ended.as_str()];
    let try_out = |more: &[&str]| ask(&site, &[&["backtest"], &between[..], more].concat()).0;

    // The rules as they were, from what was seen: the same alerts, to the last one.
    let report = try_out(&[]);
    let camera = &report["cameras"][0];
    let (kept, new, gone) = counts(&report);
    assert!(kept >= 4 && (new, gone) == (0, 0), "{report:#}");
    assert_eq!(
        (camera["frames_decoded"].as_u64(), &camera["decoded_s"]),
        (Some(0), &json!(0.0)),
        "{camera:#}"
    );
    assert!(camera["notes"].to_string().contains("camera_lost"), "what cannot be tried is named: {camera:#}");

    // A rule that looks at pictures is tried on them, and the others as before.
    let file = site.dir.path().join("shut.toml");
    let shut = RULES.replace("RULE", "rule") + "[[rule]]\nid = \"shut\"\nkind = \"tamper\"\n";
    std::fs::write(&file, shut).unwrap();
    let report = try_out(&["--rules", file.to_str().unwrap()]);
    let camera_with = &report["cameras"][0];
    let others = camera_with["alerts"].as_array().unwrap().iter().filter(|a| a["rule"] != "shut");
    assert!(others.clone().all(|a| a["standing"] == "kept") && others.count() as u64 == kept, "{report:#}");
    assert!(camera_with["decoded_s"].as_f64().unwrap() > 1.0, "{camera_with:#}");
    assert_eq!(camera_with["observed_s"], camera["observed_s"]);
    assert!(camera_with["notes"].to_string().contains("'shut' looked at pictures"), "{camera_with:#}");

    // What begins at the very end of the span is decided by what comes after it.
    let last = camera["alerts"].as_array().unwrap().last().unwrap()["at"].as_str().unwrap();
    let just_after = last.parse::<Timestamp>().unwrap() + Duration::from_millis(1);
    let cut = ask(&site, &["backtest", "--from", begun.as_str(), "--to", &just_after.to_string()]).0;
    assert_eq!(counts(&cut), (kept, 0, 0), "{cut:#}");

    // Each of them once more.
    for alert in camera["alerts"].as_array().unwrap() {
        let (replay, out) = ask(&site, &["replay", alert["alert"].as_str().unwrap()]);
        assert_eq!(replay["verdict"], "same", "{alert:#}\n{replay:#}");
        assert!(out.status.success() && replay["rule"].as_str().is_some_and(|r| r.contains("[[rule]]")));
    }

    // Another rule, tried before it is switched on.
    let file = site.dir.path().join("try.toml");
    let page = site.dir.path().join("page.html");
    std::fs::write(
        &file,
        RULES.replace("RULE", "rule").replace("0.6]", "0.75]").replace("\"line\"", "\"lower\""),
    )
    .unwrap();
    let report = try_out(&["--rules", file.to_str().unwrap(), "--html", page.to_str().unwrap()]);
    let alerts = report["cameras"][0]["alerts"].as_array().unwrap();
    let new = alerts.iter().filter(|a| a["rule"] == "lower" && a["standing"] == "new").count();
    let gone = alerts.iter().filter(|a| a["rule"] == "line" && a["standing"] == "gone").count();
    assert!(new + gone > 0, "a line at another place tells other things: {report:#}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("data:image/jpeg;base64,/9j/") && page.contains("lower"), "a page with pictures");

    // The recording itself, decoded: about the same, from the pictures.
    let report = try_out(&["--decode"]);
    let (kept, _, _) = counts(&report);
    assert!(report["cameras"][0]["frames_decoded"].as_u64().unwrap() > 50 && kept >= 2, "{report:#}");

    in_the_server(&site, &begun, &ended);

    // Without what was seen, an alert cannot be decided again, and is not said to be.
    let id = report["cameras"][0]["alerts"][0]["alert"].as_str().map(str::to_owned);
    for tail in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(site.dir.path().join(format!("data/observations.sqlite{tail}")));
    }
    let id = id.unwrap_or_else(|| alerts.iter().find_map(|a| a["alert"].as_str()).unwrap().to_owned());
    let (replay, out) = ask(&site, &["replay", &id]);
    assert_eq!((&replay["verdict"], out.status.success()), (&json!("impossible"), false), "{replay:#}");
}

/// The same over the API, as a job.
fn in_the_server(site: &Site, begun: &str, ended: &str) {
    site.write(
        "",
        &format!(
            "[[camera]]\nid = \"hall\"\nurl = \"rtsp://127.0.0.1:9/none\"\nanalytics = \"motion\"\n{}",
            RULES.replace("RULE", "camera.rule")
        ),
    );
    let server = TestServer::start(site);
    let wish =
        json!({ "cameras": ["hall"], "from": begun, "to": ended, "rules": RULES.replace("RULE", "rule") });
    let (status, job) = server.post("/api/v1/backtests", &wish);
    assert_eq!(status, 202, "{job}");
    let address = format!("/api/v1/backtests/{}", job["id"]);
    let job = wait_for("the trial", PATIENCE, || {
        let job = server.json(&address);
        (job["state"] != "waiting" && job["state"] != "running").then_some(job)
    });
    assert_eq!(job["state"], "done", "{job:#}");
    let (kept, new, gone) = counts(&job["report"]);
    assert!(kept >= 4 && (new, gone) == (0, 0), "{job:#}");
    let alert = &job["report"]["cameras"][0]["alerts"][0];
    let (status, jpeg) = server.get(alert["picture"].as_str().unwrap());
    assert_eq!((status, &jpeg[..3]), (200, &b"\xff\xd8\xff"[..]));
    if media::have_ffmpeg() {
        let file = site.dir.path().join("trial.jpg");
        std::fs::write(&file, jpeg).unwrap();
        assert_eq!(media::probe(&file, "stream=codec_name,width,height"), "mjpeg\n768\n432");
    }
    let id = alert["alert"].as_str().unwrap();
    let (status, replay) = server.post(&format!("/api/v1/alerts/{id}/replay"), &json!({}));
    assert_eq!((status, &replay["verdict"]), (200, &json!("same")), "{replay:#}");
    let origin = &server.json(&format!("/api/v1/alerts/{id}"))["origin"];
    assert_eq!(origin["rule_version"], replay["rule_version"], "{origin}");

    for (wish, told) in [
        (json!({ "cameras": ["nobody"], "from": begun, "to": ended }), "no camera 'nobody'"),
        (json!({ "cameras": ["hall"], "from": ended, "to": begun }), "must be earlier"),
        (json!({ "cameras": ["hall"], "from": begun, "to": ended, "rules": "[[rule]]\nid = \"x\"" }), "kind"),
        (json!({ "cameras": [], "from": begun, "to": ended }), "'cameras' names"),
        (json!({ "cameras": ["hall", "hall"], "from": begun, "to": ended }), "'hall' is named twice"),
        (
            json!({ "cameras": ["hall"], "from": "2999-01-01T00:00:00Z", "to": "2999-01-02T00:00:00Z" }),
            "has not come yet",
        ),
    ] {
        let (status, problem) = server.post("/api/v1/backtests", &wish);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(status == 400 && detail.contains(told), "{status} {problem}");
    }
    assert!(server.stop().success());
}
