//! Every setting with its documentation: as TOML for `weir config default`, as a page for `configs/REFERENCE.md`.
//! Both come from the doc comments of the config structs and their `Default`, so neither can drift.

use std::fmt::Write;

use serde_json::Value as Json;
use toml::{Table, Value};

use super::Config;

/// One setting.
struct Setting {
    name: String,
    doc: String,
    /// The default as TOML; `None` is "not set".
    default: Option<String>,
}

/// One section, in the order of the settings.
struct Section {
    name: String,
    /// One of many that the operator names, and none by itself.
    named: bool,
    doc: String,
    settings: Vec<Setting>,
}

/// Every setting as a TOML file that changes nothing.
pub(crate) fn as_toml() -> String {
    let mut text = String::from(
        "# Every setting of Weir with its default. A file needs only what differs.\n\
         # A flag (`--set section.key=value`) wins over the environment (`WEIR__SECTION__KEY`), which wins over this file.\n",
    );
    for section in sections() {
        text.push('\n');
        comment(&mut text, &section.doc);
        if !section.name.is_empty() {
            let _ = writeln!(text, "{}[{}]", if section.named { "# " } else { "" }, section.name);
        }
        for setting in &section.settings {
            comment(&mut text, &setting.doc);
            let _ = match &setting.default {
                Some(default) if section.named => writeln!(text, "# {} = {default}", setting.name),
                Some(default) => writeln!(text, "{} = {default}", setting.name),
                None => writeln!(text, "# {} =", setting.name),
            };
        }
    }
    text
}

/// Every setting as a page.
#[cfg(test)]
pub(crate) fn as_markdown() -> String {
    let mut text = String::from(
        "# Settings\n\nGenerated from the code; a test keeps it true. A flag (`--set http.listen=[::]:80`) wins over the \
         environment (`WEIR__HTTP__LISTEN`;\n`WEIR__HTTP__LISTEN_FILE` reads the value from a file), which wins over the \
         file given by `--config` (TOML), which wins over the default.\nDurations are written as `200ms`, `2s`, `1m`. \
         An unknown key, a wrong type or an impossible value stops the start and names the place.\n",
    );
    for section in sections() {
        let title = if section.name.is_empty() { "Top level".to_owned() } else { format!("`[{}]`", section.name) };
        let _ = write!(text, "\n## {title}\n\n");
        if !section.doc.is_empty() {
            let _ = write!(text, "{}\n\n", section.doc);
        }
        text.push_str("| key | default | meaning |\n|---|---|---|\n");
        for setting in &section.settings {
            let default = setting.default.as_ref().map_or_else(|| "not set".to_owned(), |value| format!("`{value}`"));
            let key = match section.name.as_str() {
                "" => setting.name.clone(),
                section => format!("{section}.{}", setting.name),
            };
            let meaning = setting.doc.replace('\n', " ").replace('|', "\\|");
            let _ = writeln!(text, "| `{key}` | {default} | {meaning} |");
        }
    }
    text
}

fn comment(text: &mut String, doc: &str) {
    for line in doc.lines() {
        let _ = writeln!(text, "# {line}");
    }
}

fn sections() -> Vec<Section> {
    let schema = schemars::schema_for!(Config).to_value();
    let defaults = Table::try_from(Config::default()).expect("the default settings are TOML");
    let mut sections = Vec::new();
    walk(&schema, &schema, ("", false), "", &defaults, &mut sections);
    sections.retain(|section| !section.settings.is_empty());
    sections
}

fn walk(
    root: &Json,
    schema: &Json,
    (name, named): (&str, bool),
    doc: &str,
    defaults: &Table,
    sections: &mut Vec<Section>,
) {
    let mut section = Section { name: name.to_owned(), named, doc: doc.to_owned(), settings: Vec::new() };
    let mut below = Vec::new();
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let each = property["additionalProperties"].is_object().then(|| &property["additionalProperties"]);
        let target = resolve(root, each.unwrap_or(property));
        let doc = property["description"].as_str().or_else(|| target["description"].as_str()).unwrap_or_default();
        if target["properties"].is_object() {
            let path = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            let path = if each.is_some() { format!("{path}.NAME") } else { path };
            let doc = target["description"].as_str().unwrap_or(doc);
            // The section's name stands above it already.
            let doc = doc.strip_prefix(&format!("`[{path}]`: ")).unwrap_or(doc);
            below.push((path, each.is_some(), key, target, capitalised(doc)));
        } else {
            // Strings and lists of them are the same in JSON and TOML.
            let written = || property.get("default").filter(|_| named).map(Json::to_string);
            let default = defaults.get(key).map(Value::to_string).or_else(written);
            let doc = doc.to_owned();
            section.settings.push(Setting { name: key.clone(), doc, default });
        }
    }
    sections.push(section);
    for (path, named, key, target, doc) in below {
        let empty = Table::new();
        let defaults = defaults.get(key).and_then(Value::as_table).unwrap_or(&empty);
        walk(root, target, (&path, named), &doc, defaults, sections);
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Follows a `$ref`, whether bare or the one of `anyOf` that is not null.
fn resolve<'a>(root: &'a Json, schema: &'a Json) -> &'a Json {
    let direct = schema["$ref"].as_str();
    let wrapped = || schema["allOf"].as_array()?.first()?["$ref"].as_str();
    match direct.or_else(wrapped).and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => root.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    fn repository(path: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
    }

    #[test]
    fn the_printed_defaults_are_settings_that_change_nothing() {
        let text = as_toml();
        let config: Config = toml::from_str(&text).expect(&text);
        assert_eq!(
            toml::to_string(&config).unwrap(),
            toml::to_string(&Config::default()).unwrap(),
            "what is printed is the default"
        );
    }

    #[test]
    fn every_setting_is_documented() {
        for section in sections() {
            for setting in &section.settings {
                assert!(!setting.doc.is_empty(), "{}.{} has no doc comment", section.name, setting.name);
            }
        }
    }

    #[test]
    fn the_committed_reference_is_true() {
        let path = repository("configs/REFERENCE.md");
        let (committed, now) = (std::fs::read_to_string(&path).unwrap_or_default(), as_markdown());
        if committed != now {
            std::fs::write(&path, now).unwrap();
            panic!("configs/REFERENCE.md was out of date and is rewritten now: look at it and commit it");
        }
    }

    #[test]
    fn every_settings_file_we_ship_can_be_used() {
        let mut seen = 0;
        for entry in std::fs::read_dir(repository("configs")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                load(&Sources { file: Some(path), ..Sources::default() }).unwrap();
                seen += 1;
            }
        }
        assert!(seen > 0);
    }
}
