//! The JSON schema of the configuration, made from `raw`.

use serde_json::{Map, Value};

use super::raw;

/// JSON schema (draft 2020-12) of the main file; editors complete and check with it.
pub fn schema() -> Value {
    tidied(schemars::schema_for!(raw::Main).to_value())
}

/// Schema of a file named by `include`.
pub(super) fn camera_file() -> Value {
    tidied(schemars::schema_for!(raw::CameraFile).to_value())
}

/// Schema of a file of rules.
pub(super) fn rule_file() -> Value {
    tidied(schemars::schema_for!(raw::RuleFile).to_value())
}

/// TOML has no null: a key that may be left out is absent, never null. schemars writes `Option` as
/// "the type or null", so the null is taken out.
fn tidied(mut schema: Value) -> Value {
    without_null(&mut schema);
    schema
}

fn without_null(v: &mut Value) {
    match v {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(map) => {
            map.values_mut().for_each(without_null);
            if let Some(kind) = map.get_mut("type")
                && let Value::Array(types) = kind
            {
                types.retain(|t| t != "null");
                if let [only] = types.as_slice() {
                    *kind = only.clone();
                }
            }
            unwrap_single_choice(map);
        }
        _ => {}
    }
}

fn unwrap_single_choice(map: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = map.get_mut("anyOf") else { return };
    choices.retain(|c| c.get("type") != Some(&Value::from("null")));
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        map.remove("anyOf");
        map.extend(only);
    }
}

/// Follows `$ref` to the definition it names.
pub(super) fn target<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) {
        Some(pointer) => root.pointer(pointer).expect("invariant: schemars defines what it refers to"),
        None => schema,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/pingan.schema.json");
        let now = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &now).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == now, "config/pingan.schema.json is old: run the tests once with UPDATE=1");
    }

    #[test]
    fn the_schema_speaks_of_no_null() {
        assert!(!schema().to_string().contains("null"));
    }
}
