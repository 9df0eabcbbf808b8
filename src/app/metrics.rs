//! The Prometheus recorder, installed once per process.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::base::metrics::{ALERT_LATENCY, INFER_SECONDS, describe};

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Install the recorder; must come before anything counts. A second call gives the same handle.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full(INFER_SECONDS.into()),
            &[0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5],
        )?
        .set_buckets_for_metric(
            Matcher::Full(ALERT_LATENCY.into()),
            &[0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0, 5.0, 10.0],
        )?
        .install_recorder()
        .context("cannot install the metrics recorder")?;
    describe();
    Ok(HANDLE.get_or_init(|| handle).clone())
}

/// How often [`upkeep`] must run, so that histograms do not grow between scrapes.
pub const UPKEEP: Duration = Duration::from_secs(5);

/// Fold what histograms have gathered.
pub fn upkeep() {
    if let Some(handle) = HANDLE.get() {
        handle.run_upkeep();
    }
}
