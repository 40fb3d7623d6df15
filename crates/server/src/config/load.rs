//! Settings from flags, environment, file and defaults, the first named winning. What cannot be used is refused with
//! the place it came from: an unknown key, a wrong type, an impossible value.

use std::{
    collections::HashMap,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::{Table, Value};

use super::{
    Config, NOT_IN_THIS_BUILD,
    origin::{Complaint, Origin},
};

/// What an environment variable of a setting begins with.
const ENV_PREFIX: &str = "WEIR__";
/// What one ends with that names a file holding the value.
const ENV_FILE_SUFFIX: &str = "_FILE";
/// Largest settings file and secret file, in bytes: these are a few kilobytes; more is a wrong path.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where settings come from.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// `key`, value: flags.
    pub(crate) flags: Vec<(String, String)>,
    /// Environment variables; others than `WEIR__…` are passed over.
    pub(crate) env: Vec<(String, String)>,
    /// A TOML file.
    pub(crate) file: Option<PathBuf>,
}

/// Settings that can be used.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) config: Config,
    /// Settings that were given, but do nothing in this build.
    pub(crate) without_effect: Vec<String>,
}

/// Reads and checks settings.
pub(crate) fn load(sources: &Sources) -> Result<Loaded, Complaint> {
    let mut origins = HashMap::new();
    let mut table = match &sources.file {
        Some(path) => read_file(path, &mut origins)?,
        None => Table::new(),
    };
    let mut env: Vec<_> = sources.env.iter().filter(|(name, _)| name.starts_with(ENV_PREFIX)).collect();
    env.sort();
    for (name, value) in env {
        let (key, value) = read_env(name, value)?;
        overlay(&mut table, &mut origins, &key, &value, Origin::Env(name.clone()))?;
    }
    for (key, value) in &sources.flags {
        overlay(&mut table, &mut origins, key, value, Origin::Flag(format!("--set {key}")))?;
    }
    let config = Config::deserialize(table.clone()).map_err(|error| Complaint {
        origin: Origin::Default,
        key: None,
        what: error.message().to_owned(),
    })?;
    config.validate().map_err(|(key, what)| Complaint {
        origin: origins.get(&key).cloned().unwrap_or(Origin::Default),
        key: Some(key),
        what,
    })?;
    let mut without_effect: Vec<String> = origins
        .into_keys()
        .filter(|key| NOT_IN_THIS_BUILD.iter().any(|section| key.starts_with(&format!("{section}."))))
        .collect();
    without_effect.sort();
    Ok(Loaded { config, without_effect })
}

fn read_file(path: &Path, origins: &mut HashMap<String, Origin>) -> Result<Table, Complaint> {
    let whole = |what: String| Complaint { origin: Origin::File { path: path.into(), line: None }, key: None, what };
    let text = read_small(path).map_err(whole)?;
    let at = |span: Option<Range<usize>>| {
        let line = span.map(|span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
        Origin::File { path: path.into(), line }
    };
    let document = toml_edit::Document::parse(text.as_str()).map_err(|error| Complaint {
        origin: at(error.span()),
        key: None,
        what: error.message().to_owned(),
    })?;
    let mut places = Vec::new();
    collect(document.as_table(), "", &mut places);
    toml::from_str::<Config>(&text).map_err(|error| Complaint {
        origin: at(error.span()),
        key: error.span().and_then(|span| key_at(&places, span.start)),
        what: error.message().to_owned(),
    })?;
    for place in &places {
        origins.insert(place.key.clone(), at(Some(place.name.clone())));
    }
    toml::from_str(&text).map_err(|error| whole(error.message().to_owned()))
}

/// A key of the file, where it stands, and where its value stands.
struct Place {
    key: String,
    name: Range<usize>,
    value: Range<usize>,
}

fn collect(table: &dyn toml_edit::TableLike, prefix: &str, places: &mut Vec<Place>) {
    for (name, item) in table.iter() {
        let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        let name = table.get_key_value(name).and_then(|(name, _)| name.span());
        if let Some(name) = name {
            places.push(Place { key: key.clone(), value: item.span().unwrap_or(name.clone()), name });
        }
        if let Some(inner) = item.as_table_like() {
            collect(inner, &key, places);
        }
    }
}

/// The innermost key whose name or value stands at `offset`.
fn key_at(places: &[Place], offset: usize) -> Option<String> {
    let holds = |range: &Range<usize>| range.contains(&offset);
    let here = places.iter().filter(|place| holds(&place.name) || holds(&place.value));
    here.max_by_key(|place| place.key.split('.').count()).map(|place| place.key.clone())
}

/// The key and value that an environment variable sets.
fn read_env(name: &str, value: &str) -> Result<(String, String), Complaint> {
    let complain = |what: String| Complaint { origin: Origin::Env(name.into()), key: None, what };
    let path = name.strip_prefix(ENV_PREFIX).unwrap_or(name);
    let (path, value) = match path.strip_suffix(ENV_FILE_SUFFIX) {
        None => (path, value.to_owned()),
        Some(path) => {
            let text = read_small(Path::new(value)).map_err(|what| complain(format!("{value}: {what}")))?;
            (path, text.trim_end_matches(['\r', '\n']).to_owned())
        }
    };
    let key = path.split("__").map(str::to_ascii_lowercase).collect::<Vec<_>>().join(".");
    Ok((key, value))
}

/// Puts one setting over those that are there, if the result can be read.
fn overlay(
    table: &mut Table,
    origins: &mut HashMap<String, Origin>,
    key: &str,
    text: &str,
    origin: Origin,
) -> Result<(), Complaint> {
    let mut first = None;
    for value in readings(text) {
        let mut with = table.clone();
        let tried = put(&mut with, key, value)
            .and_then(|()| Config::deserialize(with.clone()).map(|_| ()).map_err(|error| error.message().to_owned()));
        match tried {
            Ok(()) => {
                *table = with;
                origins.insert(key.to_owned(), origin);
                return Ok(());
            }
            Err(what) => first = first.or(Some(what)),
        }
    }
    Err(Complaint { origin, key: Some(key.to_owned()), what: first.unwrap_or_default() })
}

/// What a text may mean, since a variable has no type: itself, a TOML value, a list with commas.
fn readings(text: &str) -> Vec<Value> {
    let mut readings = Vec::new();
    if let Ok(parsed) = toml::from_str::<Table>(&format!("value = {text}")) {
        readings.extend(parsed.into_iter().map(|(_, value)| value).filter(|value| !value.is_str()));
    }
    // Text first where it could be both: a key of digits is a text. The typed reading says better what is wrong.
    let typed_first = matches!(readings.first(), Some(Value::Boolean(_) | Value::Array(_)));
    readings.insert(if typed_first { readings.len() } else { 0 }, Value::String(text.to_owned()));
    let list = text.split(',').map(|item| Value::String(item.trim().to_owned())).collect();
    readings.push(Value::Array(list));
    readings
}

fn put(table: &mut Table, key: &str, value: Value) -> Result<(), String> {
    let (sections, last) = match key.rsplit_once('.') {
        Some((sections, last)) => (Some(sections), last),
        None => (None, key),
    };
    let mut here = table;
    for section in sections.into_iter().flat_map(|sections| sections.split('.')) {
        let below = here.entry(section).or_insert_with(|| Value::Table(Table::new()));
        here = below.as_table_mut().ok_or_else(|| format!("`{section}` is a setting, not a section"))?;
    }
    here.insert(last.to_owned(), value);
    Ok(())
}

fn read_small(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!("is larger than {FILE_BYTES_MAX} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))
}

#[cfg(test)]
mod tests;
