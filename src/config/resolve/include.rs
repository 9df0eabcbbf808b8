//! Which files `include` names.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::config::document::Place;
use crate::config::problem::Report;

use super::values::{folder_of, in_folder};

#[derive(Default)]
pub struct Included {
    /// By name within each entry of the list; no file twice.
    pub files: Vec<PathBuf>,
    pub folders: Vec<PathBuf>,
}

pub fn files(root: &Place, entries: &[String], report: &mut Report) -> Included {
    let mut out = Included::default();
    for (i, entry) in entries.iter().enumerate() {
        let at = root.key("include").item(i);
        let path = in_folder(root.folder(), Path::new(entry));
        let (folder, pattern) = if path.is_dir() {
            (path, "*.toml".to_owned())
        } else {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            (folder_of(&path), name)
        };
        if folder.to_string_lossy().contains('*') {
            at.error(report, "'*' stands before the last '/'", "use '*' in the file name only");
            continue;
        }
        match matching(&folder, &pattern) {
            Ok(found) => {
                // An empty folder is a site to which cameras will be added; a missing file is a slip.
                if found.is_empty() && !pattern.contains('*') {
                    let what = format!("there is no file {}", folder.join(&pattern).display());
                    at.error(report, what, "correct the name, or remove the entry");
                } else if found.is_empty() {
                    at.warn(report, "no file matches", "put camera files there, or remove the entry");
                }
                out.files.extend(found);
                out.folders.push(folder);
            }
            Err(e) => {
                let what = format!("the folder {} cannot be read: {e}", folder.display());
                at.error(report, what, "correct the path, or remove the entry");
            }
        }
    }
    // By what they are, not by how they are written; and `*.toml` must not take in the main file.
    let same = |f: &Path| f.canonicalize().unwrap_or_else(|_| f.to_path_buf());
    let mut seen = HashSet::from([same(root.file())]);
    out.files.retain(|f| seen.insert(same(f)));
    out
}

/// Hidden files never match: editors keep their copies there.
fn matching(folder: &Path, pattern: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        if !name.starts_with('.') && fits(pattern, name) {
            found.push(folder.join(name));
        }
    }
    found.sort();
    Ok(found)
}

/// Whether `name` fits `pattern`, in which each `*` stands for any characters.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(i) => rest = &rest[i + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, want) in [
            ("*.toml", "a.toml", true),
            ("*.toml", "a.toml~", false),
            ("unit-*.toml", "unit-07.toml", true),
            ("unit-*.toml", "yard-07.toml", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("gate.toml", "gate.toml", true),
            ("gate.toml", "gate.toml.bak", false),
        ] {
            assert_eq!(fits(pattern, name), want, "{pattern} {name}");
        }
    }
}
