//! From what was seen of the analysis to its report. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::api::growth;
use super::events::{Agreement, Happening, Heard, agreement, reference};
use super::looks::Watched;
use super::run::Analysis;
use super::site::Role;
use crate::base::WallSpan;
use crate::base::metrics::{DECODE_FRAMES, INFER_FRAMES, INFER_SKIPPED, WATCH_CPU};
use crate::bench::report::{AnalysisReport, CameraReport, median, percentile};

/// Kinds of rules that tell of the server or a connection, and not of what a picture shows.
const NOT_SEEN: [&str; 2] = ["camera_lost", "under_watched"];

/// What happens in one round of each active clip, in the order of the clips.
pub type Round = Vec<Happening>;

/// What happens later than so long before the end of the measured part may be told after it.
const TELL_WITHIN: Duration = Duration::from_secs(3);

/// What was told of each active clip in the second round of a run in which each plays once.
pub fn rounds(analysis: &Analysis) -> Vec<Round> {
    let mut rounds = BTreeMap::new();
    for (id, known) in &analysis.known {
        let (Role::Active(clip), Some(played)) = (known.role, analysis.played.get(id)) else { continue };
        let Some((zero, _)) = played.sessions.first() else { continue };
        let round = Duration::from_micros(played.duration.micros() as u64);
        let second = WallSpan::new(*zero + round, *zero + round * 2);
        rounds.insert(clip, reference(played, second, of_camera(&analysis.seen.heard, id)));
    }
    rounds.into_values().collect()
}

fn of_camera<'a>(heard: &'a [Heard], id: &'a str) -> impl Iterator<Item = &'a Heard> {
    heard.iter().filter(move |h| h.camera == id && is_seen(h))
}

fn is_seen(heard: &Heard) -> bool {
    !NOT_SEEN.contains(&heard.kind.as_str())
}

/// The report; against `alone`, where the clips were analysed alone.
pub fn of(analysis: &Analysis, alone: Option<&[Round]>) -> AnalysisReport {
    let seen = &analysis.seen;
    let watched = seen.polls.watched(&analysis.known, &analysis.played);
    let mut report = AnalysisReport {
        cameras_active: analysis.known.values().filter(|k| matches!(k.role, Role::Active(_))).count(),
        cameras_idle: analysis.known.values().filter(|k| k.role == Role::Idle).count(),
        ..AnalysisReport::default()
    };
    let span = WallSpan::new(seen.span.start, seen.span.end - TELL_WITHIN);
    let mut sum = Agreement::default();
    for (id, known) in &analysis.known {
        let heard: Vec<&Heard> = of_camera(&seen.heard, id).collect();
        let within = heard.iter().filter(|h| seen.span.contains(h.at)).count();
        let expected = match (known.role, alone) {
            (Role::Active(clip), Some(rounds)) => rounds.get(clip).map(Vec::as_slice),
            (Role::Idle, Some(_)) => Some(&[][..]),
            _ => None,
        };
        let played = analysis.played.get(id).cloned().unwrap_or_default();
        let agreement = expected.map(|expected| agreement(expected, &played, span, &heard));
        sum += agreement.unwrap_or_default();
        report.alerts_of_idle_cameras += if known.role == Role::Idle { within } else { 0 };
        let watched = watched.get(id).cloned().unwrap_or_default();
        report.by_camera.insert(id.clone(), camera(known.role, &watched, within, agreement));
    }
    if let Some(rounds) = alone {
        report.agrees(sum, rounds.iter().map(Vec::len).sum());
    }
    rates(&mut report, &watched.values().collect::<Vec<_>>());
    counters(&mut report, analysis);
    latencies(&mut report, analysis);
    report
}

fn camera(role: Role, watched: &Watched, alerts: usize, agreement: Option<Agreement>) -> CameraReport {
    CameraReport {
        role: match role {
            Role::Any => "any",
            Role::Idle => "idle",
            Role::Active(_) => "active",
        },
        fps: watched.fps,
        fps_busy: watched.fps_busy,
        longest_s: watched.longest.as_secs_f64(),
        ratio: watched.ratio,
        ratio_lowest: watched.ratio_lowest,
        alerts,
        agreement,
    }
}

/// Rates and intervals over all cameras.
fn rates(report: &mut AnalysisReport, watched: &[&Watched]) {
    let fps: Vec<f64> = watched.iter().map(|w| w.fps).collect();
    report.frames_analysed_per_camera_second = fps.iter().sum::<f64>() / report.by_camera.len().max(1) as f64;
    report.analysis_fps_lowest = percentile(&fps, 0.0).unwrap_or(0.0);
    let cameras = || report.by_camera.values();
    let busy: Vec<f64> = cameras().filter_map(|c| c.fps_busy).collect();
    let longest =
        |role: &str| cameras().filter(|c| c.role == role).map(|c| c.longest_s).collect::<Vec<f64>>();
    let (idle, active) = (longest("idle"), longest("active"));
    report.active_fps_mean = (!busy.is_empty()).then(|| busy.iter().sum::<f64>() / busy.len() as f64);
    report.active_fps_lowest = percentile(&busy, 0.0);
    report.idle_longest_s = percentile(&idle, 1.0);
    report.idle_longest_median_s = median(&idle);
    report.active_longest_s = percentile(&active, 1.0);
    let ratios: Vec<f64> = cameras().filter_map(|c| c.ratio).collect();
    report.watch_ratio_mean = (!ratios.is_empty()).then(|| ratios.iter().sum::<f64>() / ratios.len() as f64);
    report.watch_ratio_lowest = cameras().filter_map(|c| c.ratio_lowest).reduce(f64::min);
}

