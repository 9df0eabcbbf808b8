//! The report as one page that needs nothing else.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::past::Past;
use super::picture::Album;
use crate::api::{BacktestReport, CameraTrial, Standing, TrialAlert};

const STYLE: &str = ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;\
margin:2rem auto;padding:0 1rem}h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem}table{border-collapse:\
collapse}td,th{padding:.15rem .9rem .15rem 0;text-align:right;font-variant-numeric:tabular-nums;border-bottom:\
1px solid #8884}td:first-child,th:first-child{text-align:left}.cards{display:grid;gap:1rem;\
grid-template-columns:repeat(auto-fill,minmax(17rem,1fr))}figure{margin:0;border:1px solid #8886;border-top:\
4px solid #888;border-radius:4px;overflow:hidden}figure.new{border-top-color:#2a9d4b}figure.gone{border-top-color:\
#d0543f}img{width:100%;display:block}figcaption{padding:.5rem .7rem;font-size:.9rem}.none{padding:3rem 1rem;\
text-align:center;opacity:.6}p.note{opacity:.75}";

/// Write the page, with `most` pictures at most.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write(past: &Past, report: &BacktestReport, most: usize, file: &Path) -> anyhow::Result<()> {
    let page = page(report, &mut Album::new(past, most));
    std::fs::write(file, page).with_context(|| format!("cannot write {}", file.display()))
}

fn page(report: &BacktestReport, album: &mut Album) -> String {
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Rules tried on the past</title><style>{STYLE}</style></head><body>\
         <h1>Rules tried on the past</h1><p>{} to {}: {} alerts kept, {} new, {} gone.</p>\
         <table><tr><th>camera</th><th>kept</th><th>new</th><th>gone</th><th>observed</th><th>decoded</th>\
         <th>unknown</th></tr>",
        report.from, report.to, report.counts.kept, report.counts.new, report.counts.gone
    );
    for c in &report.cameras {
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.0} s</td><td>{:.0} s</td><td>{:.0} s</td></tr>",
            c.camera, c.counts.kept, c.counts.new, c.counts.gone, c.observed_s, c.decoded_s, c.unknown_s
        );
    }
    out += "</table>";
    for c in &report.cameras {
        camera(&mut out, c, album);
    }
    if album.left_out > 0 {
        let _ = write!(
            out,
            "<p class=\"note\">{} alerts are shown without a picture: --pictures.</p>",
            album.left_out
        );
    }
    out + "</body></html>\n"
}

fn camera(out: &mut String, trial: &CameraTrial, album: &mut Album) {
    let _ = write!(out, "<h2>{}</h2>", trial.camera);
    for note in &trial.notes {
        let _ = write!(out, "<p class=\"note\">{}</p>", escaped(note));
    }
    *out += "<div class=\"cards\">";
    for alert in &trial.alerts {
        card(out, trial, alert, album);
    }
    *out += "</div>";
}

fn card(out: &mut String, trial: &CameraTrial, alert: &TrialAlert, album: &mut Album) {
    let (class, word) = match alert.standing {
        Standing::Kept => ("kept", "kept"),
        Standing::New => ("new", "new: it would be raised"),
        Standing::Gone => ("gone", "gone: it was raised and would not be"),
    };
    let _ = write!(out, "<figure class=\"{class}\">");
    match album.picture(trial, alert) {
        Some(jpeg) => {
            let _ = write!(
                out,
                "<img loading=\"lazy\" alt=\"\" src=\"data:image/jpeg;base64,{}\">",
                STANDARD.encode(jpeg)
            );
        }
        None => *out += "<div class=\"none\">no picture</div>",
    }
    let id =
        alert.alert.as_deref().map(|id| format!("<br><small>{}</small>", escaped(id))).unwrap_or_default();
    let _ = write!(
        out,
        "<figcaption><b>{}</b> ({})<br>{}<br>{}<br>{word}{id}</figcaption></figure>",
        escaped(&alert.rule),
        escaped(&alert.kind),
        alert.at,
        escaped(&alert.message)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
