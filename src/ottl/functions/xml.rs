//! Converters of XML.

use std::collections::HashMap;
use std::sync::Arc;

use super::{
    Argument, Arguments, Converter, Kind as ParamKind, Made, converts, literal_text, optional, value,
};
use crate::ottl::error::EvalError;
use crate::ottl::value::Value;
use crate::ottl::xml::{DOCUMENT, Id, Kind, Name, Selected, Tree, XPath};

const fn with_path(converter: Converter) -> Converter {
    Converter { prepare: prepare_path, ..converter }
}

pub(super) const CONVERTERS: &[Converter] = &[
    converts("ParseXML", &[value("target")], parse),
    converts("ParseSimplifiedXML", &[value("target")], parse_simplified),
    with_path(converts("GetXML", &[value("target"), value("x_path")], get)),
    with_path(converts("RemoveXML", &[value("target"), value("x_path")], remove)),
    with_path(converts("InsertXML", &[value("target"), value("x_path"), value("sub_document")], insert)),
    with_path(converts(
        "ConvertAttributesToElementsXML",
        &[value("target"), optional("x_path", ParamKind::Value)],
        attributes_to_elements,
    )),
    with_path(converts(
        "ConvertTextToElementsXML",
        &[value("target"), optional("x_path", ParamKind::Value), optional("element_name", ParamKind::Value)],
        text_to_elements,
    )),
];

/// A path that is written out is read once.
fn prepare_path(arguments: &mut [Argument]) -> Result<(), String> {
    if let Some(path) = literal_text(arguments, 1).filter(|path| !path.is_empty()) {
        let path = XPath::of(&path)?;
        arguments[1] = Argument::Made(Arc::new(Made::XPath(path)));
    }
    Ok(())
}

fn selected(given: &Arguments<'_>, tree: &Tree, default: &str) -> Result<Vec<Selected>, EvalError> {
    if let Some(Made::XPath(path)) = given.made(1) {
        return Ok(path.select(tree)?);
    }
    let path = given.utf8_or(1, default)?;
    Ok(XPath::of(if path.is_empty() { default } else { &path })?.select(tree)?)
}

fn text(value: String) -> Result<Value<'static>, EvalError> {
    Ok(Value::text(value))
}

fn parse<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let (tree, root) = Tree::read_element(&given.utf8(0)?)?;
    parsed(&tree, root)
}

/// `tag`, `content`, `attributes` and `children` of an element.
fn parsed(tree: &Tree, id: Id) -> Result<Value<'static>, EvalError> {
    let Kind::Element(name, attributes) = &tree.node(id).kind else { return Ok(Value::Nil) };
    let (mut content, mut children) = (String::new(), Vec::new());
    for child in &tree.node(id).children {
        match &tree.node(*child).kind {
            Kind::Text(text) | Kind::Cdata(text) => content.push_str(text.trim()),
            Kind::Element(..) => children.push(parsed(tree, *child)?),
            _ => {}
        }
    }
    let mut entries = vec![("tag", Value::text(name.local.clone()))];
    if !content.is_empty() {
        entries.push(("content", Value::text(content)));
    }
    if !attributes.is_empty() {
        let attributes = attributes.iter().map(|(name, value)| (&name.local, Value::text(value.clone())));
        entries.push(("attributes", Value::map(attributes)?));
    }
    if !children.is_empty() {
        entries.push(("children", Value::list(children)?));
    }
    Value::map(entries)
}

fn parse_simplified<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let tree = Tree::read(&given.utf8(0)?)?;
    Value::map(simplified(&tree, DOCUMENT)?)
}

/// Elements by name, those of one name as a list; their text, or the elements in them.
fn simplified(tree: &Tree, id: Id) -> Result<Vec<(String, Value<'static>)>, EvalError> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let name = |id: Id| match &tree.node(id).kind {
        Kind::Element(name, _) => Some(name.local.as_str()),
        _ => None,
    };
    let children = &tree.node(id).children;
    children.iter().filter_map(|child| name(*child)).for_each(|name| *counts.entry(name).or_default() += 1);
    let mut singles: Vec<(String, Vec<Value<'static>>, bool)> = Vec::new();
    for child in children {
        let Some(name) = name(*child).filter(|_| !tree.node(*child).children.is_empty()) else { continue };
        let many = counts.get(name).is_some_and(|count| *count > 1);
        let place = match singles.iter().position(|(known, ..)| known == name) {
            Some(place) => place,
            // Of several the list is there, even when nothing goes into it.
            None if many => {
                singles.push((name.to_owned(), Vec::new(), true));
                singles.len() - 1
            }
            None => singles.len(),
        };
        let leaf = leaf(tree, *child);
        let value = match leaf.is_empty() {
            false => Value::text(leaf),
            true => match simplified(tree, *child)? {
                entries if entries.is_empty() => continue,
                entries => Value::map(entries)?,
            },
        };
        match singles.get_mut(place) {
            Some((_, values, _)) => values.push(value),
            None => singles.push((name.to_owned(), vec![value], false)),
        }
    }
    let mut entries = Vec::new();
    for (name, mut values, many) in singles {
        let single = if many { None } else { values.pop() };
        let value = single.map_or_else(|| Value::list(values), Ok)?;
        entries.push((name, value));
    }
    Ok(entries)
}

