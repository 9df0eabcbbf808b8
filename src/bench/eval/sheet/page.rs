//! The page: figures first, then the pictures by condition and clip. It needs nothing from anywhere, and works
//! without its script.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::bench::eval::degrade::Degradation;
use crate::bench::eval::facts::Score;
use crate::bench::eval::job::Done;
use crate::bench::eval::precision::Recall;
use crate::bench::eval::report::{AS_IT_IS, CONDITION_HEAD, Report, share};
use crate::bench::page::escaped;

use super::choose::fitting;
use super::figure::{class, figure};
use super::shot::Shot;
use super::want::Kind;

const STYLE: &str = include_str!("page.css");
/// Shows only figures with a text; the field for it is hidden where there are no scripts.
const SCRIPT: &str = "const field=document.getElementById('only');field.parentElement.hidden=false;\
field.oninput=()=>{for(const f of document.querySelectorAll('figure'))\
f.hidden=!f.dataset.text.includes(field.value.toLowerCase())}";

/// How the run was called, so that a part of it can be called again.
pub struct Setup {
    pub data: PathBuf,
    pub models: Vec<String>,
    /// Other options with their values.
    pub options: Vec<(&'static str, String)>,
}

impl Setup {
    /// The command that plays one clip again in one condition.
    fn again(&self, file: &str, how: Option<Degradation>) -> String {
        let models: String = self.models.iter().map(|m| format!(" --model {}", quoted(m))).collect();
        let how = how.map_or(String::new(), |how| format!(" --degrade {how} --keep degraded"));
        let options: String =
            self.options.iter().map(|(name, v)| format!(" --{name} {}", quoted(v))).collect();
        let data = quoted(&self.data.display().to_string());
        format!("pingan eval --data {data} --clip {}{models}{options}{how} --html again.html", quoted(file))
    }

