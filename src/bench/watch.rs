//! What the server under measurement says of its analysis over its own API: metrics, camera states,
//! and alerts as they come.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::report::{AnalysisReport, percentile};
use crate::base::metrics::{DECODE_FRAMES, INFER_FRAMES, INFER_SKIPPED};
use crate::base::{Clock, Mono, Wall};

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Api {
    /// Such as `http://127.0.0.1:8088`.
    base: String,
    token: String,
}

impl Api {
    fn get(&self, path: &str, within: Option<Duration>) -> anyhow::Result<ureq::Body> {
        let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(within).build().into();
        let bearer = format!("Bearer {}", self.token);
        let answer = agent.get(format!("{}{path}", self.base)).header("Authorization", bearer).call();
        Ok(answer.with_context(|| format!("GET {path}"))?.into_body())
    }

    async fn text(&self, path: &'static str) -> anyhow::Result<String> {
        let api = self.clone();
        tokio::task::spawn_blocking(move || {
            Ok(api.get(path, Some(ANSWER_WITHIN))?.with_config().limit(64 << 20).read_to_string()?)
        })
        .await
        .context("asking the server broke off")?
    }
}

/// A new alert: its kind, when it was heard, and how long after the picture's arrival.
struct Heard {
    kind: String,
    at: Mono,
    latency: Duration,
}

/// Counters of the analysis at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
struct Counters {
    /// By camera.
    decoded: BTreeMap<String, f64>,
    /// By model.
    inferred: BTreeMap<String, f64>,
    /// By reason.
    skipped: BTreeMap<String, f64>,
}

impl Counters {
    fn parse(text: &str) -> Counters {
        Counters {
            decoded: counter(text, DECODE_FRAMES, "camera"),
            inferred: counter(text, INFER_FRAMES, "model"),
            skipped: counter(text, INFER_SKIPPED, "reason"),
        }
    }
}

pub struct Watch {
    api: Api,
    clock: Arc<dyn Clock>,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// Ends with the server, which closes the stream when it stops.
    listener: JoinHandle<()>,
    began: Option<(Mono, Counters)>,
    /// Analysis rate by camera, at each look.
    rates: BTreeMap<String, Vec<f64>>,
}

impl Watch {
    /// Listen to the alerts of the server at `base`.
    pub async fn start(base: String, token: String, clock: Arc<dyn Clock>) -> anyhow::Result<Watch> {
        let api = Api { base, token };
        let stream_of = api.clone();
        let open = move || stream_of.get("/api/v1/alerts/stream", None);
        let stream = tokio::task::spawn_blocking(open).await.context("asking the server broke off")??;
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (sink, now) = (heard.clone(), clock.clone());
        let listener = std::thread::Builder::new().name("alerts".into()).spawn(move || {
            let mut known = BTreeSet::new();
            // A broken line is the end: the server stops, or died, which the run itself notices.
            for line in BufReader::new(stream.into_reader()).lines().map_while(Result::ok) {
                let Some((id, kind, at)) = alert_in(&line) else { continue };
                if known.insert(id) {
                    let alert = Heard { kind, at: now.now(), latency: now.wall().since(at) };
                    sink.lock().unwrap_or_else(PoisonError::into_inner).push(alert);
                }
            }
        })?;
        Ok(Watch { api, clock, heard, listener, began: None, rates: BTreeMap::new() })
    }

    /// Measuring begins.
    pub async fn begin(&mut self) -> anyhow::Result<()> {
        let counters = Counters::parse(&self.api.text("/metrics").await?);
        self.began = Some((self.clock.now(), counters));
        Ok(())
    }

    /// Take the cameras' analysis rates.
    pub async fn look(&mut self) -> anyhow::Result<()> {
        for (camera, fps) in rates_in(&self.api.text("/api/v1/cameras").await?)? {
            self.rates.entry(camera).or_default().push(fps);
        }
        Ok(())
    }

    /// Measuring ends.
    pub async fn report(&mut self, cameras: usize) -> anyhow::Result<AnalysisReport> {
        self.look().await?;
        let now = Counters::parse(&self.api.text("/metrics").await?);
        let (began, before) = self.began.clone().context("measuring has not begun")?;
        let camera_seconds = cameras as f64 * self.clock.now().since(began).as_secs_f64();
        let mean = |v: &Vec<f64>| v.iter().sum::<f64>() / v.len().max(1) as f64;
        let rates: BTreeMap<String, f64> = self.rates.iter().map(|(c, v)| (c.clone(), mean(v))).collect();
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let heard: Vec<&Heard> = heard.iter().filter(|h| h.at >= began).collect();
        let latencies: Vec<f64> = heard.iter().map(|h| h.latency.as_secs_f64() * 1000.0).collect();
        let mut alerts_by_kind = BTreeMap::new();
        for alert in &heard {
            *alerts_by_kind.entry(alert.kind.clone()).or_insert(0) += 1;
        }
        let skipped = growth(&before.skipped, &now.skipped);
        Ok(AnalysisReport {
            frames_decoded_per_camera_second: growth(&before.decoded, &now.decoded).values().sum::<f64>()
                / camera_seconds,
            frames_analysed_per_camera_second: rates.values().sum::<f64>() / cameras as f64,
            frames_skipped_per_camera_second: skipped.values().sum::<f64>() / camera_seconds,
            model_runs_per_camera_second: growth(&before.inferred, &now.inferred)
                .into_iter()
                .map(|(model, runs)| (model, runs / camera_seconds))
                .collect(),
            frames_skipped: skipped.into_iter().map(|(reason, n)| (reason, n as u64)).collect(),
            analysis_fps_lowest: rates.values().copied().reduce(f64::min).unwrap_or(0.0),
            analysis_fps: rates,
            alerts: heard.len(),
            alerts_by_kind,
            alert_latency_ms_p50: percentile(&latencies, 0.5),
            alert_latency_ms_p95: percentile(&latencies, 0.95),
            alert_latency_ms_max: percentile(&latencies, 1.0),
        })
    }