/// The first text of an element that has no elements.
fn leaf(tree: &Tree, id: Id) -> String {
    let children = &tree.node(id).children;
    if children.iter().any(|child| matches!(tree.node(*child).kind, Kind::Element(..))) {
        return String::new();
    }
    let first = children.iter().find_map(|child| match &tree.node(*child).kind {
        Kind::Text(text) | Kind::Cdata(text) => Some(text.clone()),
        _ => None,
    });
    first.unwrap_or_default()
}

fn get<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let target = given.utf8(0)?;
    if target.is_empty() {
        return text(target);
    }
    let tree = Tree::read(&target)?;
    let mut out = String::new();
    for selected in selected(given, &tree, "/")? {
        match selected {
            Selected::Node(id) => match &tree.node(id).kind {
                Kind::Element(..) | Kind::Text(_) => tree.write_node(id, &mut out),
                Kind::Cdata(text) => crate::ottl::xml::escape(text, &mut out),
                _ => {}
            },
            attribute => crate::ottl::xml::escape(&tree.text_of(attribute), &mut out),
        }
    }
    text(out)
}

fn remove<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let target = given.utf8(0)?;
    if target.is_empty() {
        return text(target);
    }
    let mut tree = Tree::read(&target)?;
    // From the end, so that places of attributes that are still to be removed stay.
    for selected in selected(given, &tree, "/")?.into_iter().rev() {
        match selected {
            Selected::Attribute(id, at) => remove_attribute(&mut tree, id, at),
            Selected::Node(id) => match &tree.node(id).kind {
                Kind::Document | Kind::Instruction(_) | Kind::Directive(_) => {}
                _ => tree.remove(id),
            },
        }
    }
    text(tree.write())
}

fn remove_attribute(tree: &mut Tree, id: Id, at: usize) {
    if let Kind::Element(_, attributes) = &mut tree.node_mut(id).kind
        && at < attributes.len()
    {
        attributes.remove(at);
    }
}

fn insert<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let mut tree = Tree::read(&given.utf8(0)?)?;
    let inserted = Tree::read(&given.utf8(2)?)?;
    for selected in selected(given, &tree, "/")? {
        let parent = match selected {
            Selected::Node(id) if matches!(tree.node(id).kind, Kind::Element(..) | Kind::Document) => id,
            _ => return Err("InsertXML XPath selected non-element".into()),
        };
        for child in &inserted.node(DOCUMENT).children {
            tree.add_copy(parent, &inserted, *child);
        }
    }
    text(tree.write())
}

fn attributes_to_elements<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let mut tree = Tree::read(&given.utf8(0)?)?;
    let selected = selected(given, &tree, "//@*")?;
    let found = |selected: &Selected| match selected {
        Selected::Attribute(id, at) => tree.attributes(*id).get(*at).cloned().map(|pair| (*id, *at, pair)),
        Selected::Node(_) => None,
    };
    let found: Vec<_> = selected.iter().filter_map(found).collect();
    for (id, _, (name, value)) in &found {
        let element = tree.add(*id, Kind::Element(Name::plain(&name.local), Vec::new()));
        tree.add(element, Kind::Text(value.clone()));
    }
    for (id, at, _) in found.iter().rev() {
        remove_attribute(&mut tree, *id, *at);
    }
    text(tree.write())
}

fn text_to_elements<'v>(given: &Arguments<'v>) -> Result<Value<'v>, EvalError> {
    let mut tree = Tree::read(&given.utf8(0)?)?;
    let name = given.utf8_or(2, "")?;
    let name = if name.is_empty() { "value".to_owned() } else { name };
    for selected in selected(given, &tree, "/")? {
        if let Selected::Node(id) = selected {
            wrap_texts(&mut tree, id, &name);
        }
    }
    text(tree.write())
}

/// Where texts stand beside elements or other texts, each gets an element of its own.
fn wrap_texts(tree: &mut Tree, id: Id, name: &str) {
    if !matches!(tree.node(id).kind, Kind::Element(..) | Kind::Document) {
        return;
    }
    let children = tree.node(id).children.clone();
    let (mut texts, mut elements) = (Vec::new(), 0);
    for child in children {
        match &tree.node(child).kind {
            Kind::Element(..) => {
                wrap_texts(tree, child, name); // as deep as what was read, which is bounded
                elements += 1;
            }
            Kind::Text(text) => texts.push((child, text.clone())),
            _ => {}
        }
    }
    if texts.is_empty() || elements + texts.len() <= 1 {
        return;
    }
    for (child, text) in texts {
        tree.node_mut(child).kind = Kind::Element(Name::plain(name), Vec::new());
        tree.add(child, Kind::Text(text));
    }
}
