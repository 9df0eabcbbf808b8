//! What the code must not hold.

use std::fs;
use std::path::{Path, PathBuf};

/// Every `.rs` file below `folder`.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    files(folder).into_iter().filter(|f| f.extension().is_some_and(|e| e == "rs")).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(t) if t.is_dir() => waiting.push(entry.path()),
                Ok(t) if t.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Rust sources with their place in the repository.
fn sources() -> Vec<(String, String)> {
    let all: Vec<PathBuf> =
        ["src", "tests", "benches"].iter().flat_map(|f| rust_files(&root().join(f))).collect();
    assert!(all.len() > 20, "only {} sources were found", all.len());
    all.into_iter()
        .map(|f| {
            let text = fs::read_to_string(&f).unwrap();
            (f.strip_prefix(root()).unwrap().display().to_string(), text)
        })
        .collect()
}

/// Lines of code (no comments) that hold one of `words`, as `place:line: word`.
fn lines_with(place: &str, text: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let hits = words.iter().filter(|w| code.contains(**w));
        found.extend(hits.map(|w| format!("{place}:{}: {w}", i + 1)));
    }
    found
}

/// The same text with everything before its unit tests made empty, so that lines keep their numbers.
fn tests_of(place: &str, text: &str) -> String {
    if place.starts_with("tests/") || place.ends_with("tests.rs") {
        return text.into();
    }
    let begin = text.lines().position(|l| l == "#[cfg(test)]").unwrap_or(usize::MAX);
    text.lines().enumerate().map(|(i, l)| if i < begin { "\n".into() } else { format!("{l}\n") }).collect()
}

fn none(found: Vec<String>, why: &str) {
    assert!(found.is_empty(), "{why}:\n{}", found.join("\n"));
}

#[test]
fn no_file_is_longer_than_800_lines() {
    let long = sources().into_iter().map(|(place, text)| (place, text.lines().count()));
    none(long.filter(|(_, n)| *n > 800).map(|(p, n)| format!("{p}: {n}")).collect(), "split these files");
}

#[test]
fn nothing_is_left_to_do_in_code() {
    let words = [concat!("todo", "!("), concat!("unimplemented", "!(")];
    let found = sources().iter().flat_map(|(p, t)| lines_with(p, t, &words)).collect();
    none(found, "write these, or return an error that says what is missing");
}

#[test]
fn tests_do_not_sleep() {
    let words = [concat!("thread::", "sleep("), concat!("time::", "sleep(")];
    let found = sources().iter().flat_map(|(p, t)| lines_with(p, &tests_of(p, t), &words)).collect();
    none(found, "wait for what is to happen instead, or move a simulated clock");
}

#[test]
fn every_channel_is_bounded() {
    let words = [
        concat!("unbounded", "_channel"),
        concat!("channel::", "unbounded"),
        concat!("unbounded", "("),
        concat!("mpsc::", "channel()"),
    ];
    let found = sources()
        .iter()
        .filter(|(place, _)| place.starts_with("src/") && !place.contains("/tests"))
        .flat_map(|(p, t)| lines_with(p, t.split("#[cfg(test)]\nmod tests").next().unwrap(), &words))
        .collect();
    none(found, "use base::queue");
}

#[test]
fn nothing_knows_the_machine_it_was_written_on() {
    let words = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let folders = ["src", "tests", "benches", "config", "docs", "scripts", "pipelines", "models", ".ci"];
    let mut all: Vec<PathBuf> = folders.iter().flat_map(|f| files(&root().join(f))).collect();
    all.extend(["Makefile", "Cargo.toml", "README.md", "deny.toml"].map(|f| root().join(f)));
    let mut found = Vec::new();
    for file in all {
        // What is not text holds no paths of ours.
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for (i, line) in text.lines().enumerate() {
            let hits = words.iter().filter(|w| line.contains(**w));
            found.extend(hits.map(|w| format!("{}:{}: {w}", file.display(), i + 1)));
        }
    }
    none(found, "use paths relative to the repository");
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let text = "fn a() { b(); } // c()\n#[cfg(test)]\nmod tests { b(); c(); }\n";
    assert_eq!(lines_with("x", text, &["b("]), ["x:1: b(", "x:3: b("]);
    assert_eq!(lines_with("x", text, &["c("]), ["x:3: c("]);
    assert_eq!(lines_with("x", &tests_of("x", text), &["b("]), ["x:3: b("]);
    assert_eq!(tests_of("tests/it/x.rs", text), text);
}