    /// After the server's end.
    pub async fn join(self) -> anyhow::Result<()> {
        let joined = tokio::task::spawn_blocking(|| self.listener.join()).await;
        joined.context("waiting broke off")?.map_err(|_| anyhow::anyhow!("listening to alerts panicked"))
    }
}

/// Values of a counter by one of its labels (Prometheus text format).
fn counter(text: &str, name: &str, label: &str) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for line in text.lines() {
        let Some((labels, value)) =
            line.strip_prefix(name).and_then(|l| l.strip_prefix('{')?.split_once('}'))
        else {
            continue;
        };
        // No label of ours holds a comma, a brace or a quote.
        let of = labels.split(',').find_map(|l| l.strip_prefix(label)?.strip_prefix('='));
        if let (Some(of), Ok(value)) = (of, value.trim().parse::<f64>()) {
            *values.entry(of.trim_matches('"').to_owned()).or_insert(0.0) += value;
        }
    }
    values
}

/// What was added; counters that were not there before began at 0.
fn growth(before: &BTreeMap<String, f64>, now: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    now.iter().map(|(k, v)| (k.clone(), v - before.get(k).copied().unwrap_or(0.0))).collect()
}

/// Analysis rate by camera, of those that are analysed.
fn rates_in(cameras: &str) -> anyhow::Result<Vec<(String, f64)>> {
    let list: Value = serde_json::from_str(cameras).context("the list of cameras is no JSON")?;
    let cameras = list["cameras"].as_array().context("there is no list of cameras")?;
    let rate = |c: &Value| Some((c["id"].as_str()?.to_owned(), c["analysis"]["fps"].as_f64()?));
    Ok(cameras.iter().filter_map(rate).collect())
}

/// Id, kind and time of the picture, where a line of the event stream carries an alert.
fn alert_in(line: &str) -> Option<(String, String, Wall)> {
    let alert: Value = serde_json::from_str(line.strip_prefix("data:")?).ok()?;
    let text = |key: &str| alert[key].as_str();
    Some((text("id")?.to_owned(), text("kind")?.to_owned(), text("at")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_by_label_and_their_growth_counts_new_ones_from_zero() {
        let text = "# TYPE pingan_decode_frames_total counter\n\
            pingan_decode_frames_total{camera=\"a\"} 10\n\
            pingan_decode_frames_total{stream=\"main\",camera=\"b\"} 5\n\
            pingan_decode_frames_total_other{camera=\"a\"} 99\n\
            pingan_infer_skipped_total{reason=\"overloaded\"} 3\n";
        let counters = Counters::parse(text);
        assert_eq!(counters.decoded, BTreeMap::from([("a".into(), 10.0), ("b".into(), 5.0)]));
        assert_eq!(counters.skipped, BTreeMap::from([("overloaded".into(), 3.0)]));
        assert!(counters.inferred.is_empty());
        let before = BTreeMap::from([("a".to_owned(), 4.0)]);
        let grown = growth(&before, &counters.decoded);
        assert_eq!(grown, BTreeMap::from([("a".into(), 6.0), ("b".into(), 5.0)]));
    }

    #[test]
    fn alerts_are_told_from_other_lines_of_the_stream() {
        let line = "data: {\"id\":\"x\",\"kind\":\"motion\",\"at\":\"2026-01-02T03:04:05.5Z\",\"seq\":1}";
        let (id, kind, at) = alert_in(line).unwrap();
        assert_eq!((id.as_str(), kind.as_str()), ("x", "motion"));
        assert_eq!(at, "2026-01-02T03:04:05.5Z".parse().unwrap());
        for other in ["", ": keep-alive", "event: alert", "retry: 3000", "data: {}"] {
            assert!(alert_in(other).is_none(), "{other}");
        }
    }

    #[test]
    fn cameras_that_are_not_analysed_have_no_rate() {
        let list = r#"{"cameras":[{"id":"a","analysis":{"fps":4.5}},{"id":"b","analysis":null}]}"#;
        assert_eq!(rates_in(list).unwrap(), [("a".to_owned(), 4.5)]);
        assert!(rates_in("{}").is_err());
    }
}
