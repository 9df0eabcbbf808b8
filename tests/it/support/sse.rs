//! A reader of the alert stream (Server-Sent Events, WHATWG HTML §9.2).

use std::io::{BufRead, BufReader};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use super::TestServer;

/// Reads until dropped or the server ends the stream.
pub struct AlertStream(mpsc::Receiver<(u64, Value)>);

impl AlertStream {
    /// Returns once the server has taken the request.
    pub fn open(server: &TestServer, last_id: Option<u64>) -> AlertStream {
        let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
        let mut request = agent
            .get(format!("{}/api/v1/alerts/stream", server.base))
            .header("Authorization", format!("Bearer {}", server.token()));
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id.to_string());
        }
        let lines = BufReader::new(request.call().unwrap().into_body().into_reader());
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut id, mut data) = (0, String::new());
            for line in lines.lines().map_while(Result::ok) {
                if let Some(v) = line.strip_prefix("id:") {
                    id = v.trim().parse().unwrap();
                } else if let Some(v) = line.strip_prefix("data:") {
                    data.push_str(v);
                } else if line.is_empty() && !data.is_empty() {
                    let alert = serde_json::from_str(&std::mem::take(&mut data)).unwrap();
                    if tell.send((id, alert)).is_err() {
                        return;
                    }
                }
            }
        });
        AlertStream(told)
    }

    /// The next event: its id and its alert. Panics when none comes.
    pub fn next(&self, within: Duration) -> (u64, Value) {
        self.0.recv_timeout(within).unwrap_or_else(|e| panic!("no event on the alert stream: {e}"))
    }

    /// The next event that `is` wanted; others are passed over.
    pub fn find(&self, within: Duration, is: impl Fn(&Value) -> bool) -> (u64, Value) {
        loop {
            let (id, alert) = self.next(within);
            if is(&alert) {
                return (id, alert);
            }
        }
    }
}
