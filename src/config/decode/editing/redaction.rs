//! `redaction`.

use std::collections::BTreeSet;

use regex::bytes::RegexSet;

use crate::config::decode::Section;
use crate::digest::{Digest, Keyed};
use crate::edit::{Hashing, Language, Redaction, Sanitizers, Summary};
use crate::pattern::{self, Pattern};
use crate::pii::Rule;

pub(super) fn redaction(section: &mut Section<'_>) -> Redaction {
    // The one line that switches rules on must not take away all attributes by the way.
    let only_pii = section.has("pii") && !section.has("allowed_keys");
    let allow_all = section.get("allow_all_keys", only_pii);
    let allowed = section.get::<Vec<String>>("allowed_keys", Vec::new());
    Redaction {
        allowed_keys: (!allow_all).then(|| allowed.into_iter().collect()),
        ignored_keys: section.get::<Vec<String>>("ignored_keys", Vec::new()).into_iter().collect(),
        ignored_key_patterns: patterns(section, "ignored_key_patterns", "ignore keys"),
        blocked_key_patterns: patterns(section, "blocked_key_patterns", "block keys"),
        blocked_values: blocked_values(section),
        allowed_values: patterns(section, "allowed_values", "allow"),
        pii: pii(section),
        sanitizers: sanitizers(section),
        redact_all_types: section.get("redact_all_types", false),
        hashing: hashing(section),
        summary: summary(section),
        names: super::names(section),
    }
}

fn sanitizers(section: &mut Section<'_>) -> Sanitizers {
    let mut found = Sanitizers::default();
    section.section("url_sanitizer", |section| {
        found.url = switched_on(section);
        found.url_span_names = section.get("sanitize_span_name", true);
    });
    section.section("db_sanitizer", |section| {
        for language in Language::ALL {
            let attributes = section.section(language.key(), |section| {
                section.shared_as("sanitizer of queries");
                switched_on(section)
            });
            found.db.extend(attributes.map(|attributes| (language, attributes)));
        }
        found.db_span_names = section.get("sanitize_span_name", true);
    });
    found
}

/// The attributes that a sanitizer is about, if it is enabled.
fn switched_on(section: &mut Section<'_>) -> Option<BTreeSet<String>> {
    let attributes = section.get::<Vec<String>>("attributes", Vec::new());
    section.get("enabled", false).then(|| attributes.into_iter().collect())
}

fn patterns(section: &mut Section<'_>, key: &'static str, what: &str) -> RegexSet {
    let list = section.get(key, Vec::new());
    match pattern::compile_any(&list) {
        Ok(patterns) => patterns,
        Err(reason) => {
            wrong(section, key, what, &reason);
            RegexSet::empty()
        }
    }
}

fn blocked_values(section: &mut Section<'_>) -> Vec<Pattern> {
    let list = section.get::<Vec<String>>("blocked_values", Vec::new());
    let compiled = list.iter().map(|one| Pattern::new(one)).collect::<Result<_, _>>();
    compiled.unwrap_or_else(|reason: String| {
        wrong(section, "blocked_values", "block", &reason);
        Vec::new()
    })
}

fn wrong(section: &Section<'_>, key: &str, what: &str, reason: &str) {
    let reason = if section.is_expanded(key) { "invalid regex" } else { reason };
    let message = format!("failed to process {what} list: error compiling regex in list: {reason}");
    section.error(key, message, Some("patterns are RE2's, without look-around".into()));
}

fn pii(section: &mut Section<'_>) -> Vec<Rule> {
    let names = section.get::<Vec<String>>("pii", Vec::new());
    let rule = |name: &String| match Rule::ALL.into_iter().find(|rule| rule.name() == name) {
        Some(rule) => Some(rule),
        None => {
            let shown = if section.is_expanded("pii") { "(not shown)" } else { name };
            let help = format!("valid values: {}", Rule::ALL.map(Rule::name).join(", "));
            section.error("pii", format!("unknown kind of personal data {shown:?}"), Some(help));
            None
        }
    };
    names.iter().filter_map(rule).collect()
}

/// What a word means, given the key.
type WithKey = fn(String) -> Hashing;

fn hashing(section: &mut Section<'_>) -> Hashing {
    let words: [(&str, WithKey); 6] = [
        ("", |_| Hashing::None),
        ("md5", |_| Hashing::Digest(Digest::Md5)),
        ("sha1", |_| Hashing::Digest(Digest::Sha1)),
        ("sha3", |_| Hashing::Digest(Digest::Sha3)),
        ("hmac-sha256", |key| Hashing::Hmac(Keyed::Sha256, key)),
        ("hmac-sha512", |key| Hashing::Hmac(Keyed::Sha512, key)),
    ];
    let chosen = section.level("hash_function", "", &words, "unknown HashFunction");
    let key = section.secret("hmac_key").unwrap_or_default();
    let hashing = chosen.map_or(Hashing::None, |hashing| hashing(key));
    if let Hashing::Hmac(digest, key) = &hashing {
        let (name, least) = match digest {
            Keyed::Sha256 => ("hmac-sha256", 32),
            Keyed::Sha512 => ("hmac-sha512", 64),
        };
        let got = key.len();
        if got == 0 {
            let message = format!("hmac_key must not be empty when hash_function is \"{name}\"");
            section.error("hmac_key", message, None);
        } else if got < least {
            let message =
                format!("hmac_key must be at least {least} bytes long for \"{name}\", got {got} bytes");
            section.error("hmac_key", message, None);
        }
    }
    hashing
}

/// Any other word is as good as none, as in the Collector.
fn summary(section: &mut Section<'_>) -> Summary {
    match section.get("summary", String::new()).as_str() {
        "debug" => Summary::Debug,
        "info" => Summary::Info,
        "silent" | "" => Summary::Silent,
        _ => {
            let help = "valid values: debug, info, silent".to_owned();
            section.warn(&section.mark_of("summary"), "summary", "an unknown word means silent", Some(help));
            Summary::Silent
        }
    }
}
