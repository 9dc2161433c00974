//! Editors of maps by key: what is kept, deleted, merged, flattened.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::edit_value::{target_of, write};
use super::{Argument, Arguments, Editor, Kind, edits, optional, param, value};
use crate::ottl::env::Env;
use crate::ottl::error::EvalError;
use crate::ottl::expression::View;
use crate::ottl::render;
use crate::ottl::target::{Edit, EditEntry, MAP_FIELD, Target};
use crate::ottl::value::{self as codec, DEPTH_MAX, Value};
use crate::pattern;
use crate::semconv::Names;

const TARGET: super::Param = param("target", Kind::Path);

pub(super) const EDITORS: &[Editor] = &[
    edits("delete_key", &[TARGET, value("key")], delete_key),
    edits("keep_keys", &[TARGET, value("keys")], keep_keys),
    edits("delete_matching_keys", &[TARGET, param("pattern", Kind::Pattern)], |arguments, target, env| {
        by_pattern(arguments, target, env, true)
    }),
    edits("keep_matching_keys", &[TARGET, param("pattern", Kind::Pattern)], |arguments, target, env| {
        by_pattern(arguments, target, env, false)
    }),
    Editor {
        check: check_limit,
        ..edits("limit", &[TARGET, param("limit", Kind::Count), value("priority_keys")], limit)
    },
    edits(
        "merge_maps",
        &[TARGET, value("source"), param("strategy", Kind::Choice(&["insert", "update", "upsert"]))],
        merge_maps,
    ),
    Editor {
        check: check_flatten,
        ..edits(
            "flatten",
            &[
                TARGET,
                optional("prefix", Kind::Value),
                optional("depth", Kind::Value),
                optional("resolve_conflicts", Kind::Value),
            ],
            flatten,
        )
    },
    edits("clear", &[TARGET], clear),
    edits("stringify_all", &[TARGET], stringify_all),
];

/// Edits the target entry by entry.
pub(super) fn each(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
    edit: &mut EditEntry<'_>,
) -> Result<bool, EvalError> {
    let (place, steps) = target_of(arguments, View { target, env })?;
    place.edit(target, &steps, edit, &[])
}

/// Which attributes a key means, where the target has attributes and not just entries.
fn names(arguments: &[Argument]) -> Names {
    match arguments.first() {
        Some(Argument::Place(place)) => place.names(),
        _ => Names::Written,
    }
}

fn delete_key(arguments: &[Argument], target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
    let wanted = Arguments::new(arguments, View { target, env }).text(1)?.into_owned();
    let other = names(arguments).other(&wanted);
    let mut left = [Some(&*wanted), other]; // of equal keys the first, as the Collector
    each(arguments, target, env, &mut |key, _| {
        Ok(match left.iter_mut().find(|one| **one == Some(key)) {
            Some(one) => {
                *one = None;
                Edit::Remove
            }
            None => Edit::Keep,
        })
    })
}

fn keep_keys(arguments: &[Argument], target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
    let kept: HashSet<_> = Arguments::new(arguments, View { target, env }).texts(1)?.into_iter().collect();
    let names = names(arguments);
    each(arguments, target, env, &mut |key, _| {
        Ok(if names.any(key, |name| kept.contains(name)) { Edit::Keep } else { Edit::Remove })
    })
}

fn by_pattern(
    arguments: &[Argument],
    target: &mut Target<'_>,
    env: &Env<'_>,
    delete: bool,
) -> Result<bool, EvalError> {
    let regex = Arguments::new(arguments, View { target, env }).pattern(1)?.into_owned();
    let names = names(arguments);
    each(arguments, target, env, &mut |key, _| {
        Ok(if names.any(key, |name| pattern::is_match(&regex, name)) == delete {
            Edit::Remove
        } else {
            Edit::Keep
        })
    })
}

