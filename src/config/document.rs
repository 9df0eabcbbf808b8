//! A TOML file with the place of everything in it, checked against the schema of `raw`.
//!
//! serde stops at the first error. A person wants all of them, so the spanned document is walked:
//! what does not fit is reported with its place and left out, and what remains always deserialises.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::problem::{Problem, Report};
use super::schema::target;

/// Where keys and values stand in one file.
#[derive(Debug)]
pub(super) struct Document {
    pub file: PathBuf,
    /// What fits the schema; the rest is left out.
    pub fitting: Value,
    text: String,
    /// Byte offset of the value, by path such as `camera[3].url`.
    marks: HashMap<String, usize>,
}

impl Document {
    pub fn parse(file: &Path, text: String, schema: &Value, report: &mut Report) -> Document {
        let mut doc = Document { file: file.into(), fitting: Value::Null, text, marks: HashMap::new() };
        let mut found = Vec::new();
        {
            let (root, errors) = DeTable::parse_recoverable(&doc.text);
            for e in errors {
                let at = e.span().map(|s| s.start);
                // `message` alone: the full display quotes the line, which may hold a secret.
                found.push(Found {
                    at,
                    key: String::new(),
                    what: format!("this is not TOML: {}", e.message()),
                    hint: "correct the syntax (toml.io tells how TOML is written)".into(),
                });
            }
            let mut walk = Walk { schema, marks: &mut doc.marks, found: &mut found };
            walk.marks.insert(String::new(), 0);
            doc.fitting = Value::Object(walk.table(schema, root.get_ref(), ""));
        }
        for f in found {
            let problem = doc.problem(f.at, f.key, f.what, f.hint);
            report.problems.push(problem);
        }
        doc
    }

    /// The place of the whole file.
    pub fn root(&self) -> Place<'_> {
        Place { doc: self, path: String::new() }
    }

    fn problem(&self, at: Option<usize>, key: String, what: String, hint: String) -> Problem {
        let (line, column) = at.map_or((0, 0), |at| self.line_column(at));
        Problem { file: self.file.clone(), line, column, key, what, hint }
    }

    fn line_column(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// A key of a document, there or not.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    doc: &'a Document,
    path: String,
}

impl<'a> Place<'a> {
    pub fn key(&self, name: &str) -> Place<'a> {
        Place { doc: self.doc, path: join(&self.path, name) }
    }

    pub fn item(&self, index: usize) -> Place<'a> {
        Place { doc: self.doc, path: format!("{}[{index}]", self.path) }
    }

    /// Whether the file says anything here, right or wrong.
    pub fn is_written(&self) -> bool {
        self.doc.marks.contains_key(&self.path)
    }

    /// The folder from which relative paths in this file start.
    pub fn folder(&self) -> &'a Path {
        self.doc.file.parent().unwrap_or(Path::new(""))
    }

    pub fn file(&self) -> &'a Path {
        &self.doc.file
    }

    /// Such as `site.toml:12`.
    pub fn shown(&self) -> String {
        let p = self.problem(String::new(), String::new());
        format!("{}:{}", p.file.display(), p.line)
    }

    pub fn error(&self, report: &mut Report, what: impl Into<String>, hint: impl Into<String>) {
        report.problems.push(self.problem(what.into(), hint.into()));
    }

    pub fn warn(&self, report: &mut Report, what: impl Into<String>, hint: impl Into<String>) {
        report.warnings.push(self.problem(what.into(), hint.into()));
    }

    /// Something that is not there is reported at the table in which it is missing.
    fn problem(&self, what: String, hint: String) -> Problem {
        let mut path = self.path.as_str();
        loop {
            if let Some(at) = self.doc.marks.get(path) {
                return self.doc.problem(Some(*at), self.path.clone(), what, hint);
            }
            path = path.rfind(['.', '[']).map_or("", |i| &path[..i]);
        }
    }
}

struct Found {
    at: Option<usize>,
    key: String,
    what: String,
    hint: String,
}

struct Walk<'a> {
    schema: &'a Value,
    marks: &'a mut HashMap<String, usize>,
    found: &'a mut Vec<Found>,
}

