//! Profiles: a folder of `NAME.toml` files of one kind, chosen by name.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::error::Kind;

/// A profile that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error("there is no profile '{name}' in {dir}; there are: {}", shown(.available))]
    Unknown { name: String, dir: PathBuf, available: Vec<String> },
    #[error("cannot read profile {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("profile {path} is wrong: {message}")]
    Wrong { path: PathBuf, message: String },
}

impl ProfileError {
    pub fn kind(&self) -> Kind {
        match self {
            ProfileError::Unknown { .. } => Kind::NotFound,
            ProfileError::Read { .. } => Kind::Storage,
            ProfileError::Wrong { .. } => Kind::Invalid,
        }
    }
}

fn shown(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// Names of the profiles in `dir`, sorted; empty when it cannot be read.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// Parse `<dir>/<name>.toml`. A name that is no plain file name is unknown, not looked for.
pub fn read<T: DeserializeOwned>(dir: &Path, name: &str) -> Result<T, ProfileError> {
    let available = names(dir);
    if !available.iter().any(|n| n == name) {
        return Err(ProfileError::Unknown { name: name.into(), dir: dir.into(), available });
    }
    let path = dir.join(format!("{name}.toml"));
    let text =
        std::fs::read_to_string(&path).map_err(|source| ProfileError::Read { path: path.clone(), source })?;
    toml::from_str(&text).map_err(|e| ProfileError::Wrong { path, message: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Tea {
        cups: u32,
    }

    #[test]
    fn an_unknown_name_is_told_what_there_is() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("green.toml"), "cups = 2").unwrap();
        std::fs::write(dir.path().join("black.toml"), "cups = 'two'").unwrap();
        assert_eq!(read::<Tea>(dir.path(), "green").unwrap(), Tea { cups: 2 });
        let e = read::<Tea>(dir.path(), "../green").unwrap_err();
        assert!(e.to_string().ends_with("there are: black, green"), "{e}");
        let e = read::<Tea>(dir.path(), "black").unwrap_err();
        assert!(e.to_string().contains("black.toml"), "{e}");
        assert_eq!(e.kind(), Kind::Invalid);
    }
}
