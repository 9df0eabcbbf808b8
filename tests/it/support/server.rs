//! A server of this build in a process of its own.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::Value;

pub const BIN: &str = env!("CARGO_BIN_EXE_pingan");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const START: Duration = Duration::from_secs(30);

/// A configuration in a folder of its own.
pub struct Site {
    pub dir: tempfile::TempDir,
    pub config: PathBuf,
    pub token: String,
}

impl Site {
    /// `cameras` is TOML; `server` goes below the `[server]` head.
    pub fn new(extra: &str, cameras: &str) -> Site {
        Site::in_dir(tempfile::tempdir().unwrap(), extra, cameras)
    }

    pub fn in_dir(dir: tempfile::TempDir, extra: &str, cameras: &str) -> Site {
        let config = dir.path().join("site.toml");
        let mut site = Site { dir, config, token: String::new() };
        site.write(extra, cameras);
        let out = Command::new(BIN)
            .args(["token", "--config"])
            .arg(&site.config)
            .args(["create", "tester", "--role", "admin"])
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        site.token = String::from_utf8(out.stdout).unwrap().trim().to_owned();
        site
    }

    /// Write the configuration anew.
    pub fn write(&self, extra: &str, cameras: &str) {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\ndata = \"data\"\npipelines = \"{ROOT}/pipelines\"\n\n[infer]\nmanifests = \"{ROOT}/models\"\n\n{extra}\n\n{cameras}\n"
        );
        // Renamed into place, as editors do, so that a watcher never sees half a file.
        let tmp = self.config.with_extension("new");
        File::create(&tmp).unwrap().write_all(text.as_bytes()).unwrap();
        std::fs::rename(&tmp, &self.config).unwrap();
    }

    /// Fetch a model's weights from a mirror folder.
    pub fn pull(&self, model: &str, mirror: &Path) {
        let out = Command::new(BIN)
            .args(["models", "pull", model, "--from"])
            .arg(mirror)
            .arg("--store")
            .arg(self.dir.path().join("data/models"))
            .current_dir(ROOT)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }

    pub fn archive(&self) -> PathBuf {
        self.dir.path().join("data/archive")
    }

    pub fn index(&self) -> PathBuf {
        self.dir.path().join("data/index.sqlite")
    }
}

/// A running server. Killed when dropped.
pub struct TestServer {
    child: Child,
    pub base: String,
    token: String,
    log: Arc<Mutex<String>>,
}

impl TestServer {
    pub fn start(site: &Site) -> TestServer {
        let mut child = Command::new(BIN)
            .arg("serve")
            .arg("--config")
            .arg(&site.config)
            .current_dir(ROOT)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let (up, is_up) = mpsc::channel();
        let sink = log.clone();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if let Some(at) = line.find("listening on http://") {
                    let _ = up.send(line[at + "listening on ".len()..].trim().to_owned());
                }
                let mut log = sink.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let base = is_up
            .recv_timeout(START)
            .unwrap_or_else(|e| panic!("the server did not come up ({e}):\n{}", log.lock().unwrap()));
        TestServer { child, base, token: site.token.clone(), log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, then the exit code.
    pub fn stop(mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_raw(self.pid() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }

    pub fn hang_up(&self) {
        let pid = rustix::process::Pid::from_raw(self.pid() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    fn agent() -> ureq::Agent {
        ureq::Agent::config_builder().http_status_as_error(false).build().into()
    }

    pub fn get(&self, path: &str) -> (u16, Vec<u8>) {
        self.get_as(path, Some(&self.token))
    }

    pub fn get_as(&self, path: &str, token: Option<&str>) -> (u16, Vec<u8>) {
        let mut request = Self::agent().get(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut response = request.call().unwrap();
        let body = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        (response.status().as_u16(), body)
    }

    /// A JSON answer that must be 200.
    pub fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "GET {path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let mut response = Self::agent()
            .post(format!("{}{path}", self.base))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", "application/json")
            .send(body.to_string())
            .unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// State of a camera's main stream.
    pub fn state(&self, camera: &str) -> String {
        let view = self.json(&format!("/api/v1/cameras/{camera}"));
        view["streams"][0]["state"].as_str().unwrap_or("?").to_owned()
    }

    /// All alerts of a kind, oldest first.
    pub fn alerts(&self, query: &str) -> Vec<Value> {
        let page = self.json(&format!("/api/v1/alerts?limit=500&{query}"));
        let mut alerts = page["alerts"].as_array().unwrap_or_else(|| panic!("no alerts in {page}")).clone();
        alerts.reverse();
        alerts
    }

    /// Coverage of a camera between two times (RFC 3339).
    pub fn coverage(&self, camera: &str, from: &str, to: &str) -> Value {
        self.json(&format!("/api/v1/recordings?camera={camera}&from={from}&to={to}"))
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All segment files below a folder.
pub fn segment_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "mp4") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
