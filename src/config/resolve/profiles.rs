//! Which profiles there are: file names in the pipelines folder. What stands in them is read by
//! their owners.

use std::path::{Path, PathBuf};

use crate::config::NO_ANALYTICS;
use crate::config::document::{Place, near};
use crate::config::problem::Report;

pub struct Profiles {
    analytics: Folder,
    decode: Folder,
}

struct Folder {
    path: PathBuf,
    /// `Err` when the folder cannot be read; told once.
    names: Result<Vec<String>, std::io::Error>,
    told: bool,
}

impl Profiles {
    pub fn new(pipelines: &Path) -> Self {
        Profiles {
            analytics: Folder::read(pipelines.join("analytics")),
            decode: Folder::read(pipelines.join("decode")),
        }
    }

    pub fn check_analytics(&mut self, at: &Place, name: &str, report: &mut Report) {
        if name != NO_ANALYTICS {
            self.analytics.check(at, name, report);
        }
    }

    /// `auto` needs no file.
    pub fn check_decode(&mut self, root: &Place, name: &str, report: &mut Report) {
        if name != "auto" {
            self.decode.check(&root.key("decode").key("profile"), name, report);
        }
    }
}

impl Folder {
    fn read(path: PathBuf) -> Self {
        let names = std::fs::read_dir(&path).map(|entries| {
            let mut names: Vec<String> = entries
                .flatten()
                .filter_map(|e| e.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
                .collect();
            names.sort();
            names
        });
        Folder { path, names, told: false }
    }

    fn check(&mut self, at: &Place, name: &str, report: &mut Report) {
        match &self.names {
            Ok(names) if names.iter().any(|n| n == name) => {}
            Ok(names) => {
                let hint = match near(name, names.iter().map(String::as_str)) {
                    Some(n) => format!("did you mean \"{n}\"? There are: {}", names.join(", ")),
                    None => format!("in {} there are: {}", self.path.display(), names.join(", ")),
                };
                at.error(report, format!("there is no profile '{name}'"), hint);
            }
            Err(_) if self.told => {}
            Err(e) => {
                let what = format!("the folder of profiles {} cannot be read: {e}", self.path.display());
                let hint = "start the server in its own folder, or set `pipelines` in [server]";
                at.error(report, what, hint);
                self.told = true;
            }
        }
    }
}
