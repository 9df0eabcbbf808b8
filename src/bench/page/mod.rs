//! Reports as one page that needs nothing else: no script, no font, no picture from anywhere.

mod svg;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;

use super::machine::Machine;
use super::report::{AnalyseReport, AnalysisReport, RecordReport};
use svg::{Plot, Series};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;\
color:#1c2126;background:#fff}h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.2rem}\
table{border-collapse:collapse}td{padding:.12rem .9rem .12rem 0;border-bottom:1px solid #e4e7ea}\
td:last-child{text-align:right;font-variant-numeric:tabular-nums}p.note{color:#5a646e;max-width:46rem}\
svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#3d464f}";

/// Writes the page of a run that records.
pub fn record(report: &RecordReport, machine: &Machine, file: &Path) -> anyhow::Result<()> {
    let mut page = Page::new(&format!("{} cameras recorded", report.cameras), machine);
    page.run(report);
    page.table("All figures", &report.to_string());
    page.write(file)
}

/// Writes the page of a run that records and analyses.
pub fn analyse(report: &AnalyseReport, machine: &Machine, file: &Path) -> anyhow::Result<()> {
    let title = format!("{} cameras recorded and analysed", report.record.cameras);
    let mut page = Page::new(&title, machine);
    page.run(&report.record);
    page.watched(&report.analysis);
    page.table("All figures", &report.to_string());
    page.write(file)
}

struct Page(String);

impl Page {
    fn new(title: &str, machine: &Machine) -> Page {
        let title = escaped(title);
        Page(format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body>\
             <h1>{title}</h1><p class=\"note\">{}</p>",
            escaped(&machine.to_string())
        ))
    }

    fn plot(&mut self, title: &str, note: &str, plot: &Plot) {
        let _ = write!(self.0, "<h2>{}</h2><p class=\"note\">{}</p>{plot}", escaped(title), escaped(note));
    }

    fn run(&mut self, report: &RecordReport) {
        let line = &report.timeline;
        let over = |of: &dyn Fn(&crate::bench::load::sample::Moment) -> f64| {
            line.iter().map(|m| (m.second, of(m))).collect::<Vec<_>>()
        };
        let mut stages: Vec<(&String, f64)> = Vec::new();
        for (name, ms) in &report.costs.threads {
            stages.push((name, *ms));
        }
        stages.sort_by(|a, b| b.1.total_cmp(&a.1));
        let series = stages.iter().filter(|(_, ms)| *ms > 0.0).map(|(name, _)| Series {
            name: (*name).clone(),
            points: over(&|m| m.threads.get(*name).copied().unwrap_or(0.0)),
        });
        let mut plot = Plot::new("seconds", "cores").stacked(series.collect());
        plot.lines
            .push(Series { name: "load generator (apart)".into(), points: over(&|m| m.generator_cores) });
        self.plot(
            "Processor by stage",
            "Share of one core by the names of the server's threads, stacked.",
            &plot,
        );

        let mut plot = Plot::new("seconds", "MiB");
        plot.lines.push(Series { name: "resident memory".into(), points: over(&|m| m.rss_mb) });
        self.plot("Memory", "Of the server, all together.", &plot);

        let mut loss = String::new();
        let mut row = |name: &str, value: i64| {
            let _ = write!(loss, "<tr><td>{}</td><td>{value}</td></tr>", escaped(name));
        };
        row("frames sent", report.frames_sent as i64);
        row("frames found in the recordings", report.frames_recorded as i64);
        row("frames lost", report.frames_lost);
        row("frames that the server read too slowly to be sent", report.frames_unsent as i64);
        report.gaps.iter().for_each(|(cause, n)| row(&format!("gaps in the ledger: {cause}"), *n as i64));
        let _ = write!(self.0, "<h2>Loss</h2><table>{loss}</table>");
    }

    fn watched(&mut self, report: &AnalysisReport) {
        let plot = Plot::new("milliseconds", "alerts").histogram(&report.alert_latencies_ms, 40);
        let note = "From the time of the picture that shows the event to the alert's arrival at a reader.";
        match report.alert_latencies_ms.is_empty() {
            true => self.0 += "<h2>Alert latency</h2><p class=\"note\">There was no alert.</p>",
            false => self.plot("Alert latency", note, &plot),
        }
        let sorted = |role: &str, of: &dyn Fn(&super::report::CameraReport) -> Option<f64>| {
            let mut values: Vec<f64> =
                report.by_camera.values().filter(|c| c.role == role).filter_map(of).collect();
            values.sort_by(f64::total_cmp);
            let n = values.len().max(2) - 1;
            let points = values.into_iter().enumerate().map(|(i, v)| (i as f64 * 100.0 / n as f64, v));
            Series { name: format!("{role} cameras"), points: points.collect() }
        };
        let both = |y: &'static str, of: &dyn Fn(&super::report::CameraReport) -> Option<f64>| {
            let mut plot = Plot::new("cameras in order, %", y);
            let series = ["idle", "active"].map(|role| sorted(role, of));
            plot.lines.extend(series.into_iter().filter(|s| !s.points.is_empty()));
            plot
        };
        let plot = both("effective / needed", &|c| c.ratio_lowest);
        if !plot.lines.is_empty() {
            self.plot(
                "Effective rate per camera",
                "The lowest of each camera over the run, as the server says; 1 is all that its rules need.",
                &plot,
            );
        }
        let plot = both("frames/s", &|c| c.fps_busy.or(Some(c.fps)));
        self.plot(
            "Frames analysed per second",
            "Of active cameras while somebody was in the picture, where that is known.",
            &plot,
        );
        let plot = both("seconds", &|c| Some(c.longest_s));
        self.plot(
            "Longest time without a look",
            "Of each camera, between two frames that were looked at.",
            &plot,
        );
    }

    /// A table as it is printed, rows of a name and a value behind two spaces or more.
    fn table(&mut self, title: &str, text: &str) {
        let _ = write!(self.0, "<h2>{}</h2><table>", escaped(title));
        for line in text.lines() {
            let (name, value) = line.trim_end().rsplit_once(' ').unwrap_or((line, ""));
            let deep = if name.starts_with(' ') { "&emsp;" } else { "" };
            let _ =
                write!(self.0, "<tr><td>{deep}{}</td><td>{}</td></tr>", escaped(name.trim()), escaped(value));
        }
        self.0 += "</table>";
    }

    fn write(self, file: &Path) -> anyhow::Result<()> {
        std::fs::write(file, self.0 + "</body></html>\n")
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::sample::Moment;
    use crate::bench::report::CameraReport;

    #[test]
    fn a_page_stands_alone_and_shows_what_was_measured() {
        let mut report = AnalyseReport { profile: "a<b".into(), ..AnalyseReport::default() };
        let moment = |second| Moment {
            second,
            server_cores: 1.0,
            generator_cores: 0.2,
            rss_mb: 300.0,
            threads: [("look".to_owned(), 0.7)].into(),
        };
        report.record.timeline = vec![moment(1.0), moment(2.0)];
        report.record.costs.threads = [("look".to_owned(), 1.4)].into();
        report.record.gaps = [("overload".to_owned(), 2)].into();
        report.analysis.alert_latencies_ms = vec![200.0, 400.0, 410.0];
        let camera = |role, fps| CameraReport { role, fps, ..CameraReport::default() };
        report.analysis.by_camera =
            [("a".to_owned(), camera("idle", 0.25)), ("b".to_owned(), camera("active", 5.0))].into();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("report.html");
        analyse(&report, &Machine::default(), &file).unwrap();
        let page = std::fs::read_to_string(&file).unwrap();
        for must in ["look", "load generator", "gaps in the ledger: overload", "Alert latency", "a&lt;b"] {
            assert!(page.contains(must), "{must}");
        }
        for never in ["<script", "http://", "https://", "@import", "NaN", "inf"] {
            assert!(!page.contains(never), "{never}");
        }
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(page.matches("<svg").count() >= 5);
    }
}
