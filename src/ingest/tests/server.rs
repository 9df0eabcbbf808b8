//! Cameras by `tests/support/rtsp_server.py`, an RTSP server that is not ours.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::camera::{SecretRef, SourceSpec, Transport};

pub struct Server {
    child: Child,
    pub port: u16,
    pub scheme: &'static str,
}

impl Server {
    /// Serves `clip` as `/cam`; `None`, said aloud, where the machine cannot.
    pub fn start(clip: &Path, args: &[&str]) -> Option<Server> {
        let probe = "import gi; gi.require_version('GstRtspServer', '1.0')";
        let found = Command::new("/usr/bin/python3").args(["-c", probe]).stderr(Stdio::null()).status();
        if !found.is_ok_and(|s| s.success()) {
            eprintln!("skipped: python3-gi with gir1.2-gst-rtsp-server-1.0 is not installed");
            return None;
        }
        let mut child = Command::new("/usr/bin/python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/rtsp_server.py"))
            .arg("--mount")
            .arg(format!("/cam={}", clip.display()))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("port ").expect("the server did not start").parse().unwrap();
        let scheme = if args.contains(&"--tls") { "rtsps" } else { "rtsp" };
        Some(Server { child, port, scheme })
    }

    pub fn spec(&self, path: &str, login: Option<(&str, SecretRef)>, transport: Transport) -> SourceSpec {
        let url = format!("{}://127.0.0.1:{}{path}", self.scheme, self.port).parse().unwrap();
        let (user, password) = login.map_or((None, None), |(u, p)| (Some(u.to_owned()), Some(p)));
        SourceSpec::Rtsp { url, user, password, transport }
    }

    pub fn cam(&self) -> SourceSpec {
        self.spec("/cam", None, Transport::Tcp)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
