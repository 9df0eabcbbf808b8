//! From the file as written to [`Settings`]. All problems are found in one go: whatever is wrong is
//! reported and replaced by its default, so that the rest can be looked at too.

mod camera;
mod include;
mod profiles;
mod rule;
mod server;
mod source;
mod values;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document::{Document, Place};
use super::problem::{Problem, Problems, Report};
use super::settings::Camera;
use super::{Settings, raw, schema};
use crate::rules::RuleSpec;

use camera::CameraDefaults;
use profiles::Profiles;

/// Read the main file and what it includes.
///
/// # Errors
/// All problems of all files at once.
pub fn load(file: &Path) -> Result<Settings, Problems> {
    let mut report = Report::default();
    let mut files = vec![file.to_path_buf()];
    let settings = main(file, &mut files, &mut report);
    report.sort(&files);
    match settings {
        Some(settings) if report.problems.is_empty() => {
            Ok(Settings { warnings: report.warnings, ..settings })
        }
        _ => Err(Problems { problems: report.problems, warnings: report.warnings }),
    }
}

/// Read rules by themselves: `[[rule]]` with the keys of `[[camera.rule]]`. `file` is what problems name.
///
/// # Errors
/// All problems at once; having no rule is one.
pub fn rules(text: &str, file: &Path) -> Result<Vec<RuleSpec>, Problems> {
    let mut report = Report::default();
    let mut rules: Vec<RuleSpec> = Vec::new();
    if let Some((doc, raw)) = parsed::<raw::RuleFile>(file, text.into(), &schema::rule_file(), &mut report) {
        for (i, raw) in raw.rule.into_iter().flatten().enumerate() {
            let at = doc.root().key("rule").item(i);
            let Some(rule) = rule::resolve(&at, raw, &mut report) else { continue };
            if rules.iter().any(|r| r.id == rule.id) {
                let what = format!("the rule id '{}' is taken in this file", rule.id);
                at.key("id").error(&mut report, what, "give each rule an id of its own");
            }
            rules.push(rule);
        }
    }
    report.sort(&[file.to_path_buf()]);
    match report.problems.is_empty() {
        true => Ok(rules),
        false => Err(Problems { problems: report.problems, warnings: report.warnings }),
    }
}

fn main(file: &Path, files: &mut Vec<PathBuf>, report: &mut Report) -> Option<Settings> {
    let (doc, raw) = read::<raw::Main>(file, &schema::schema(), report)?;
    let root = doc.root();
    let mut settings = server::resolve(&root, &raw, report);
    settings.file = file.into();
    settings.folders = vec![values::folder_of(file)];

    let mut profiles = Profiles::new(&settings.pipelines);
    profiles.check_decode(&root, &settings.decode, report);
    let base = CameraDefaults::default().under(&root.key("defaults"), raw.defaults, &mut profiles, report);

    let included = include::files(&root, raw.include.as_deref().unwrap_or_default(), report);
    settings.folders.extend(included.folders);
    settings.folders.sort();
    settings.folders.dedup();
    files.extend(included.files.iter().cloned());

    let mut site = Site { profiles, cameras: Vec::new(), ids: HashMap::new() };
    site.take(&root, raw.camera, &base, report);
    let camera_file = schema::camera_file();
    for file in &included.files {
        let Some((doc, raw)) = read::<raw::CameraFile>(file, &camera_file, report) else { continue };
        let root = doc.root();
        let base = base.clone().under(&root.key("defaults"), raw.defaults, &mut site.profiles, report);
        site.take(&root, raw.camera, &base, report);
    }
    settings.cameras = site.cameras;
    Some(settings)
}

/// What has been gathered over all files.
struct Site {
    profiles: Profiles,
    cameras: Vec<Camera>,
    /// Where each id was first used.
    ids: HashMap<String, String>,
}

impl Site {
    fn take(
        &mut self,
        root: &Place,
        cameras: Option<Vec<raw::Camera>>,
        base: &CameraDefaults,
        report: &mut Report,
    ) {
        for (i, raw) in cameras.into_iter().flatten().enumerate() {
            let at = root.key("camera").item(i);
            if let Some(id) = &raw.id {
                let here = at.key("id");
                if let Some(first) = self.ids.get(id) {
                    let what = format!("the camera id '{id}' is taken: {first} has it");
                    here.error(report, what, "give each camera an id of its own");
                } else {
                    self.ids.insert(id.clone(), here.shown());
                }
            }
            self.cameras.extend(camera::resolve(&at, raw, base, &mut self.profiles, report));
        }
    }
}

fn read<T: DeserializeOwned>(file: &Path, schema: &Value, report: &mut Report) -> Option<(Document, T)> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) => {
            let what = format!("the file cannot be read: {e}");
            report.problems.push(whole(file, what, "check the path and who may read the file"));
            return None;
        }
    };
    parsed(file, text, schema, report)
}

fn parsed<T: DeserializeOwned>(
    file: &Path,
    text: String,
    schema: &Value,
    report: &mut Report,
) -> Option<(Document, T)> {
    let doc = Document::parse(file, text, schema, report);
    match serde_json::from_value(doc.fitting.clone()) {
        Ok(raw) => Some((doc, raw)),
        // The error itself may quote a value, so it stays out.
        Err(_) => {
            let what = "the file fits the schema and still cannot be read".to_owned();
            report.problems.push(whole(
                file,
                what,
                "this is a defect of pingan: please report it with the file",
            ));
            None
        }
    }
}

fn whole(file: &Path, what: String, hint: &str) -> Problem {
    Problem { file: file.into(), line: 0, column: 0, key: String::new(), what, hint: hint.into() }
}
