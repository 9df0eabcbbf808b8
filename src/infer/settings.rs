//! Settings of inference.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::error::Error;
use super::provider::Provider;
use crate::base::profile;

#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// `libonnxruntime.so`; `None`: `PINGAN_ORT`, then the usual places. Without it there is
    /// motion detection only.
    pub runtime: Option<PathBuf>,
    /// Folder of `NAME/model.toml` manifests.
    pub manifests: PathBuf,
    /// Folder into which weights are pulled: `<store>/NAME/<file>`.
    pub store: PathBuf,
    /// Where models are computed.
    pub provider: Provider,
}

/// What analytics does with a camera: a file in `pipelines/`.
#[derive(Clone, PartialEq, Debug)]
pub struct AnalyticsProfile {
    pub name: String,
    /// Models by manifest name, each run on every analysed frame.
    pub models: Vec<String>,
    /// Motion detection on every analysed frame.
    pub motion: bool,
    /// Frames analysed per second while something moves.
    pub fps: f32,
    /// While nothing moves, a look at least this often.
    pub look_every: Duration,
    /// Look for faces closer, where something moves or people are, in pictures that the models see
    /// shrunk; with the time that the machine has to spare.
    pub closer: bool,
}

/// The file of an [`AnalyticsProfile`], whose name is the file's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    models: Vec<String>,
    motion: bool,
    fps: f32,
    #[serde(default = "look_every")]
    look_every: String,
    #[serde(default)]
    closer: bool,
}

fn look_every() -> String {
    "4s".into()
}

/// `"4s"` or `"0.5s"`.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f32 = text.strip_suffix('s')?.parse().ok()?;
    (0.1..=60.0).contains(&seconds).then(|| Duration::from_secs_f32(seconds))
}

impl AnalyticsProfile {
    /// Read `<dir>/<name>.toml`; `dir` is `pipelines/analytics`.
    pub fn load(dir: &Path, name: &str) -> Result<AnalyticsProfile, Error> {
        let file: ProfileFile = profile::read(dir, name)?;
        if !(0.0..=60.0).contains(&file.fps) {
            let message = format!("fps = {} must lie between 0 and 60", file.fps);
            return Err(
                profile::ProfileError::Wrong { path: dir.join(format!("{name}.toml")), message }.into()
            );
        }
        let Some(look_every) = seconds(&file.look_every) else {
            let message = format!("look_every = \"{}\" must lie between 0.1s and 60s", file.look_every);
            return Err(
                profile::ProfileError::Wrong { path: dir.join(format!("{name}.toml")), message }.into()
            );
        };
        Ok(AnalyticsProfile {
            name: name.into(),
            models: file.models,
            motion: file.motion,
            fps: file.fps,
            look_every,
            closer: file.closer,
        })
    }

    /// Whether frames are looked at at all.
    pub fn looks(&self) -> bool {
        self.fps > 0.0 && (self.motion || !self.models.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::Registry;

    #[test]
    fn the_profiles_of_the_project_load_and_name_models_that_exist() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let dir = root.join("pipelines/analytics");
        let registry = Registry::open(&root.join("models"), Path::new("store")).unwrap();
        let names = profile::names(&dir);
        let all = ["faces", "motion", "nano", "nano-int8", "none", "people", "people-faces", "people-light"];
        assert_eq!(names, all);
        for name in names {
            let profile = AnalyticsProfile::load(&dir, &name).unwrap();
            assert_eq!(profile.looks(), name != "none");
            for model in &profile.models {
                registry.manifest(model).unwrap();
            }
        }
        let e = AnalyticsProfile::load(&dir, "poeple").unwrap_err().to_string();
        assert!(e.contains("people-faces"), "{e}");
    }
}
