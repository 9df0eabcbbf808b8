//! What the server under measurement says over its own API.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::base::Wall;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A list of a thousand cameras has about 1 MB, their metrics a few.
const LONGEST: u64 = 64 << 20;

#[derive(Clone)]
pub struct Api {
    /// Such as `http://127.0.0.1:8088`.
    base: String,
    bearer: String,
    agent: ureq::Agent,
}

impl Api {
    pub fn new(base: String, token: &str) -> Api {
        let agent = ureq::Agent::config_builder().timeout_global(Some(ANSWER_WITHIN)).build().into();
        Api { base, bearer: format!("Bearer {token}"), agent }
    }

    fn get(&self, agent: &ureq::Agent, path: &str) -> anyhow::Result<ureq::Body> {
        let answer = agent.get(format!("{}{path}", self.base)).header("Authorization", &self.bearer).call();
        Ok(answer.with_context(|| format!("GET {path}"))?.into_body())
    }

    /// Opens an answer that does not end. Blocks until it begins.
    pub fn stream(&self, path: &str) -> anyhow::Result<ureq::Body> {
        self.get(&ureq::Agent::config_builder().timeout_global(None).build().into(), path)
    }

    async fn read<T: Send + 'static>(
        &self,
        path: &'static str,
        take: impl FnOnce(ureq::BodyWithConfig) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let api = self.clone();
        let read = move || {
            let mut body = api.get(&api.agent, path)?;
            take(body.with_config().limit(LONGEST)).with_context(|| format!("the answer of {path}"))
        };
        tokio::task::spawn_blocking(read).await.context("asking the server broke off")?
    }

    pub async fn metrics(&self) -> anyhow::Result<Metrics> {
        Ok(Metrics(self.read("/metrics", |body| Ok(body.read_to_string()?)).await?))
    }

    pub async fn cameras(&self) -> anyhow::Result<Vec<CameraNow>> {
        Ok(self.json::<CameraList>("/api/v1/cameras").await?.cameras)
    }

    async fn json<T: DeserializeOwned + Send + 'static>(&self, path: &'static str) -> anyhow::Result<T> {
        // Text first: reading JSON from a stream byte by byte takes several times as long.
        self.read(path, |body| Ok(serde_json::from_str(&body.read_to_string()?)?)).await
    }
}

#[derive(Deserialize)]
struct CameraList {
    cameras: Vec<CameraNow>,
}

/// A camera as the API shows it; only what load runs look at.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct CameraNow {
    pub id: String,
    /// Of the main stream: `online` and others.
    #[serde(default)]
    pub state: String,
    #[serde(default)]
    pub streams: Vec<StreamNow>,
    pub analysis: Option<AnalysisNow>,
    pub watch: Option<WatchNow>,
}

/// How closely the server says it watches a camera, against what the camera's rules need.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct WatchNow {
    /// Effective over needed rate; 1 where nothing is missing.
    pub ratio: Option<f64>,
    /// By how much it shrinks the rates of all cameras now.
    pub stretch: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct StreamNow {
    pub state: String,
    #[serde(default)]
    pub reconnects: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct AnalysisNow {
    /// Frames analysed per second, over the last seconds.
    pub fps: f64,
    /// When the frame that was analysed last arrived.
    pub last_frame: Option<Wall>,
}

/// Metrics in Prometheus' text format.
#[derive(Debug)]
pub struct Metrics(pub String);

impl Metrics {
    /// Values of a counter or gauge, summed over all labels but this one, of those that carry every
    /// label of `with`.
    pub fn by(&self, name: &str, label: &str, with: &[(&str, &str)]) -> BTreeMap<String, f64> {
        let mut values = BTreeMap::new();
        for (labels, value) in self.lines(name) {
            // No label of ours holds a comma, a brace or a quote.
            let of = |label: &str| {
                let found = labels.split(',').find_map(|l| l.strip_prefix(label)?.strip_prefix('='));
                found.map(|v| v.trim_matches('"'))
            };
            if with.iter().all(|(label, value)| of(label) == Some(value))
                && let Some(of) = of(label)
            {
                *values.entry(of.to_owned()).or_insert(0.0) += value;
            }
        }
        values
    }

    /// The sum over all labels.
    pub fn sum(&self, name: &str) -> f64 {
        self.lines(name).map(|(_, value)| value).sum()
    }

    fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.split_once('}')?,
                None => ("", rest.strip_prefix(' ')?),
            };
            Some((labels, value.trim().parse().ok()?))
        })
    }
}

/// What was added; counters that were not there before began at 0.
pub fn growth(before: &BTreeMap<String, f64>, now: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    now.iter().map(|(k, v)| (k.clone(), v - before.get(k).copied().unwrap_or(0.0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_by_label_and_their_growth_counts_new_ones_from_zero() {
        let text = "# TYPE pingan_decode_frames_total counter\n\
            pingan_decode_frames_total{camera=\"a\"} 10\n\
            pingan_decode_frames_total{stream=\"main\",camera=\"b\"} 5\n\
            pingan_decode_frames_total{stream=\"sub\",camera=\"b\"} 1\n\
            pingan_decode_frames_total_other{camera=\"a\"} 99\n\
            pingan_plain_total 3\n";
        let metrics = Metrics(text.into());
        let decoded = metrics.by("pingan_decode_frames_total", "camera", &[]);
        assert_eq!(decoded, BTreeMap::from([("a".into(), 10.0), ("b".into(), 6.0)]));
        let main = metrics.by("pingan_decode_frames_total", "camera", &[("stream", "main")]);
        assert_eq!(main, BTreeMap::from([("b".into(), 5.0)]));
        assert_eq!((metrics.sum("pingan_plain_total"), metrics.sum("pingan_absent")), (3.0, 0.0));
        let grown = growth(&BTreeMap::from([("a".to_owned(), 4.0)]), &decoded);
        assert_eq!(grown, BTreeMap::from([("a".into(), 6.0), ("b".into(), 6.0)]));
    }

    #[test]
    fn cameras_that_are_not_analysed_are_read_as_well() {
        let list = r#"{"cameras":[{"id":"a","state":"online","analysis":{"fps":4.5,"last_frame":null}},
            {"id":"b","analysis":null,"more":[1]}]}"#;
        let cameras = serde_json::from_str::<CameraList>(list).unwrap().cameras;
        assert_eq!(cameras[0].analysis.as_ref().map(|a| a.fps), Some(4.5));
        assert!(cameras[1].analysis.is_none() && cameras[0].state == "online");
    }
}
