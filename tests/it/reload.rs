//! A changed configuration file changes what it says and nothing else.

use std::time::Duration;

use serde_json::Value;

use crate::support::cameras::GstServer;
use crate::support::{Site, TestServer, part_of_machine, shared_or_skip, wait_for};

/// What must not change of a camera that is left alone.
fn connection(server: &TestServer, camera: &str) -> (Value, Value, Value) {
    let view = server.json(&format!("/api/v1/cameras/{camera}"));
    let stream = &view["streams"][0];
    (stream["state"].clone(), stream["since"].clone(), stream["reconnects"].clone())
}

fn rules(server: &TestServer, camera: &str) -> Vec<String> {
    let view = server.json(&format!("/api/v1/cameras/{camera}"));
    view["rules"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect()
}

fn ids(server: &TestServer) -> Vec<String> {
    let view = server.json("/api/v1/cameras");
    let cameras = view["cameras"].as_array().unwrap_or_else(|| panic!("no cameras in {view}"));
    cameras.iter().map(|c| c["id"].as_str().unwrap().to_owned()).collect()
}

fn times(server: &TestServer, text: &str) -> usize {
    server.log().matches(text).count()
}

fn online(server: &TestServer, camera: &str) {
    wait_for(&format!("{camera} online"), Duration::from_secs(20), || {
        (server.state(camera) == "online").then_some(())
    });
}

#[test]
fn a_change_reaches_the_camera_it_is_about_and_no_other() {
    let shared = shared_or_skip!();
    let _machine = part_of_machine();
    let clip = shared.join("footage/people-detection-768x432.mp4");
    let Some(rtsp) = GstServer::start(0, &[("people", &clip), ("moved", &clip)], &["--loop"]) else {
        return;
    };
    let camera_at = |url: &str, id: &str, rule: &str| {
        format!(
            "[[camera]]\nid = \"{id}\"\nurl = \"{url}\"\nanalytics = \"motion\"\ncamera_lost = false\nunder_watched = false\n\
             [[camera.rule]]\nid = \"{rule}\"\nkind = \"motion\"\n\n"
        )
    };
    let url = rtsp.url("people");
    let camera = |id: &str, rule: &str| camera_at(&url, id, rule);
    let site = Site::new("", &(camera("a", "first") + &camera("b", "first")));
    let server = TestServer::start(&site);
    let patience = Duration::from_secs(10);
    online(&server, "a");
    online(&server, "b");
    let (a, b) = (connection(&server, "a"), connection(&server, "b"));

    // Another rule: both connections stay, one camera's rules change.
    site.write("", &(camera("a", "second") + &camera("b", "first")));
    wait_for("the new rule", patience, || (rules(&server, "a") == ["second"]).then_some(()));
    assert_eq!(rules(&server, "b"), ["first"]);
    assert_eq!((connection(&server, "a"), connection(&server, "b")), (a.clone(), b.clone()));
    let alert = wait_for("an alert of the new rule", Duration::from_secs(40), || {
        server.alerts("camera=a").into_iter().find(|a| a["rule"] == "second")
    });
    assert_eq!(alert["kind"], "motion");

    // A third camera comes, the second goes.
    site.write("", &(camera("a", "second") + &camera("c", "first")));
    wait_for("the third camera", patience, || (ids(&server) == ["a", "c"]).then_some(()));
    online(&server, "c");
    assert_eq!(connection(&server, "a"), a);

    // A broken file: said with its line, and nothing changes.
    let used = times(&server, "configuration read again");
    let refused = "the changed configuration is not used";
    site.write("", &(camera("a", "third") + "[[camera]]\nid = \"d\"\nurl = \"no address\"\ncolour = 1\n"));
    wait_for("the refusal", patience, || (times(&server, refused) == 1).then_some(()));
    wait_for("the problem", patience, || server.log().contains("colour").then_some(()));
    assert_eq!(
        (rules(&server, "a"), ids(&server)),
        (vec!["second".to_owned()], vec!["a".into(), "c".into()])
    );
    assert_eq!(connection(&server, "a"), a);

    // SIGHUP reads it although it has not changed since.
    server.hang_up();
    wait_for("the refusal again", patience, || (times(&server, refused) == 2).then_some(()));
    site.write("", &(camera("a", "third") + &camera("c", "first")));
    wait_for("the mended file", patience, || (rules(&server, "a") == ["third"]).then_some(()));
    server.hang_up();
    wait_for("read on SIGHUP", patience, || {
        (times(&server, "configuration read again") == used + 2).then_some(())
    });
    assert_eq!(connection(&server, "a"), a);

    // Another address: that camera is connected anew, and is listed all the while.
    let c = connection(&server, "c");
    let moved = rtsp.url("moved");
    site.write("", &(camera_at(&moved, "a", "third") + &camera("c", "first")));
    wait_for("the new address", patience, || {
        let view = server.json("/api/v1/cameras/a");
        (view["streams"][0]["source"] == moved.as_str() && ids(&server) == ["a", "c"]).then_some(())
    });
    online(&server, "a");
    assert_eq!(connection(&server, "c"), c);
    assert!(server.stop().success());
}
