//! The rules on plain structures, as their documentation has them.

use aws_lc_rs::digest::{SHA256, digest};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use regex::Regex;
use ringtail::outcome::Signal;

use crate::model::{Attributes, Child, Item, Request};
use crate::rules::{
    Act, At, EXTRACT, Edit, From, Group, Literal, Of, Redact, Source, Step, Strategy3, When, is_named, named,
    resolved,
};

/// What a statement sees: what it runs on, and what is around that.
struct Here<'a> {
    at: At,
    signal: Signal,
    name: &'a mut String,
    own: &'a mut Attributes,
    resource: Option<&'a mut Attributes>,
    scope: Option<&'a mut Attributes>,
}

pub fn apply(request: &mut Request, signal: Signal, step: &Step) {
    match step {
        Step::Transform(groups) => groups.iter().for_each(|group| {
            each(request, signal, group.at, &mut |mut here| transform(&mut here, group));
        }),
        Step::Resource(acts) => {
            for entry in &mut request.0 {
                acts.iter().for_each(|act| act.apply(&mut entry.attributes));
            }
        }
        Step::Attributes { acts, include, exclude } => attributes(request, signal, |name| {
            let fits = |names: &Vec<&str>| names.contains(&name);
            let chosen = include.as_ref().is_none_or(fits) && !exclude.as_ref().is_some_and(fits);
            if chosen { acts.as_slice() } else { &[] }
        }),
        Step::Filter { items, children } => filter(request, signal, items, children),
        Step::Redact(rules) => redact(request, rules),
    }
}

/// Shows everything that stands at this place, in order.
fn each(request: &mut Request, signal: Signal, at: At, show: &mut dyn FnMut(Here<'_>)) {
    for entry in &mut request.0 {
        if at == At::Resource {
            let own = &mut entry.attributes;
            show(Here { at, signal, name: &mut "r".to_owned(), own, resource: None, scope: None });
        }
        for scope in &mut entry.scopes {
            let resource = &mut entry.attributes;
            if at == At::Scope {
                let (name, own) = (&mut scope.name, &mut scope.attributes);
                show(Here { at, signal, name, own, resource: Some(resource), scope: None });
                continue;
            }
            for item in &mut scope.items {
                if at == At::Item {
                    show(item_here(item, signal, resource, &mut scope.attributes));
                }
                let Item { name, children, .. } = item;
                for child in children.iter_mut().filter(|_| at == At::Child) {
                    show(child_here(child, name, signal, resource, &mut scope.attributes));
                }
            }
        }
    }
}

fn item_here<'a>(
    item: &'a mut Item,
    signal: Signal,
    resource: &'a mut Attributes,
    scope: &'a mut Attributes,
) -> Here<'a> {
    let (name, own) = (&mut item.name, &mut item.attributes);
    Here { at: At::Item, signal, name, own, resource: Some(resource), scope: Some(scope) }
}

/// A point has the name of its metric.
fn child_here<'a>(
    child: &'a mut Child,
    metric: &'a mut String,
    signal: Signal,
    resource: &'a mut Attributes,
    scope: &'a mut Attributes,
) -> Here<'a> {
    let name = if signal == Signal::Metrics { metric } else { &mut child.name };
    let own = &mut child.attributes;
    Here { at: At::Child, signal, name, own, resource: Some(resource), scope: Some(scope) }
}

fn transform(here: &mut Here<'_>, group: &Group) {
    if !group.conditions.is_empty() && !group.conditions.iter().any(|one| one.holds(here)) {
        return;
    }
    for (edit, when) in &group.statements {
        if when.as_ref().is_none_or(|when| when.holds(here)) {
            edit.run(here);
        }
    }
}

impl Here<'_> {
    fn map(&mut self, of: Of) -> &mut Attributes {
        match resolved(of, self.at, self.signal) {
            Of::Own => self.own,
            Of::Resource => self.resource.as_mut().unwrap(),
            Of::Scope => self.scope.as_mut().unwrap(),
        }
    }

    /// The value of a key; an empty one is none.
    fn get(&mut self, of: Of, key: &str) -> Option<Any> {
        get(self.map(of), key)
    }

    fn value(&mut self, source: &Source) -> Option<Any> {
        match source {
            Source::Literal(literal) => Some(literal.value()),
            Source::Attribute(of, key) => self.get(*of, key),
            Source::Name => Some(Any::StringValue(self.name.clone())),
        }
    }
}

fn get(map: &Attributes, key: &str) -> Option<Any> {
    map.iter().find(|(known, _)| known == key)?.1.clone()
}

fn put(map: &mut Attributes, key: &str, value: Option<Any>) {
    match map.iter_mut().find(|(known, _)| known == key) {
        Some((_, old)) => *old = value,
        None => map.push((key.to_owned(), value)),
    }
}

fn replaced(pattern: &str, text: &str, by: &str) -> String {
    Regex::new(pattern).unwrap().replace_all(text, by).into_owned()
}