    /// The command that takes one frame out of the footage as it is.
    pub fn frame(&self, file: &str, frame: usize) -> String {
        let path = self.data.join("footage").join(file).display().to_string();
        format!("ffmpeg -i {} -vf 'select=eq(n\\,{frame})' -frames:v 1 frame-{frame}.png", quoted(&path))
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// Write the page of a run. A clip's missed and false ones beyond a dozen of a kind, and what makes the page
/// too large, have no picture; the page says how many.
///
/// # Errors
/// The file cannot be written.
pub fn write(file: &Path, report: &Report, done: Vec<Done>, setup: &Setup) -> anyhow::Result<()> {
    let html = page(report, done, setup);
    std::fs::write(file, html).with_context(|| format!("cannot write {}", file.display()))
}

fn page(report: &Report, done: Vec<Done>, setup: &Setup) -> String {
    let title = format!("What {} found", report.models.join(" and "));
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{0}</title><style>{STYLE}{1}</style></head><body><h1>{0}</h1>\
         <p class=\"note\">Footage of {2}, whose truth is known. Times are seconds from a clip's first frame, \
         frames count from 0.</p>",
        escaped(&title),
        hiding(),
        escaped(&setup.data.display().to_string())
    );
    out += &figures(report);
    let conditions = conditions(&done);
    let all: usize = conditions.iter().map(|(_, n)| n).sum();
    let (mut shots, _) = fitting(done.into_iter().flat_map(|d| d.shots).collect());
    let _ = write!(out, "<h2>What was missed and what was false</h2><p class=\"note\">{all} in all");
    if all > shots.len() {
        let left_out = all - shots.len();
        let _ = write!(out, "; {left_out} of them are left out here, so that the page stays small");
    }
    out += ".</p>";
    out += &controls(&shots);
    shots.sort_by(|a, b| a.file.cmp(&b.file).then((a.want.kind as u8).cmp(&(b.want.kind as u8))));
    for (how, all) in conditions {
        let shots: Vec<&Shot> = shots.iter().filter(|s| s.how == how).collect();
        let name = how.map_or(AS_IT_IS.to_owned(), |how| how.to_string());
        let _ = write!(out, "<h2>Footage {}: {} of {all}</h2>", escaped(&name), shots.len());
        for of_clip in shots.chunk_by(|a, b| a.file == b.file) {
            let file = &of_clip[0].file;
            let _ = write!(
                out,
                "<section><h3>{}</h3><p class=\"note\">again: <code>{}</code></p><div class=\"shots\">",
                escaped(file),
                escaped(&setup.again(file, how))
            );
            of_clip.iter().for_each(|shot| out += &figure(shot, setup));
            out += "</div></section>";
        }
    }
    let _ = writeln!(out, "<script>{SCRIPT}</script></body></html>");
    out
}

/// The conditions in their order, and how many missed and false ones each has.
fn conditions(done: &[Done]) -> Vec<(Option<Degradation>, usize)> {
    let mut conditions: Vec<(Option<Degradation>, usize)> = Vec::new();
    for done in done {
        let n = done.shots.len() + done.without_shot;
        match conditions.iter_mut().find(|(how, _)| *how == done.job.how) {
            Some((_, sum)) => *sum += n,
            None => conditions.push((done.job.how, n)),
        }
    }
    conditions
}

/// A kind whose box is not ticked is not shown.
fn hiding() -> String {
    let rule = |kind: &Kind| {
        let name = class(*kind);
        format!("body:has(#show-{name}:not(:checked)) figure.{name}{{display:none}}")
    };
    Kind::ALL.iter().map(rule).collect::<String>() + "body:has(#marks:not(:checked)) .marks{display:none}"
}

fn controls(shots: &[Shot]) -> String {
    let mut out = "<form class=\"controls\" onsubmit=\"return false\">".to_owned();
    for kind in Kind::ALL {
        let n = shots.iter().filter(|s| s.want.kind == kind).count();
        let (name, id) = (kind.as_str(), class(kind));
        let _ = write!(out, "<label><input type=\"checkbox\" id=\"show-{id}\" checked> {name} ({n})</label>");
    }
    out += "<label><input type=\"checkbox\" id=\"marks\" checked> boxes</label>\
            <label hidden>only <input type=\"search\" id=\"only\" placeholder=\"clip, rule, condition\"></label></form>\
            <p class=\"legend\">";
    for (role, means) in [
        ("truth", "truth, found"),
        ("missed", "truth, missed"),
        ("ignored", "truth, does not count"),
        ("right", "detected, right"),
        ("false", "detected or told, false"),
        ("seen", "detected where no boxes are known"),
        ("rule", "line or zone of the rule"),
    ] {
        let _ = write!(
            out,
            "<span><svg viewBox=\"0 0 20 14\"><rect class=\"{role}\" x=\"2\" y=\"2\" width=\"16\" height=\"10\"/>\
             </svg> {means}</span>"
        );
    }
    out + "</p>"
}

fn figures(report: &Report) -> String {
    let mut out = "<h2>All figures</h2>".to_owned();
    let part = |r: Recall| format!("{}/{}", r.found, r.expected);
    let boxes = [("faces on single frames", &report.faces), ("persons on single frames", &report.persons)];
    let rows = boxes.map(|(name, b)| {
        let counts = [b.score.expected, b.score.found, b.score.extra].map(|n| n.to_string());
        let shares = [share(b.recall), share(b.precision), share(b.ap)];
        let sizes = [part(b.small), part(b.middle), part(b.large)];
        [vec![name.to_owned()], counts.into(), shares.into(), sizes.into()].concat()
    });
    let head = ["", "expected", "found", "false", "recall", "precision", "AP", "small", "middle", "large"];
    out += &table(&head, &rows);
    if !report.conditions.is_empty() {
        out += "<h3>Degraded footage</h3><p class=\"note\">Each clip once, encoded anew; the first row are the \
                same clips as they are. In empty: events told where nobody is.</p>";
        let rows: Vec<_> = report.conditions.iter().map(|c| c.cells()).collect();
        out += &table(&CONDITION_HEAD, &rows);
    }
    let counts = |s: Score| [s.expected, s.found, s.extra].map(|n| n.to_string()).to_vec();
    let mut rows = vec![
        [vec!["all events".to_owned(), String::new()], counts(report.events), vec![String::new()]].concat(),
    ];
    for clip in &report.clips {
        rows.extend(clip.facts.iter().map(|fact| {
            let name = vec![clip.file.clone(), fact.rule.clone()];
            [name, counts(fact.score), vec![fact.notes.join("; ")]].concat()
        }));
    }
    out += "<h3>Events</h3>";
    out + &table(&["clip", "rule", "expected", "found", "extra", ""], &rows)
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        cells.map(|c| format!("<{tag}>{}</{tag}>", escaped(c))).collect::<String>()
    };
    let mut out = format!("<div class=\"wide\"><table><tr>{}</tr>", cells("th", &mut head.iter().copied()));
    for row in rows {
        let _ = write!(out, "<tr>{}</tr>", cells("td", &mut row.iter().map(String::as_str)));
    }
    out + "</table></div>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::eval::job::Job;
    use crate::bench::eval::report::Condition;
    use crate::bench::eval::sheet::figure::testing::shot;

