//! Cameras over real RTSP: gst-rtsp-server (not ours), and this build's own simulator.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// gst-rtsp-server under Debian's Python; ends with the test.
pub struct GstServer {
    child: Child,
    pub port: u16,
}

impl GstServer {
    /// `mounts` are (name, clip). `None`, said aloud, where the bindings are missing.
    pub fn start(port: u16, mounts: &[(&str, &Path)], more: &[&str]) -> Option<GstServer> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/rtsp_server.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).args(["--port", &port.to_string()]).args(more);
        for (name, clip) in mounts {
            command.arg("--mount").arg(format!("/{name}={}", clip.display()));
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let lines = BufReader::new(child.stdout.take()?);
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if let Some(port) = line.strip_prefix("port ") {
                    let _ = tell.send(port.trim().parse::<u16>());
                }
            }
        });
        match told.recv_timeout(Duration::from_secs(20)) {
            Ok(Ok(port)) => Some(GstServer { child, port }),
            _ => {
                eprintln!("skipped: gst-rtsp-server does not run under /usr/bin/python3");
                let _ = child.kill();
                let _ = child.wait();
                None
            }
        }
    }

    pub fn url(&self, name: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for GstServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
