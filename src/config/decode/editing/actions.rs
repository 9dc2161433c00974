//! Lists of actions on attributes, with the Collector's words for what is wrong with them.

use super::any::Any;
use crate::config::decode::Section;
use crate::edit::{Action, Actions, Asked, Change, Source};
use crate::pattern::Pattern;
use crate::semconv::Names;

/// Reads the list under `key`, which has to have an entry. Its keys mean `names`.
pub(super) fn actions(section: &mut Section<'_>, key: &'static str, names: Names) -> Actions {
    let mut index = 0;
    let list = section.list(key, |section| {
        let action = action(section, index);
        index += 1;
        action
    });
    if list.is_empty() {
        let help = format!("write {key}: [{{key: environment, value: production, action: insert}}]");
        section.error("", format!("missing required field {key:?}"), Some(help));
    }
    Actions { list: list.into_iter().flatten().collect(), names }
}

/// The keys of one action.
struct Keys {
    key: String,
    word: String, // in lower case
    value: Option<Any>,
    default: Option<Any>,
    pattern: String,
    attribute: String,
    context: String,
    converted_type: String,
}

fn action(section: &mut Section<'_>, index: usize) -> Option<Action> {
    section.shared_as("attribute actions");
    let keys = Keys {
        key: section.get("key", String::new()),
        word: section.get("action", String::new()).to_ascii_lowercase(),
        value: section.opt("value"),
        default: section.opt("default_value"),
        pattern: section.get("pattern", String::new()),
        attribute: section.get("from_attribute", String::new()),
        context: section.get("from_context", String::new()),
        converted_type: section.get("converted_type", String::new()),
    };
    match keys.change(section) {
        Ok(change) => Some(Action { key: keys.key, change }),
        Err(wrong) => {
            let shown = if section.is_expanded("key") { "(not shown)" } else { &keys.key };
            let message =
                format!("error with key {shown:?} ({index}-th action): error creating AttrProc{wrong}");
            section.error("", message, None);
            None
        }
    }
}

impl Keys {
    /// What is to be done; an error continues `error creating AttrProc`.
    fn change(&self, section: &Section<'_>) -> Result<Change, String> {
        let word = self.word.as_str();
        let sources = [self.value.is_some(), !self.attribute.is_empty(), !self.context.is_empty()];
        let sources = sources.into_iter().filter(|given| *given).count();
        let without = |given: bool, what: &str, which: &str| match given {
            true => Err(format!(". Action \"{word}\" does not use {what}. {which} must not be specified")),
            false => Ok(()),
        };
        if self.key.is_empty() && matches!(word, "delete" | "hash") && self.pattern.is_empty() {
            return Err(
                " due to missing required field (at least one of \"key\" and \"pattern\" have to be used)"
                    .into(),
            );
        }
        if self.key.is_empty() && !matches!(word, "delete" | "hash") {
            return Err(" due to missing required field \"key\"".into());
        }
        if word != "convert" {
            let given = !self.converted_type.is_empty();
            let known = matches!(word, "insert" | "update" | "upsert" | "delete" | "hash" | "extract");
            without(given && known, "the \"converted_type\" field", "This")?;
        }
        match word {
            "insert" | "update" | "upsert" => {
                without(!self.pattern.is_empty(), "the \"pattern\" field", "This")?;
                let source = self.source(sources)?;
                Ok(match word {
                    "insert" => Change::Insert(source),
                    "update" => Change::Update(source),
                    _ => Change::Upsert(source),
                })
            }
            "delete" | "hash" => {
                let given = self.value.is_some() || !self.attribute.is_empty();
                without(given, "\"value\" or \"from_attribute\" field", "These")?;
                let pattern = Some(&self.pattern).filter(|pattern| !pattern.is_empty());
                let pattern = pattern.map(|pattern| self.compile(section, pattern)).transpose()?;
                Ok(if word == "hash" { Change::Hash(pattern) } else { Change::Delete(pattern) })
            }
            "extract" => {
                without(sources > 0, "a value source field", "These")?;
                self.extract(section)
            }
            "convert" => {
                let given = sources > 0 || !self.pattern.is_empty();
                without(given, "value sources or \"pattern\" field", "These")?;
                self.convert()
            }
            _ => Err(format!(
                " due to unsupported action {word:?} (supported: insert, update, upsert, delete, hash, extract, convert)"
            )),
        }
    }

    fn source(&self, sources: usize) -> Result<Source, String> {
        if sources == 0 && self.default.is_none() {
            return Err(". Either field \"value\", \"from_attribute\", \"from_context\", or \"default_value\" must be specified".into());
        }
        if sources > 1 {
            return Err(" due to multiple value sources being set".into());
        }
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Ok(Source {
            value: self.value.as_ref().map(|value| value.encoded.clone()),
            context: self.asked(),
            attribute: text(&self.attribute),
            default: self.default.as_ref().map(|value| value.encoded.clone()),
        })
    }

    /// What `from_context` names: what has none of the prefixes is a header too.
    fn asked(&self) -> Option<Asked> {
        let context = self.context.as_str();
        let header = |name: &str| Asked::Header(name.to_ascii_lowercase());
        match context {
            "" => None,
            "client.address" => Some(Asked::Address),
            _ => Some(match (context.strip_prefix("metadata."), context.strip_prefix("auth.")) {
                (Some(name), _) => header(name),
                (None, Some(name)) => Asked::Identity(name.to_owned()),
                (None, None) => header(context),
            }),
        }
    }

    fn compile(&self, section: &Section<'_>, pattern: &str) -> Result<Pattern, String> {
        Pattern::new(pattern).map_err(|reason| {
            if section.is_expanded("pattern") {
                return ". Field \"pattern\" has invalid pattern".into();
            }
            format!(". Field \"pattern\" has invalid pattern: \"{pattern}\" ({reason})")
        })
    }

    fn extract(&self, section: &Section<'_>) -> Result<Change, String> {
        if self.pattern.is_empty() {
            return Err(" due to missing required field \"pattern\" for action \"extract\"".into());
        }
        let pattern = self.compile(section, &self.pattern)?;
        match pattern.groups.iter().find(|name| name.is_empty()) {
            _ if pattern.groups.is_empty() => {
                Err(". Field \"pattern\" contains no named matcher groups".into())
            }
            Some(_) => Err(". Field \"pattern\" contains at least one unnamed matcher group".into()),
            None => Ok(Change::Extract(pattern)),
        }
    }

    fn convert(&self) -> Result<Change, String> {
        match self.converted_type.as_str() {
            "string" => Ok(Change::ConvertToText),
            "int" => Ok(Change::ConvertToInt),
            "double" => Ok(Change::ConvertToDouble),
            "" => Err(" due to missing required field \"converted_type\" for action \"convert\"".into()),
            other => Err(format!(
                " due to invalid value \"{other}\" in field \"converted_type\" for action \"convert\""
            )),
        }
    }
}
