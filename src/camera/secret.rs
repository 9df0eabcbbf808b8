//! References to secrets. A secret's value is read when it is needed and never kept, shown or logged.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// `env:NAME` or `file:PATH`.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum SecretRef {
    Env(String),
    File(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("a secret is a reference, 'env:NAME' or 'file:PATH', never the value itself")]
    NotAReference,
    #[error("environment variable {0} is not set; set it, or use file:PATH")]
    NoEnv(String),
    #[error("cannot read the secret file {path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
}

impl SecretRef {
    /// The value, without a trailing line end.
    pub fn read(&self) -> Result<String, SecretError> {
        match self {
            SecretRef::Env(name) => std::env::var(name).map_err(|_| SecretError::NoEnv(name.clone())),
            SecretRef::File(path) => std::fs::read_to_string(path)
                .map(|s| s.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|source| SecretError::File { path: path.clone(), source }),
        }
    }
}

impl FromStr for SecretRef {
    type Err = SecretError;
    /// The error does not repeat the text: it may be a password put here by mistake.
    fn from_str(s: &str) -> Result<Self, SecretError> {
        match s.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(SecretRef::Env(name.into())),
            Some(("file", path)) if !path.is_empty() => Ok(SecretRef::File(path.into())),
            _ => Err(SecretError::NotAReference),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Env(n) => write!(f, "env:{n}"),
            SecretRef::File(p) => write!(f, "file:{}", p.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_password_is_refused_and_not_repeated() {
        let e = "hunter2".parse::<SecretRef>().unwrap_err().to_string();
        assert!(!e.contains("hunter2"), "{e}");
        assert_eq!("env:CAM".parse::<SecretRef>().unwrap(), SecretRef::Env("CAM".into()));
    }
}