    fn report() -> Report {
        Report {
            models: vec!["<m>".into()],
            events: Score { expected: 3, found: 2, extra: 1 },
            faces: Default::default(),
            persons: Default::default(),
            clips: Vec::new(),
            conditions: vec![Condition { name: "as it is".into(), ..Default::default() }],
            speed: 1.0,
        }
    }

    fn setup() -> Setup {
        Setup { data: "it's <here>".into(), models: vec!["m".into()], options: vec![("fps", "5".into())] }
    }

    fn done(shots: Vec<Shot>, without_shot: usize) -> Done {
        let how = shots[0].how;
        Done {
            job: Job { file: shots[0].file.clone(), truth: None, how },
            clip: None,
            in_empty: 0,
            faces: Default::default(),
            persons: Default::default(),
            seconds: 1.0,
            shots,
            without_shot,
        }
    }

    #[test]
    fn a_page_stands_alone_and_groups_its_pictures_by_condition_and_clip() {
        let night = Shot { how: Some(Degradation::Night), ..shot("b", Kind::MissedEvent) };
        let of_b = vec![shot("b", Kind::FalseFace), shot("b", Kind::MissedFace)];
        let all = vec![done(of_b, 0), done(vec![shot("a", Kind::FalseFace)], 0), done(vec![night], 0)];
        let page = page(&report(), all, &setup());
        for never in ["http://", "https://", "@import", "src=", "<link", "NaN", "<m>", "<here>"] {
            assert!(!page.contains(never), "{never}");
        }
        let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
        let order = [
            "Footage as it is: 3 of 3",
            "<h3>a</h3>",
            "<h3>b</h3>",
            "Footage night: 1 of 1",
            "--degrade night",
        ];
        assert!(order.map(place).is_sorted(), "{:?}", order.map(place));
        assert!(place("<figure class=\"missed-face\"") > place("<h3>b</h3>"));
        assert!(page.contains("4 in all.") && page.contains("prefers-color-scheme:dark"));
        assert!(page.contains("missed face (1)") && page.contains("false face (2)"));
        assert_eq!(page.matches("<script").count(), 1);
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    }

    #[test]
    fn what_has_no_picture_is_counted() {
        let page = page(&report(), vec![done(vec![shot("a", Kind::FalseFace)], 41)], &setup());
        assert!(page.contains("42 in all; 41 of them are left out here"), "{page}");
        assert!(page.contains("Footage as it is: 1 of 42"), "{page}");
    }

    #[test]
    fn words_are_quoted_as_a_shell_takes_them() {
        assert_eq!(quoted("../shared/a-1.mp4"), "../shared/a-1.mp4");
        assert_eq!(quoted("it's $x"), "'it'\\''s $x'");
        assert_eq!(quoted(""), "''");
    }
}
