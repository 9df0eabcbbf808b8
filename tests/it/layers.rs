//! The layer rule as it stands in the docs of `src/lib.rs`: who may import whom.

use std::fs;
use std::path::Path;

use crate::tidy::rust_files;

/// Module, and what of ours it may import. `infer::` stands for its results alone.
const RULE: [(&str, &[&str]); 17] = [
    ("base", &[]),
    ("media", &["base"]),
    ("camera", &["base", "media"]),
    ("ingest", &["base", "media", "camera"]),
    ("gate", &["base", "media", "camera"]),
    ("decode", &["base", "media", "camera"]),
    ("infer", &["base", "media", "camera"]),
    ("track", &["base", "media", "camera", "infer::"]),
    ("rules", &["base", "media", "camera", "infer::", "track"]),
    ("alerts", &["base", "media", "camera", "infer::", "track", "rules"]),
    ("archive", &["base", "media", "camera", "infer::"]),
    ("recorder", &["base", "media", "camera", "archive"]),
    ("export", &["base", "media", "camera", "archive"]),
    ("api", &["base", "media", "camera", "infer::", "rules", "alerts", "archive", "export"]),
    (
        "config",
        &[
            "base", "media", "camera", "ingest", "decode", "infer", "track", "rules", "alerts", "archive",
            "recorder", "export", "api",
        ],
    ),
    ("app", &["*"]),
    ("bench", &["*"]),
];

/// What `infer` says about a frame, as opposed to how it came to say it.
const INFER_RESULTS: [&str; 6] = ["detection", "Class", "Detection", "ModelRef", "Outcome", "SkipReason"];

#[test]
fn modules_import_only_what_the_layer_rule_allows() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in rust_files(&src) {
        let place = file.strip_prefix(&src).unwrap();
        let Some(module) = module_of(place) else { continue };
        if place.iter().any(|part| part == "tests" || part == "tests.rs" || part == "testing.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        // Tests may reach for a lower stage's kit; what ships may not.
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
        seen += imports(&text).len();
        wrong.extend(violations(&module, &text).into_iter().map(|v| format!("src/{}: {v}", place.display())));
    }
    assert!(wrong.is_empty(), "the layer rule (docs of src/lib.rs) is broken:\n{}", wrong.join("\n"));
    assert!(seen > 50, "only {seen} imports were found: the reader of imports is broken");
}

#[test]
fn every_module_has_its_place_in_the_rule() {
    let lib = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    let modules: Vec<&str> =
        lib.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(modules.len(), RULE.len(), "{modules:?}");
    for module in modules {
        assert!(RULE.iter().any(|(m, _)| *m == module), "{module} is not in the rule");
    }
}

#[test]
fn a_violation_is_found_however_it_is_written() {
    for (module, text, want) in [
        ("base", "use crate::media::Point;", vec!["1: base imports media::Point"]),
        (
            "track",
            "use crate::infer::Class;\nuse crate::infer::Settings;",
            vec!["2: track imports infer::Settings"],
        ),
        (
            "track",
            "use crate::infer::{\n    Class,\n    settings::Settings,\n};",
            vec!["1: track imports infer::settings"],
        ),
        (
            "archive",
            "use crate::{base::Wall, recorder, export::{Job}};",
            vec!["1: archive imports recorder", "1: archive imports export::Job"],
        ),
        ("ingest", "fn f() -> crate::app::Run { crate::base::now() }", vec!["1: ingest imports app::Run"]),
        ("rules", "// crate::app is not for us\nlet s = \"crate::app\";\npub(crate) fn f() {}", vec![]),
        ("decode", "use crate::decode::settings::Mode;\nuse super::Mode;", vec![]),
        ("app", "use crate::ingest::Ingest;\nuse crate::api::Router;", vec![]),
    ] {
        assert_eq!(violations(module, text), want, "{text}");
    }
}

/// `lib.rs` and `main.rs` stand above the rule.
fn module_of(place: &Path) -> Option<String> {
    let first = place.components().next()?.as_os_str().to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(name, "lib" | "main")).then(|| name.to_owned())
}

fn violations(module: &str, text: &str) -> Vec<String> {
    let Some((_, may)) = RULE.iter().find(|(m, _)| *m == module) else {
        return vec![format!("{module} is not in the layer rule")];
    };
    let allowed = |path: &str| {
        let (first, rest) = path.split_once("::").unwrap_or((path, ""));
        first == module
            || may.contains(&"*")
            || may.contains(&first)
            || (first == "infer" && may.contains(&"infer::") && INFER_RESULTS.contains(&rest))
    };
    imports(text)
        .into_iter()
        .filter(|(_, path)| !allowed(path))
        .map(|(line, path)| format!("{line}: {module} imports {path}"))
        .collect()
}

/// Every path of ours in the code, to its second name, with its line.
fn imports(text: &str) -> Vec<(usize, String)> {
    let code = without_comments_and_strings(text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` is how macros say it; `my_crate::` is somebody else's.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        for path in tree(&code[at + "crate::".len()..]) {
            let short = path.split("::").take(2).collect::<Vec<_>>().join("::");
            found.push((line, short));
        }
    }
    found
}

/// The paths of a `use` tree that begins `text`: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn tree(text: &str) -> Vec<String> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if let Some(group) = text.strip_prefix('{') {
        return branches(group).into_iter().flat_map(tree).collect();
    }
    if name.is_empty() {
        return Vec::new();
    }
    match rest.strip_prefix("::") {
        Some(more) => {
            let below = tree(more);
            if below.is_empty() {
                return vec![name.into()];
            }
            below.into_iter().map(|b| format!("{name}::{b}")).collect()
        }
        None => vec![name.into()],
    }
}

/// The parts between the commas of a group whose opening brace has been taken.
fn branches(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' => {
                parts.push(&text[start..i]);
                return parts;
            }
            ',' if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts
}

/// Line by line, so that lines keep their numbers. A string over several lines is rare, and would
/// at worst make an innocent path a suspect.
fn without_comments_and_strings(text: &str) -> String {
    text.lines()
        .map(|line| {
            let mut out = String::new();
            let mut quoted = false;
            let mut chars = line.chars().peekable();
            while let Some(c) = chars.next() {
                match c {
                    '\\' if quoted => {
                        chars.next();
                    }
                    '"' => quoted = !quoted,
                    '/' if !quoted && chars.peek() == Some(&'/') => break,
                    _ if quoted => {}
                    c => out.push(c),
                }
            }
            out
        })
        .collect::<Vec<_>>()
        .join("\n")
}
