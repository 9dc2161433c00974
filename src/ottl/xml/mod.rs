//! XML: read into a tree, searched by XPath, written again.
//!
//! Owns: the tree, its text form, the part of XPath that is known.
//! Takes: the text of a document; a path.
//! Gives: nodes and attributes; the document as text, as the Collector's library writes it.
//! Bounds: 200 deep; as many nodes as the text has bytes for.
//! Loses: what stands before the first element of a document without a declaration, as the Collector.

mod path;
mod read;
mod write;

pub(super) use path::XPath;
pub(super) use write::escape;

/// Elements nest this deep at most.
const DEPTH_MAX: usize = 200;

/// The number of a node. The document is 0.
pub(super) type Id = usize;
/// The document.
pub(super) const DOCUMENT: Id = 0;

/// A document.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

/// One node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) parent: Id,
    pub(super) children: Vec<Id>,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Document,
    /// Its name, prefix and all, and attributes in order.
    Element(Name, Vec<(Name, String)>),
    Text(String),
    Cdata(String),
    Comment(String),
    /// What stands inside of `<? ?>`, and of `<! >`.
    Instruction(String),
    Directive(String),
}

/// A name with its prefix.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Name {
    pub(super) prefix: String,
    pub(super) local: String,
}

/// What a path selects: a node, or an attribute of an element by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Selected {
    Node(Id),
    Attribute(Id, usize),
}

impl Name {
    fn of(text: &str) -> Self {
        let (prefix, local) = text.split_once(':').unwrap_or(("", text));
        Self { prefix: prefix.to_owned(), local: local.to_owned() }
    }

    pub(super) fn plain(local: &str) -> Self {
        Self { prefix: String::new(), local: local.to_owned() }
    }
}

impl Tree {
    fn new() -> Self {
        Self { nodes: vec![Node { kind: Kind::Document, parent: DOCUMENT, children: Vec::new() }] }
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    pub(super) fn node_mut(&mut self, id: Id) -> &mut Node {
        &mut self.nodes[id]
    }

    /// Adds a node as the last child.
    pub(super) fn add(&mut self, parent: Id, kind: Kind) -> Id {
        let id = self.nodes.len();
        self.nodes.push(Node { kind, parent, children: Vec::new() });
        self.nodes[parent].children.push(id);
        id
    }

    /// Takes a node out of its parent, with all in it.
    pub(super) fn remove(&mut self, id: Id) {
        let parent = self.nodes[id].parent;
        self.nodes[parent].children.retain(|child| *child != id);
    }

    /// Adds a copy of a node of another document, with all in it.
    pub(super) fn add_copy(&mut self, parent: Id, of: &Tree, id: Id) {
        let mut left = vec![(parent, id)];
        while let Some((parent, id)) = left.pop() {
            let node = of.node(id);
            let copy = self.add(parent, node.kind.clone());
            // The first is popped first, so that children keep their order.
            left.extend(node.children.iter().rev().map(|child| (copy, *child)));
        }
    }

    /// The text in a node and below it.
    pub(super) fn text(&self, id: Id) -> String {
        let mut out = String::new();
        let mut left = vec![id];
        while let Some(id) = left.pop() {
            match &self.nodes[id].kind {
                Kind::Text(text) | Kind::Cdata(text) => out.push_str(text),
                _ => left.extend(self.nodes[id].children.iter().rev()),
            }
        }
        out
    }

    /// The attributes of an element.
    pub(super) fn attributes(&self, id: Id) -> &[(Name, String)] {
        match &self.nodes[id].kind {
            Kind::Element(_, attributes) => attributes,
            _ => &[],
        }
    }

    /// The text of what was selected.
    pub(super) fn text_of(&self, selected: Selected) -> String {
        match selected {
            Selected::Node(id) => self.text(id),
            Selected::Attribute(id, at) => {
                self.attributes(id).get(at).map_or_else(String::new, |(_, value)| value.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests;
