//! Results of load runs, as a table for people and as JSON for machines.

mod analysis;
mod beside;
mod costs;
mod record;
mod table;

pub use analysis::{AnalyseReport, AnalysisReport, CameraReport};
pub use beside::BesideReport;
pub use costs::Costs;
pub use record::RecordReport;

/// The value below which a `share` (0 to 1) of the values lies, by the nearest rank; `None` of none.
pub fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

pub fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_flat_json_and_a_table() {
        let costs = Costs { cpu_ms_per_camera_second: 3.0, pss_mb: 80.0, ..Default::default() };
        let record = RecordReport { cameras: 8, costs, ..Default::default() };
        let beside = BesideReport::new("ffmpeg", &record, 6.0, 60.0, 40.0);
        assert_eq!((beside.cpu_ratio, beside.pss_ratio), (0.5, 0.25));
        let report = AnalyseReport {
            profile: "people".into(),
            record: RecordReport { beside: vec![beside], ..record },
            ..Default::default()
        };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((&json["cameras"], &json["beside"][0]["cpu_ratio"]), (&8.into(), &0.5.into()));
        assert!(json["alert_latency_ms_p50"].is_null() && json["alerts"] == 0);
        assert_eq!(json["cpu_ms_per_camera_second"], 3.0);
        let table = report.to_string();
        assert!(table.contains("ffmpeg: CPU") && table.contains("alert latency"), "{table}");
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert_eq!((median(&values), percentile(&values, 0.99)), (Some(3.0), Some(5.0)));
        assert_eq!((percentile(&values, 0.0), percentile(&values, 0.2)), (Some(1.0), Some(1.0)));
        assert_eq!(median(&[]), None);
    }
}