/// What the server's counters grew by.
fn counters(report: &mut AnalysisReport, analysis: &Analysis) {
    let seen = &analysis.seen;
    let camera_seconds = analysis.known.len() as f64 * seen.seconds;
    let grown = |name, label| growth(&seen.before.by(name, label, &[]), &seen.after.by(name, label, &[]));
    let skipped = grown(INFER_SKIPPED, "reason");
    // Looks at idle cameras are decoded together and carry no camera's name.
    let decoded = seen.after.sum(DECODE_FRAMES) - seen.before.sum(DECODE_FRAMES);
    report.frames_decoded_per_camera_second = decoded / camera_seconds;
    let stages = grown(WATCH_CPU, "stage").into_iter();
    report.stage_cpu_ms_per_camera_second =
        stages.map(|(s, cpu)| (s, cpu * 1000.0 / camera_seconds)).collect();
    (report.stretch, report.stretch_most) = seen.polls.stretch();
    report.frames_skipped_per_camera_second = skipped.values().sum::<f64>() / camera_seconds;
    report.frames_skipped = skipped.into_iter().map(|(reason, n)| (reason, n as u64)).collect();
    report.model_runs_per_camera_second = grown(INFER_FRAMES, "model")
        .into_iter()
        .map(|(model, runs)| (model, runs / camera_seconds))
        .collect();
}

/// How soon alerts of the measured part were heard.
fn latencies(report: &mut AnalysisReport, analysis: &Analysis) {
    let heard: Vec<&Heard> = analysis.seen.heard.iter().filter(|h| h.heard >= analysis.seen.began).collect();
    report.alerts = heard.len();
    for alert in &heard {
        *report.alerts_by_kind.entry(alert.kind.clone()).or_insert(0) += 1;
    }
    let latencies: Vec<f64> =
        heard.iter().filter(|h| is_seen(h)).map(|h| h.latency.as_secs_f64() * 1000.0).collect();
    report.alert_latency_ms_p50 = median(&latencies);
    report.alert_latency_ms_p95 = percentile(&latencies, 0.95);
    report.alert_latency_ms_max = percentile(&latencies, 1.0);
    report.alert_latencies_ms = latencies;
}

#[cfg(test)]
mod tests {
    use super::super::api::Metrics;
    use super::super::events::{Played, What};
    use super::super::looks::{Known, Polls};
    use super::super::watch::Seen;
    use super::*;
    use crate::base::{Mono, Wall};
    use crate::media::Pts;

    fn at(s: f64) -> Wall {
        Wall((s * 1e6) as i64)
    }

    fn heard(camera: &str, rule: &str, kind: &str, s: f64) -> Heard {
        Heard {
            camera: camera.into(),
            what: What { rule: rule.into(), direction: None },
            kind: kind.into(),
            at: at(s),
            heard: Mono(Duration::from_secs_f64(s)),
            latency: Duration::from_millis(300),
        }
    }

    /// Two cameras whose clip of 10 s began at 100 s; measured from `from` for 20 s.
    fn analysis(from: f64, heard: Vec<Heard>) -> Analysis {
        let played = Played { duration: Pts(10 * Pts::HZ), sessions: vec![(at(100.0), at(100.0))] };
        let known = |role| Known { role, ..Known::default() };
        Analysis {
            seen: Seen {
                began: Mono(Duration::from_secs_f64(from)),
                span: WallSpan::new(at(from), at(from + 20.0)),
                seconds: 20.0,
                before: Metrics("pingan_watch_cpu_seconds{stage=\"decode\"} 1\n".into()),
                after: Metrics("pingan_watch_cpu_seconds{stage=\"decode\"} 1.4\n".into()),
                polls: Polls::default(),
                heard,
            },
            known: [("a".to_owned(), known(Role::Active(0))), ("i".to_owned(), known(Role::Idle))].into(),
            played: [("a".to_owned(), played.clone()), ("i".to_owned(), played)].into(),
        }
    }

    #[test]
    fn events_under_load_are_held_against_the_second_round_alone() {
        let zone = |camera: &str, s| heard(camera, "zone", "intrusion", s);
        // Alone: the first round tells nothing yet.
        let alone = rounds(&analysis(100.0, vec![zone("a", 114.0), heard("a", "w", "under_watched", 115.0)]));
        assert_eq!(alone.iter().map(Vec::len).collect::<Vec<_>>(), [1]);
        // Under load: rounds at 200 and 210, of which the first is found; an idle camera tells as well.
        let load = analysis(
            200.0,
            vec![zone("a", 204.3), zone("i", 207.0), heard("i", "w", "under_watched", 208.0)],
        );
        let report = of(&load, Some(&alone));
        assert_eq!(
            (report.events_expected, report.events_found, report.events_extra),
            (Some(2), Some(1), Some(1))
        );
        assert_eq!((report.events_found_share, report.events_alone), (Some(0.5), Some(1)));
        assert_eq!((report.alerts_of_idle_cameras, report.alerts), (1, 3));
        assert_eq!(report.alert_latencies_ms, [300.0, 300.0]);
        assert_eq!((report.cameras_active, report.cameras_idle), (1, 1));
        assert!((report.stage_cpu_ms_per_camera_second["decode"] - 10.0).abs() < 1e-6);
        // Without the run alone nothing is said about events.
        assert_eq!(of(&load, None).events_expected, None);
    }
}