impl Walk<'_> {
    fn refuse(&mut self, at: usize, key: &str, what: String, hint: String) {
        self.found.push(Found { at: Some(at), key: key.into(), what, hint });
    }

    fn table(&mut self, schema: &Value, table: &DeTable, path: &str) -> Map<String, Value> {
        let none = Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let mut out = Map::new();
        for (key, value) in table.iter() {
            let name = key.get_ref().as_ref();
            let here = join(path, name);
            self.marks.insert(here.clone(), value.span().start);
            match known.get(name) {
                Some(schema) => {
                    if let Some(v) = self.value(schema, value, &here) {
                        out.insert(name.into(), v);
                    }
                }
                None => self.refuse(
                    key.span().start,
                    &here,
                    format!("'{name}' is not a key here"),
                    unknown_hint(name, known),
                ),
            }
        }
        self.missing(schema, table, path);
        out
    }

    fn missing(&mut self, schema: &Value, table: &DeTable, path: &str) {
        let at = self.marks.get(path).copied().unwrap_or(0);
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if !table.iter().any(|(k, _)| k.get_ref() == name) {
                self.refuse(
                    at,
                    &join(path, name),
                    format!("'{name}' is missing"),
                    format!("add a line `{name} = …` to this table"),
                );
            }
        }
    }

    /// The value as JSON if it fits. A list fits as a whole or not at all, so that one bad point does
    /// not turn a square into a triangle; lists of tables keep every table and thereby their numbers.
    fn value(&mut self, schema: &Value, value: &Spanned<DeValue>, path: &str) -> Option<Value> {
        let root = self.schema;
        let schema = target(root, schema);
        let at = value.span().start;
        if let Some(words) = words(schema) {
            return self.word(&words, value, path);
        }
        let want = schema.get("type").and_then(Value::as_str).unwrap_or_default();
        match (want, value.get_ref()) {
            ("object", DeValue::Table(t)) => Some(Value::Object(self.table(schema, t, path))),
            ("array", DeValue::Array(items)) => self.list(schema, items.iter(), at, path),
            ("string", DeValue::String(s)) => Some(Value::from(s.as_ref())),
            ("boolean", DeValue::Boolean(b)) => Some(Value::from(*b)),
            // All whole numbers of `raw` are unsigned: their schema has a minimum of at least 0.
            ("integer", DeValue::Integer(i)) => {
                self.number(schema, whole(i), at, path).map(|v| Value::from(v as u64))
            }
            ("number", DeValue::Integer(i)) => self.number(schema, whole(i), at, path).map(Value::from),
            ("number", DeValue::Float(f)) => {
                self.number(schema, f.as_str().replace('_', "").parse().ok(), at, path).map(Value::from)
            }
            (want, got) => {
                let (what, hint) = (format!("this is {}", kind_of(got)), format!("write {}", wanted(want)));
                self.refuse(at, path, what, hint);
                None
            }
        }
    }

    fn word(&mut self, words: &[&str], value: &Spanned<DeValue>, path: &str) -> Option<Value> {
        let what = match value.get_ref() {
            DeValue::String(s) if words.contains(&s.as_ref()) => return Some(Value::from(s.as_ref())),
            DeValue::String(s) => format!("'{s}' is not known here"),
            other => format!("this is {}", kind_of(other)),
        };
        let near = match value.get_ref() {
            DeValue::String(s) => near(s, words.iter().copied()),
            _ => None,
        };
        let list = words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(", ");
        let hint = match near {
            Some(n) => format!("did you mean \"{n}\"? Known are {list}"),
            None => format!("write one of {list}"),
        };
        self.refuse(value.span().start, path, what, hint);
        None
    }

    fn list<'v>(
        &mut self,
        schema: &Value,
        items: impl ExactSizeIterator<Item = &'v Spanned<DeValue<'v>>>,
        at: usize,
        path: &str,
    ) -> Option<Value> {
        let bound = |name| schema.get(name).and_then(Value::as_u64).map(|n| n as usize);
        let (min, max) = (bound("minItems").unwrap_or(0), bound("maxItems").unwrap_or(usize::MAX));
        let count = items.len();
        if count < min || count > max {
            let want = if min == max { format!("exactly {min}") } else { format!("at least {min}") };
            let s = if count == 1 { "" } else { "s" };
            self.refuse(
                at,
                path,
                format!("this list has {count} item{s}"),
                format!("{want} items belong here"),
            );
            return None;
        }
        let item = schema.get("items").unwrap_or(&Value::Null);
        let mut out = Some(Vec::with_capacity(count));
        for (i, v) in items.enumerate() {
            let here = format!("{path}[{i}]");
            self.marks.insert(here.clone(), v.span().start);
            match (self.value(item, v, &here), &mut out) {
                (Some(v), Some(list)) => list.push(v),
                _ => out = None,
            }
        }
        out.map(Value::Array)
    }

    fn number(&mut self, schema: &Value, value: Option<f64>, at: usize, path: &str) -> Option<f64> {
        let bound = |name| schema.get(name).and_then(Value::as_f64);
        let format = schema.get("format").and_then(Value::as_str);
        let max =
            bound("maximum").unwrap_or(if format == Some("uint32") { u32::MAX.into() } else { f64::MAX });
        let min = bound("minimum").unwrap_or(f64::MIN);
        match value {
            Some(v) if (min..=max).contains(&v) => Some(v),
            _ => {
                let hint = if max < u32::MAX.into() {
                    format!("write a number from {min} to {max}")
                } else if min > f64::MIN {
                    format!("write a number of at least {min}")
                } else {
                    "write a finite number".to_owned()
                };
                self.refuse(at, path, "this number is out of range".into(), hint);
                None
            }
        }
    }
}

fn whole(i: &DeInteger) -> Option<f64> {
    i64::from_str_radix(&i.as_str().replace('_', ""), i.radix()).ok().map(|i| i as f64)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

/// The words of an enumeration: schemars writes documented ones as `oneOf` of `const`.
fn words(schema: &Value) -> Option<Vec<&str>> {
    let mut out = Vec::new();
    for one in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        out.extend(one.get("const").and_then(Value::as_str));
        out.extend(one.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str));
    }
    out.extend(schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str));
    (!out.is_empty()).then_some(out)
}

fn kind_of(v: &DeValue) -> &'static str {
    match v {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn wanted(schema_type: &str) -> &'static str {
    match schema_type {
        "object" => "a table of keys",
        "array" => "a list: [ … ]",
        "string" => "text in quotes",
        "boolean" => "true or false",
        "integer" => "a whole number",
        _ => "a number",
    }
}

fn unknown_hint(name: &str, known: &Map<String, Value>) -> String {
    match near(name, known.keys().map(String::as_str)) {
        Some(n) => format!("did you mean '{n}'?"),
        None => {
            let keys = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("remove it; known here are {keys}")
        }
    }
}

/// The known name that was probably meant.
pub(super) fn near<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let name = name.to_lowercase();
    known
        .map(|k| (strsim::damerau_levenshtein(&name, k), k))
        // A third of the letters may be wrong: `lsiten`, `analitics`, `fps_`.
        .filter(|(d, k)| *d <= 1.max(k.len() / 3))
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}