fn check_limit(arguments: &[Argument]) -> Result<(), String> {
    let literal = |at: usize| match arguments.get(at) {
        Some(Argument::Value(expression)) => Some(expression),
        _ => None,
    };
    let limit = literal(1).and_then(|expression| expression.literal());
    if let (Some(Value::Int(limit)), Some(super::Expression::List(keys))) = (limit, literal(2))
        && (*limit as u64) < keys.len() as u64
    {
        return Err(format!(
            "invalid limit for limit function, {limit} cannot be less than number of priority attributes {}",
            keys.len()
        ));
    }
    Ok(())
}

fn limit(arguments: &[Argument], target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
    let given = Arguments::new(arguments, View { target, env });
    let limit = usize::try_from(given.int(1)?).unwrap_or(0);
    let first: HashSet<_> = given.texts(2)?.into_iter().collect();
    let names = names(arguments);
    let is_first = |key: &[u8]| names.any(key, |name| first.contains(name));
    let (map, field) = given.map(0)?;
    let (mut all, mut kept) = (0, 0);
    for entry in codec::payloads(&map, field) {
        let (key, _) = codec::key_and_any(entry?)?;
        all += 1;
        kept += usize::from(is_first(key));
    }
    drop(map);
    if all <= limit {
        return Ok(false);
    }
    each(arguments, target, env, &mut |key, _| {
        if is_first(key) {
            return Ok(Edit::Keep);
        }
        kept += 1;
        Ok(if kept <= limit { Edit::Keep } else { Edit::Remove })
    })
}

fn merge_maps(arguments: &[Argument], target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
    let view = View { target, env };
    let given = Arguments::new(arguments, view);
    let (insert, update) = match given.utf8(2)?.as_str() {
        "insert" => (true, false),
        "update" => (false, true),
        _ => (true, true),
    };
    let mut source = Vec::new();
    for (key, value) in given.entries(1)? {
        source.push((key, value.any()?, false));
    }
    let (map, field) = given.map(0)?;
    for entry in codec::payloads(&map, field) {
        let (key, _) = codec::key_and_any(entry?)?;
        source.iter_mut().filter(|(wanted, ..)| wanted == key).for_each(|(_, _, there)| *there = true);
    }
    drop(map);
    let mut appended = Vec::new();
    for (key, any, _) in source.iter().filter(|(.., there)| insert && !there) {
        codec::push_entry(MAP_FIELD, key, any, &mut appended);
    }
    let (place, steps) = target_of(arguments, view)?;
    let mut edit = |key: &[u8], any: &[u8]| {
        let new = source.iter().rev().find(|(wanted, ..)| update && wanted == key);
        Ok(new.filter(|(_, new, _)| new != any).map_or(Edit::Keep, |(_, new, _)| Edit::Replace(new.clone())))
    };
    place.edit(target, &steps, &mut edit, &appended)
}

/// Makes empty what is there: maps, lists, and scalars, which become zero.
fn clear(arguments: &[Argument], target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
    write(arguments, target, env, |given| {
        Ok(match given.value(0)? {
            Value::Nil => Some(Value::Nil),
            Value::Bool(_) => Some(Value::Bool(false)),
            Value::Int(_) => Some(Value::Int(0)),
            Value::Double(_) => Some(Value::Double(0.0)),
            Value::Text(_) => Some(Value::text("")),
            Value::Bytes(_) => Some(Value::Bytes(Cow::Borrowed(&[]))),
            Value::List(_) => Some(Value::list([])?),
            Value::Map(..) => Some(Value::map::<&str>([])?),
            Value::TraceId(_) => Some(Value::TraceId([0; 16])),
            Value::SpanId(_) => Some(Value::SpanId([0; 8])),
            Value::Opaque(_, shape) => Some(Value::Opaque(Cow::Borrowed(&[]), shape)),
            Value::Time(_) | Value::Duration(_) => return Err("a time cannot be cleared".into()),
        })
    })
}

