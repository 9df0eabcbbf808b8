//! What can go wrong in inference.

use std::path::PathBuf;

use crate::base::Kind;
use crate::base::profile::ProfileError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "ONNX Runtime is not there (looked for {}); run `make setup`, or set PINGAN_ORT to a libonnxruntime.so of version 1.32 or newer",
        shown(.looked_for)
    )]
    NoRuntime { looked_for: Vec<PathBuf> },
    #[error("ONNX Runtime {path} cannot be used: {message}; run `make setup` to get the right one")]
    BadRuntime { path: PathBuf, message: String },
    #[error("cannot read the models in {dir}: {source}")]
    Manifests { dir: PathBuf, source: std::io::Error },
    #[error("manifest {path} is wrong: {message}")]
    Manifest { path: PathBuf, message: String },
    #[error("there is no model '{name}'; there are: {}", .available.join(", "))]
    UnknownModel { name: String, available: Vec<String> },
    #[error(
        "ONNX Runtime cannot compute on {provider}: {message}; install a build of it with that provider and what it needs, or set [infer] provider = \"cpu\""
    )]
    Provider { provider: super::provider::Provider, message: String },
    #[error("model '{name}' is not there ({path}); run `pingan models pull {name}`")]
    NotPulled { name: String, path: PathBuf },
    #[error(
        "model '{name}' is not whole: {path}, which comes with the project, is not there; get it from the project's repository"
    )]
    NotWhole { name: String, path: PathBuf },
    #[error(
        "model '{name}': {from} is not the file the manifest names (sha256 {got}, expected {expected}); it was refused. Get the file from {url}, or correct the manifest if you changed the model on purpose"
    )]
    WrongHash { name: String, from: String, expected: String, got: String, url: String },
    #[error(
        "model '{name}': {from} has {got} bytes where the manifest says {expected}; it was refused. Get the right file, or correct the manifest if you changed the model on purpose"
    )]
    WrongSize { name: String, from: String, expected: u64, got: String },
    #[error("model '{name}' cannot be fetched from {from}: {message}; {advice}")]
    Fetch { name: String, from: String, message: String, advice: String },
    #[error("model '{name}': {path}: {source}")]
    Store { name: String, path: PathBuf, source: std::io::Error },
    #[error(
        "model '{name}' does not load: {message}; it is the file that the manifest names, but no model that this ONNX Runtime can read"
    )]
    Load { name: String, message: String },
    #[error(
        "model '{name}' does not keep the contract of family '{family}': {message}; correct its model.toml, or use a model of that family"
    )]
    Contract { name: String, family: &'static str, message: String },
    #[error("model '{name}' failed on a frame: {message}")]
    Run { name: String, message: String },
    #[error("an inference thread does not start: {0}")]
    Thread(std::io::Error),
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Error::UnknownModel { .. }
            | Error::NotPulled { .. }
            | Error::NotWhole { .. }
            | Error::NoRuntime { .. } => Kind::NotFound,
            Error::BadRuntime { .. }
            | Error::Manifest { .. }
            | Error::WrongHash { .. }
            | Error::WrongSize { .. }
            | Error::Load { .. }
            | Error::Contract { .. } => Kind::Invalid,
            Error::Fetch { .. } | Error::Provider { .. } => Kind::Unavailable,
            Error::Manifests { .. } | Error::Store { .. } => Kind::Storage,
            Error::Run { .. } | Error::Thread(_) => Kind::Internal,
            Error::Profile(e) => e.kind(),
        }
    }
}