impl Edit {
    fn run(&self, here: &mut Here<'_>) {
        match self {
            Self::Set(of, key, source) => set(here, *of, key, source),
            Self::SetName(source) if !is_named(here.at, here.signal) => set(here, Of::Own, "a", source),
            Self::SetName(source) => {
                if let Some(text) = named(source) {
                    *here.name = text.to_owned();
                }
            }
            Self::Delete(of, key) => here.map(*of).retain(|(known, _)| known != key),
            Self::Keep(of, keys) => here.map(*of).retain(|(known, _)| keys.contains(&known.as_str())),
            Self::DeleteMatching(of, pattern) => here.map(*of).retain(|(known, _)| !is_match(pattern, known)),
            Self::KeepMatching(of, pattern) => here.map(*of).retain(|(known, _)| is_match(pattern, known)),
            Self::Replace(of, key, pattern, by) => {
                let found = here.map(*of).iter_mut().find(|(known, _)| known == key);
                if let Some((_, Some(Any::StringValue(text)))) = found {
                    *text = replaced(pattern, text, by);
                }
            }
            Self::ReplaceAllValues(of, pattern, by) => {
                each_text(here.map(*of), |text| replaced(pattern, text, by))
            }
            Self::ReplaceAllKeys(of, at) => {
                here.map(*of).iter_mut().for_each(|(key, _)| *key = replaced(at, key, "_"));
            }
            Self::Truncate(of, limit) => each_text(here.map(*of), |text| truncated(text, *limit).to_owned()),
            Self::Limit(of, limit, keys) => limited(here.map(*of), *limit, keys),
            Self::Merge(of, pairs, strategy) => {
                let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), Some(value.value())));
                merge(here.map(*of), pairs.collect(), *strategy);
            }
            Self::MergeResource(of, strategy) => {
                let source = here.resource.as_ref().map(|map| (**map).clone());
                let source = source.unwrap_or_else(|| here.own.clone());
                merge(here.map(*of), source, *strategy);
            }
            Self::Clear(of) => here.map(*of).clear(),
        }
    }
}

/// Nothing is set to nothing.
fn set(here: &mut Here<'_>, of: Of, key: &str, source: &Source) {
    if let Some(value) = here.value(source) {
        put(here.map(of), key, Some(value));
    }
}

fn is_match(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).unwrap().is_match(text)
}

fn each_text(map: &mut Attributes, change: impl Fn(&str) -> String) {
    for (_, value) in map {
        if let Some(Any::StringValue(text)) = value {
            *text = change(text);
        }
    }
}

fn truncated(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap()]
}

fn limited(map: &mut Attributes, limit: usize, keys: &[&str]) {
    if map.len() <= limit {
        return;
    }
    let first = |key: &String| keys.contains(&key.as_str());
    let mut room = limit - map.iter().filter(|(key, _)| first(key)).count();
    map.retain(|(key, _)| {
        let kept = first(key) || room > 0;
        room -= usize::from(kept && !first(key));
        kept
    });
}

fn merge(map: &mut Attributes, source: Attributes, strategy: Strategy3) {
    for (key, value) in source {
        let there = map.iter().any(|(known, _)| *known == key);
        let wanted = match strategy {
            Strategy3::Insert => !there,
            Strategy3::Update => there,
            Strategy3::Upsert => true,
        };
        if wanted {
            put(map, &key, value);
        }
    }
}

impl Literal {
    fn value(&self) -> Any {
        match self {
            Self::Text(text) => Any::StringValue((*text).to_owned()),
            Self::Int(value) => Any::IntValue(*value),
            Self::Double(value) => Any::DoubleValue(*value),
            Self::Bool(value) => Any::BoolValue(*value),
        }
    }

    /// Numbers are compared as numbers, everything else only with its own kind.
    fn equals(&self, value: Option<&Any>) -> bool {
        match (self, value) {
            (Self::Int(a), Some(Any::DoubleValue(b))) => *a as f64 == *b,
            (Self::Double(a), Some(Any::IntValue(b))) => *a == *b as f64,
            (literal, Some(value)) => literal.value() == *value,
            (_, None) => false,
        }
    }
}

impl When {
    fn holds(&self, here: &mut Here<'_>) -> bool {
        match self {
            Self::Equal(of, key, value) => value.equals(here.get(*of, key).as_ref()),
            Self::Unequal(of, key, value) => !value.equals(here.get(*of, key).as_ref()),
            Self::Nil(of, key) => here.get(*of, key).is_none(),
            Self::Less(of, key, value) => match here.get(*of, key) {
                Some(Any::IntValue(own)) => own < *value,
                Some(Any::DoubleValue(own)) => own < *value as f64,
                _ => false,
            },
            Self::Name(text) => here.name == text,
            Self::NameMatches(pattern) => is_match(pattern, here.name),
            Self::TextMatches(of, key, pattern) => match here.get(*of, key) {
                Some(Any::StringValue(text)) => is_match(pattern, &text),
                _ => false,
            },
            Self::Not(one) => !one.holds(here),
            Self::And(a, b) => a.holds(here) && b.holds(here),
            Self::Or(a, b) => a.holds(here) || b.holds(here),
        }
    }
}

