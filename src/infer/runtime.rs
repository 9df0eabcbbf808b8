//! ONNX Runtime: found and started once per process.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::Session;

use super::error::Error;
use super::provider::Provider;

/// The variable that names the library.
pub const VARIABLE: &str = "PINGAN_ORT";

/// Places tried without a setting: where `make setup` puts it, then the system's.
const USUAL: [&str; 3] = [
    ".run/onnxruntime/libonnxruntime.so",
    "/usr/local/lib/libonnxruntime.so",
    "/usr/lib/x86_64-linux-gnu/libonnxruntime.so",
];

/// ONNX Runtime can be loaded once; its environment must outlive all sessions.
static STARTED: Mutex<Option<Environment>> = Mutex::new(None);

/// ONNX Runtime, started.
#[derive(Clone, Debug)]
pub struct Runtime(Environment);

impl Runtime {
    /// Start it from `library`, else from where [`VARIABLE`] says, else from the usual places.
    /// Once it is started, later calls get the same one.
    pub fn start(library: Option<&Path>) -> Result<Runtime, Error> {
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(environment) = &*started {
            return Ok(Runtime(environment.clone()));
        }
        let path = locate(library, std::env::var_os(VARIABLE).map(PathBuf::from), &USUAL.map(PathBuf::from))?;
        let bad = |message: String| Error::BadRuntime { path: path.clone(), message };
        let environment = ort::init_from(&path)
            .map_err(|e| bad(e.to_string()))?
            .with_telemetry(false)
            .build()
            .map_err(|e| bad(e.to_string()))?;
        *started = Some(environment.clone());
        Ok(Runtime(environment))
    }

    /// The providers that it was built with; their hardware may still be missing.
    pub fn providers(&self) -> Vec<Provider> {
        Provider::ALL.into_iter().filter(|p| p.is_built_in()).collect()
    }

    /// A session that computes on the calling thread alone: workers share the cores between them,
    /// and spinning threads would burn what decoding needs.
    ///
    /// # Errors
    /// [`Error::Provider`]: ONNX Runtime cannot compute there. [`Error::Load`]: the weights, of the model
    /// `name`, are damaged.
    pub fn session(&self, name: &str, weights: &Path, provider: Provider) -> Result<Session, Error> {
        let load = |e: ort::Error| Error::Load { name: name.into(), message: e.to_string() };
        let mut builder = Session::builder(&self.0).map_err(load)?;
        match provider.dispatch() {
            Some(dispatch) => {
                builder = builder
                    .with_execution_providers([dispatch])
                    .map_err(|e| Error::Provider { provider, message: e.to_string() })?;
            }
            // Its warnings are of how a model was exported, one for each of its tensors. Elsewhere they tell
            // also what is computed on the CPU instead.
            None => builder = builder.with_log_level(LogLevel::Error).map_err(|e| load(e.into()))?,
        }
        let alone = || -> Result<_, ort::Error> {
            Ok(builder
                .with_intra_threads(1)?
                .with_inter_threads(1)?
                .with_intra_op_spinning(false)?
                .with_inter_op_spinning(false)?)
        };
        alone().and_then(|mut builder| builder.commit_from_file(weights)).map_err(load)
    }
}

/// A place that was named must be right; only without a name the usual ones are tried.
fn locate(setting: Option<&Path>, variable: Option<PathBuf>, usual: &[PathBuf]) -> Result<PathBuf, Error> {
    let named = setting.map(Path::to_owned).or(variable.filter(|v| !v.as_os_str().is_empty()));
    let places = named.map_or_else(|| usual.to_vec(), |place| vec![place]);
    match places.iter().find(|p| p.is_file()) {
        Some(found) => Ok(found.clone()),
        None => Err(Error::NoRuntime { looked_for: places }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_told_with_the_way_to_get_it() {
        let dir = tempfile::tempdir().unwrap();
        let usual = dir.path().join("libonnxruntime.so");
        std::fs::write(&usual, "").unwrap();
        let places = [usual.clone()];
        assert_eq!(locate(None, None, &places).unwrap(), usual);
        let e = locate(None, Some("/nowhere/lib.so".into()), &places).unwrap_err().to_string();
        assert!(e.contains("/nowhere/lib.so") && e.contains("make setup"), "{e}");
        let e = locate(Some(Path::new("/set.so")), Some(usual), &places).unwrap_err().to_string();
        assert!(e.contains("/set.so"), "a setting goes before the variable: {e}");
    }
}
