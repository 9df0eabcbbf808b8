//! Watches the analysis of the server under measurement: alerts as they come, polls of all cameras,
//! and counters at both ends.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::Context;
use serde_json::Value;

use super::api::{Api, Metrics};
use super::events::{Heard, What};
use super::looks::Polls;
use crate::base::{Clock, Mono, Wall, WallSpan};

pub struct Watch {
    api: Api,
    clock: Arc<dyn Clock>,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// Ends with the server, which closes the stream when it stops.
    listener: JoinHandle<()>,
    began: Option<(Mono, Wall, Metrics)>,
    polls: Polls,
}

/// What was seen in the measured part.
#[derive(Debug)]
pub struct Seen {
    pub began: Mono,
    pub span: WallSpan,
    /// Of the measured part, seconds.
    pub seconds: f64,
    pub before: Metrics,
    pub after: Metrics,
    pub polls: Polls,
    /// All alerts since the server's start.
    pub heard: Vec<Heard>,
}

impl Watch {
    /// Listen to the alerts of the server.
    pub async fn start(api: Api, clock: Arc<dyn Clock>) -> anyhow::Result<Watch> {
        let of = api.clone();
        let open = move || of.stream("/api/v1/alerts/stream");
        let stream = tokio::task::spawn_blocking(open).await.context("asking the server broke off")??;
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (sink, now) = (heard.clone(), clock.clone());
        let listener = std::thread::Builder::new().name("alerts".into()).spawn(move || {
            let mut known = BTreeSet::new();
            // A broken line is the end: the server stops, or died, which the run itself notices.
            for line in BufReader::new(stream.into_reader()).lines().map_while(Result::ok) {
                let Some((id, alert)) = alert_in(&line, &*now) else { continue };
                if known.insert(id) {
                    sink.lock().unwrap_or_else(PoisonError::into_inner).push(alert);
                }
            }
        })?;
        Ok(Watch { api, clock, heard, listener, began: None, polls: Polls::default() })
    }

    /// Measuring begins.
    pub async fn begin(&mut self) -> anyhow::Result<()> {
        let metrics = self.api.metrics().await?;
        self.began = Some((self.clock.now(), self.clock.wall(), metrics));
        self.poll().await
    }

    /// See how the cameras are watched.
    pub async fn poll(&mut self) -> anyhow::Result<()> {
        let cameras = self.api.cameras().await?;
        self.polls.add(self.clock.wall(), &cameras);
        Ok(())
    }

    /// Measuring ends.
    pub async fn end(&mut self) -> anyhow::Result<Seen> {
        self.poll().await?;
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let after = self.api.metrics().await?;
        let (began, from, before) = self.began.take().context("measuring has not begun")?;
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Seen {
            began,
            span: WallSpan::new(from, wall),
            seconds: now.since(began).as_secs_f64(),
            before,
            after,
            polls: std::mem::take(&mut self.polls),
            heard,
        })
    }

    /// After the server's end.
    pub async fn join(self) -> anyhow::Result<()> {
        let joined = tokio::task::spawn_blocking(|| self.listener.join()).await;
        joined.context("waiting broke off")?.map_err(|_| anyhow::anyhow!("listening to alerts panicked"))
    }
}

/// Id and what it says, where a line of the event stream carries an alert.
fn alert_in(line: &str, clock: &dyn Clock) -> Option<(String, Heard)> {
    let alert: Value = serde_json::from_str(line.strip_prefix("data:")?).ok()?;
    let text = |key: &str| alert[key].as_str().map(str::to_owned);
    let at: Wall = text("at")?.parse().ok()?;
    let heard = Heard {
        camera: text("camera")?,
        what: What { rule: text("rule")?, direction: text("direction") },
        kind: text("kind")?,
        at,
        heard: clock.now(),
        latency: clock.wall().since(at),
    };
    Some((text("id")?, heard))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SimClock;

    #[test]
    fn alerts_are_told_from_other_lines_of_the_stream() {
        let clock = SimClock::new("2026-01-02T03:04:06Z".parse().unwrap());
        let line = "data: {\"id\":\"x\",\"camera\":\"cam-1\",\"rule\":\"across\",\"kind\":\"line_crossing\",\
            \"direction\":\"to_left\",\"at\":\"2026-01-02T03:04:05.5Z\",\"seq\":1}";
        let (id, heard) = alert_in(line, &clock).unwrap();
        assert_eq!(
            (id.as_str(), heard.camera.as_str(), heard.kind.as_str()),
            ("x", "cam-1", "line_crossing")
        );
        assert_eq!(heard.what, What { rule: "across".into(), direction: Some("to_left".into()) });
        assert_eq!(heard.latency.as_millis(), 500);
        for other in ["", ": keep-alive", "event: alert", "retry: 3000", "data: {}"] {
            assert!(alert_in(other, &clock).is_none(), "{other}");
        }
    }
}