/// Runs actions on the attributes of items whose names are chosen; of metrics, on those of their points.
fn attributes<'s>(request: &mut Request, signal: Signal, acts: impl Fn(&str) -> &'s [Act]) {
    for item in request.0.iter_mut().flat_map(|entry| &mut entry.scopes).flat_map(|scope| &mut scope.items) {
        let acts = acts(&item.name);
        let lists: Vec<&mut Attributes> = match signal {
            Signal::Metrics => item.children.iter_mut().map(|child| &mut child.attributes).collect(),
            _ => vec![&mut item.attributes],
        };
        for list in lists {
            acts.iter().for_each(|act| act.apply(list));
        }
    }
}

impl Act {
    fn apply(&self, map: &mut Attributes) {
        let there = |map: &Attributes, key: &str| map.iter().any(|(known, _)| known == key);
        match self {
            Self::Insert(key, _) if there(map, key) => {}
            Self::Update(key, _) if !there(map, key) => {}
            Self::Insert(key, from) | Self::Update(key, from) | Self::Upsert(key, from) => {
                let value = match from {
                    From::Literal(literal) => Some(Some(literal.value())),
                    From::Attribute(other) => {
                        map.iter().find(|(known, _)| known == other).map(|(_, value)| value.clone())
                    }
                };
                if let Some(value) = value {
                    put(map, key, value);
                }
            }
            Self::Delete(key) => map.retain(|(known, _)| known != key),
            Self::DeletePattern(pattern) => map.retain(|(known, _)| !is_match(pattern, known)),
            Self::Hash(key) => {
                if let Some((_, value)) = map.iter_mut().find(|(known, _)| known == key) {
                    *value = Some(Any::StringValue(hashed(value.as_ref())));
                }
            }
            Self::Extract(key) => {
                let Some(Any::StringValue(text)) = get(map, key) else { return };
                let Some(found) = Regex::new(EXTRACT).unwrap().captures(&text) else { return };
                for (group, name) in [(1, "b"), (2, "ab")] {
                    put(map, name, Some(Any::StringValue(found[group].to_owned())));
                }
            }
        }
    }
}

fn hashed(value: Option<&Any>) -> String {
    let bytes = match value {
        Some(Any::StringValue(text)) => text.as_bytes().to_vec(),
        Some(Any::BoolValue(value)) => vec![u8::from(*value)],
        Some(Any::IntValue(value)) => value.to_le_bytes().to_vec(),
        Some(Any::DoubleValue(value)) => value.to_le_bytes().to_vec(),
        _ => return String::new(),
    };
    digest(&SHA256, &bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What loses all that was in it goes too, except for spans, which need no events.
fn filter(request: &mut Request, signal: Signal, items: &[When], children: &[When]) {
    let of_metrics = signal == Signal::Metrics;
    request.0.retain_mut(|entry| {
        let (before, resource) = (entry.scopes.len(), &mut entry.attributes);
        entry.scopes.retain_mut(|scope| {
            let (before, around) = (scope.items.len(), &mut scope.attributes);
            scope.items.retain_mut(|item| {
                let mut here = item_here(item, signal, resource, around);
                if items.iter().any(|one| one.holds(&mut here)) {
                    return false;
                }
                let (before, name) = (item.children.len(), &mut item.name);
                item.children.retain_mut(|child| {
                    let mut here = child_here(child, name, signal, resource, around);
                    !children.iter().any(|one| one.holds(&mut here))
                });
                !(of_metrics && before > 0 && item.children.is_empty())
            });
            before == 0 || !scope.items.is_empty()
        });
        before == 0 || !entry.scopes.is_empty()
    });
}

fn redact(request: &mut Request, rules: &Redact) {
    for entry in &mut request.0 {
        rules.apply(&mut entry.attributes);
        for scope in &mut entry.scopes {
            rules.apply(&mut scope.attributes);
            for item in &mut scope.items {
                rules.apply(&mut item.attributes);
                item.children.iter_mut().for_each(|child| rules.apply(&mut child.attributes));
            }
        }
    }
}

impl Redact {
    fn apply(&self, map: &mut Attributes) {
        let ignored = |key: &str| self.ignored.contains(&key);
        map.retain(|(key, _)| {
            ignored(key) || self.allowed.as_ref().is_none_or(|keys| keys.contains(&key.as_str()))
        });
        for (key, value) in map.iter_mut().filter(|(key, _)| !ignored(key)) {
            let text = if let Some(Any::StringValue(text)) = value { text.clone() } else { String::new() };
            let fits = |patterns: &[&str], text: &str| patterns.iter().any(|one| is_match(one, text));
            if fits(&self.allowed_values, &text) {
                continue;
            }
            if fits(&self.blocked_keys, key) {
                *value = Some(Any::StringValue("****".into()));
            } else if fits(&self.blocked, &text) {
                let masked = self.blocked.iter().fold(text, |text, one| replaced(one, &text, "****"));
                *value = Some(Any::StringValue(masked));
            }
        }
    }
}
