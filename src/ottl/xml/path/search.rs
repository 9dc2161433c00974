//! The search.

use std::cell::Cell;

use super::super::{DOCUMENT, Id, Kind, Selected, Tree};
use super::{Axis, Expression, Function, Path, Sign, Step, Test, XPath};

/// Nodes that one search looks at.
const LOOKS_MAX: usize = 1_000_000;

impl XPath {
    /// What the path selects, in the order of the document.
    pub(in crate::ottl) fn select(&self, tree: &Tree) -> Result<Vec<Selected>, String> {
        let search = Search { tree, looks: Cell::new(0) };
        search.paths(&self.0, Selected::Node(DOCUMENT))
    }
}

struct Search<'t> {
    tree: &'t Tree,
    looks: Cell<usize>,
}

enum Found {
    Nodes(Vec<Selected>),
    Text(String),
    Number(f64),
    Bool(bool),
}

/// Where a predicate is asked.
#[derive(Clone, Copy)]
struct Here {
    node: Selected,
    position: usize,
    last: usize,
}

impl Search<'_> {
    fn paths(&self, paths: &[Path], from: Selected) -> Result<Vec<Selected>, String> {
        let mut all = Vec::new();
        for path in paths {
            let mut nodes = vec![if path.from_document { Selected::Node(DOCUMENT) } else { from }];
            for step in &path.steps {
                let mut next = Vec::new();
                for node in nodes {
                    self.step(step, node, &mut next)?;
                }
                in_order(&mut next);
                nodes = next;
            }
            all.extend(nodes);
        }
        in_order(&mut all);
        Ok(all)
    }

    fn step(&self, step: &Step, from: Selected, out: &mut Vec<Selected>) -> Result<(), String> {
        let mut nodes = self.axis(step.axis, from);
        self.looks.set(self.looks.get() + nodes.len() + 1);
        if self.looks.get() > LOOKS_MAX {
            return Err(format!("the search looks at more than {LOOKS_MAX} nodes"));
        }
        nodes.retain(|node| self.passes(&step.test, *node));
        for predicate in &step.predicates {
            let mut kept = Vec::with_capacity(nodes.len());
            for (at, node) in nodes.iter().enumerate() {
                let here = Here { node: *node, position: at + 1, last: nodes.len() };
                let holds = match self.value(predicate, here)? {
                    Found::Number(number) => number == here.position as f64,
                    found => truth(&found),
                };
                kept.extend(holds.then_some(*node));
            }
            nodes = kept;
        }
        out.extend(nodes);
        Ok(())
    }

    fn parent(&self, node: Selected) -> Option<Id> {
        match node {
            Selected::Node(DOCUMENT) => None,
            Selected::Node(id) => Some(self.tree.node(id).parent),
            Selected::Attribute(id, _) => Some(id),
        }
    }

    /// The nodes of an axis, the nearest first.
    fn axis(&self, axis: Axis, from: Selected) -> Vec<Selected> {
        let id = match from {
            Selected::Node(id) => Some(id),
            Selected::Attribute(..) => None,
        };
        let ancestors = || {
            std::iter::successors(self.parent(from), |id| self.parent(Selected::Node(*id)))
                .map(Selected::Node)
        };
        match (axis, id) {
            (Axis::Oneself, _) => vec![from],
            (Axis::Parent, _) => self.parent(from).map(Selected::Node).into_iter().collect(),
            (Axis::Ancestor, _) => ancestors().collect(),
            (Axis::AncestorOrSelf, _) => std::iter::once(from).chain(ancestors()).collect(),
            (Axis::DescendantOrSelf, None) => vec![from],
            (_, None) => Vec::new(),
            (Axis::Child, Some(id)) => {
                self.tree.node(id).children.iter().copied().map(Selected::Node).collect()
            }
            (Axis::Attribute, Some(id)) => {
                (0..self.tree.attributes(id).len()).map(|at| Selected::Attribute(id, at)).collect()
            }
            (Axis::Descendant | Axis::DescendantOrSelf, Some(id)) => {
                let mut found = Vec::new();
                let mut left = vec![id];
                while let Some(id) = left.pop() {
                    found.push(Selected::Node(id));
                    left.extend(self.tree.node(id).children.iter().rev());
                }
                found.split_off(usize::from(axis == Axis::Descendant))
            }
            (Axis::FollowingSibling | Axis::PrecedingSibling, Some(id)) => {
                let Some(parent) = self.parent(from) else { return Vec::new() };
                let siblings = &self.tree.node(parent).children;
                let at = siblings.iter().position(|sibling| *sibling == id).unwrap_or(0);
                match axis == Axis::FollowingSibling {
                    true => siblings[at + 1..].iter().copied().map(Selected::Node).collect(),
                    false => siblings[..at].iter().rev().copied().map(Selected::Node).collect(),
                }
            }
        }
    }

    fn passes(&self, test: &Test, node: Selected) -> bool {
        let id = match node {
            Selected::Attribute(id, at) => {
                return match test {
                    Test::Any | Test::Node => true,
                    Test::Name(name) => self.tree.attributes(id).get(at).is_some_and(|(of, _)| of == name),
                    Test::Text | Test::Comment => false,
                };
            }
            Selected::Node(id) => id,
        };
        match (test, &self.tree.node(id).kind) {
            (Test::Node, _) | (Test::Any, Kind::Element(..)) => true,
            (Test::Name(name), Kind::Element(of, _)) => of == name,
            (Test::Text, Kind::Text(_) | Kind::Cdata(_)) => true,
            (Test::Comment, Kind::Comment(_)) => true,
            _ => false,
        }
    }

    fn name(&self, node: Selected) -> Option<&super::super::Name> {
        match node {
            Selected::Attribute(id, at) => self.tree.attributes(id).get(at).map(|(name, _)| name),
            Selected::Node(id) => match &self.tree.node(id).kind {
                Kind::Element(name, _) => Some(name),
                _ => None,
            },
        }
    }

    fn value(&self, expression: &Expression, here: Here) -> Result<Found, String> {
        Ok(match expression {
            Expression::Paths(paths) => Found::Nodes(self.paths(paths, here.node)?),
            Expression::Text(text) => Found::Text(text.clone()),
            Expression::Number(number) => Found::Number(*number),
            Expression::Call(function, arguments) => self.call(*function, arguments, here)?,
            Expression::Infix(left, sign, right) => {
                let left = self.value(left, here)?;
                match (sign, truth(&left)) {
                    (Sign::Or, true) => return Ok(Found::Bool(true)),
                    (Sign::And, false) => return Ok(Found::Bool(false)),
                    _ => {}
                }
                let right = self.value(right, here)?;
                match sign {
                    Sign::Or | Sign::And => Found::Bool(truth(&right)),
                    Sign::Add => Found::Number(self.number(&left) + self.number(&right)),
                    Sign::Subtract => Found::Number(self.number(&left) - self.number(&right)),
                    sign => Found::Bool(self.compare(&left, *sign, &right)),
                }
            }
        })
    }

    fn call(&self, function: Function, arguments: &[Expression], here: Here) -> Result<Found, String> {
        let given =
            arguments.iter().map(|argument| self.value(argument, here)).collect::<Result<Vec<_>, _>>()?;
        // Without an argument it is the node itself.
        let first = |of: &dyn Fn(&Found) -> String| match given.first() {
            Some(found) => of(found),
            None => of(&Found::Nodes(vec![here.node])),
        };
        let texts: Vec<String> = given.iter().map(|found| self.text(found)).collect();
        let name = |found: &Found| match found {
            Found::Nodes(nodes) => nodes.first().and_then(|node| self.name(*node)).cloned(),
            _ => None,
        };
        Ok(match function {
            Function::Position => Found::Number(here.position as f64),
            Function::Last => Found::Number(here.last as f64),
            Function::True => Found::Bool(true),
            Function::False => Found::Bool(false),
            Function::Count => match &given[0] {
                Found::Nodes(nodes) => Found::Number(nodes.len() as f64),
                _ => return Err("count() is of nodes".into()),
            },
            Function::Not => Found::Bool(!truth(&given[0])),
            Function::Boolean => Found::Bool(truth(&given[0])),
            Function::Contains => Found::Bool(texts[0].contains(&texts[1])),
            Function::StartsWith => Found::Bool(texts[0].starts_with(&texts[1])),
            Function::EndsWith => Found::Bool(texts[0].ends_with(&texts[1])),
            Function::Concat => Found::Text(texts.concat()),
            Function::String => Found::Text(first(&|found| self.text(found))),
            Function::StringLength => Found::Number(first(&|found| self.text(found)).chars().count() as f64),
            Function::NormalizeSpace => {
                let text = first(&|found| self.text(found));
                Found::Text(text.split_whitespace().collect::<Vec<_>>().join(" "))
            }
            Function::Name => Found::Text(first(&|found| match name(found) {
                Some(name) if name.prefix.is_empty() => name.local,
                Some(name) => format!("{}:{}", name.prefix, name.local),
                None => String::new(),
            })),
            Function::LocalName => {
                Found::Text(first(&|found| name(found).map_or(String::new(), |name| name.local)))
            }
            Function::Number => Found::Number(number_of(&first(&|found| self.text(found)))),
        })
    }

    fn text(&self, found: &Found) -> String {
        match found {
            Found::Nodes(nodes) => nodes.first().map_or_else(String::new, |node| self.tree.text_of(*node)),
            Found::Text(text) => text.clone(),
            Found::Number(number) => number.to_string(),
            Found::Bool(value) => value.to_string(),
        }
    }

    fn number(&self, found: &Found) -> f64 {
        match found {
            Found::Number(number) => *number,
            Found::Bool(value) => f64::from(u8::from(*value)),
            found => number_of(&self.text(found)),
        }
    }

    /// Nodes meet a value when one of them does.
    fn compare(&self, left: &Found, sign: Sign, right: &Found) -> bool {
        match (left, right) {
            (Found::Bool(_), _) | (_, Found::Bool(_)) => {
                ordered(f64::from(u8::from(truth(left))), sign, f64::from(u8::from(truth(right))))
            }
            (Found::Nodes(nodes), other) => {
                nodes.iter().any(|node| self.compare(&Found::Text(self.tree.text_of(*node)), sign, other))
            }
            (other, Found::Nodes(nodes)) => {
                nodes.iter().any(|node| self.compare(other, sign, &Found::Text(self.tree.text_of(*node))))
            }
            (Found::Text(left), Found::Text(right)) if sign == Sign::Equal => left == right,
            (Found::Text(left), Found::Text(right)) if sign == Sign::NotEqual => left != right,
            (left, right) => ordered(self.number(left), sign, self.number(right)),
        }
    }
}

fn ordered(left: f64, sign: Sign, right: f64) -> bool {
    match sign {
        Sign::Equal => left == right,
        Sign::NotEqual => left != right,
        Sign::Less => left < right,
        Sign::LessOrEqual => left <= right,
        Sign::Greater => left > right,
        Sign::GreaterOrEqual => left >= right,
        _ => false,
    }
}

fn truth(found: &Found) -> bool {
    match found {
        Found::Nodes(nodes) => !nodes.is_empty(),
        Found::Text(text) => !text.is_empty(),
        Found::Number(number) => *number != 0.0 && !number.is_nan(),
        Found::Bool(value) => *value,
    }
}

fn number_of(text: &str) -> f64 {
    text.trim().parse().unwrap_or(f64::NAN)
}

/// In the order of the document, each once; the attributes of an element follow it.
fn in_order(nodes: &mut Vec<Selected>) {
    nodes.sort_by_key(|node| match node {
        Selected::Node(id) => (*id, 0),
        Selected::Attribute(id, at) => (*id, at + 1),
    });
    nodes.dedup();
}