fn stringify_all(arguments: &[Argument], target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
    each(arguments, target, env, &mut |_, any| {
        let value = codec::read_any(any)?;
        Ok(match &value {
            Value::Text(_) => Edit::Keep,
            other => Edit::Replace(Value::Text(render::plain(other)?).any()?),
        })
    })
}

fn flatten(arguments: &[Argument], target: &mut Target<'_>, env: &Env<'_>) -> Result<bool, EvalError> {
    write(arguments, target, env, |given| {
        let prefix = given.utf8_or(1, "")?;
        let depth = if given.is_given(2) { given.int(2)? } else { i64::MAX };
        let depth = usize::try_from(depth).unwrap_or(0).min(DEPTH_MAX);
        let mut flat = Flat { depth, resolve: given.flag(3, false)?, ..Flat::default() };
        let (map, field) = given.map(0)?;
        flat.map(prefix.as_bytes(), &map, field, 0)?;
        Ok(Some(Value::map(flat.entries)?))
    })
}

fn check_flatten(arguments: &[Argument]) -> Result<(), String> {
    match arguments.get(2) {
        Some(Argument::Value(expression)) => match expression.literal() {
            Some(Value::Int(depth)) if *depth < 1 => {
                Err(format!("invalid depth '{depth}' for flatten function, must be greater than 0"))
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

#[derive(Default)]
struct Flat {
    depth: usize,
    resolve: bool,
    entries: Vec<(Vec<u8>, Value<'static>)>,
    /// Where a key stands, and how many more of it there were.
    known: HashMap<Vec<u8>, (usize, usize)>,
}

impl Flat {
    fn map(&mut self, prefix: &[u8], map: &[u8], field: u32, depth: usize) -> Result<(), EvalError> {
        for entry in codec::payloads(map, field) {
            let (key, any) = codec::key_and_any(entry?)?;
            self.value(join(prefix, key), codec::read_any(any)?, depth)?;
        }
        Ok(())
    }

    fn value(&mut self, key: Vec<u8>, value: Value<'_>, depth: usize) -> Result<(), EvalError> {
        match value {
            Value::Map(map, field) if depth < self.depth => self.map(&key, &map, field, depth + 1),
            Value::List(list) if depth < self.depth => {
                for (at, element) in codec::elements(&list).enumerate() {
                    let element = element?;
                    let numbered = join(&key, at.to_string().as_bytes());
                    match element {
                        Value::Map(map, field) if depth + 1 < self.depth => {
                            self.map(&numbered, &map, field, depth + 2)?;
                        }
                        Value::List(_) if depth + 1 < self.depth => {
                            self.value(numbered, element, depth + 1)?;
                        }
                        // The elements of a list are one key's values, which are told apart where they meet.
                        element if self.resolve => self.put(key.clone(), element.into_owned()),
                        element => self.put(numbered, element.into_owned()),
                    }
                }
                Ok(())
            }
            value => {
                self.put(key, value.into_owned());
                Ok(())
            }
        }
    }

    /// The later of two values under one key counts, or gets a number of its own.
    fn put(&mut self, key: Vec<u8>, value: Value<'static>) {
        let Some((place, more)) = self.known.get_mut(&key) else {
            self.known.insert(key.clone(), (self.entries.len(), 0));
            self.entries.push((key, value));
            return;
        };
        if !self.resolve {
            self.entries[*place].1 = value;
            return;
        }
        let numbered = join(&key, more.to_string().as_bytes());
        *more += 1;
        match self.known.get(&numbered) {
            Some((place, _)) => self.entries[*place].1 = value,
            None => {
                self.known.insert(numbered.clone(), (self.entries.len(), 0));
                self.entries.push((numbered, value));
            }
        }
    }
}

fn join(prefix: &[u8], key: &[u8]) -> Vec<u8> {
    if prefix.is_empty() { key.to_vec() } else { [prefix, b".", key].concat() }
}
