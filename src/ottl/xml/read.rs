//! Text to tree.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::{DEPTH_MAX, DOCUMENT, Id, Kind, Name, Tree};

impl Tree {
    /// Reads a document as the Collector's XPath library has it: with what follows the root, without what stands
    /// before it unless there is a declaration.
    pub(in crate::ottl) fn read(text: &str) -> Result<Self, String> {
        let mut tree = parsed(text, true).map_err(|error| format!("parse xml: {error}"))?;
        let children = tree.nodes[DOCUMENT].children.clone();
        let is_element = |id: &Id| matches!(tree.nodes[*id].kind, Kind::Element(..));
        let Some(first) = children.iter().position(is_element) else {
            return Err("parse xml: invalid XML document".into());
        };
        if !text.starts_with("<?xml") {
            tree.nodes[DOCUMENT].children = children[first..].to_vec();
        }
        Ok(tree)
    }

    /// Reads one element and nothing after it. Gives the element too.
    pub(in crate::ottl) fn read_element(text: &str) -> Result<(Self, Id), String> {
        let tree = parsed(text, false).map_err(|error| format!("unmarshal xml: {error}"))?;
        let children = &tree.nodes[DOCUMENT].children;
        let is_element = |id: &&Id| matches!(tree.nodes[**id].kind, Kind::Element(..));
        let root = *children.iter().find(is_element).ok_or("unmarshal xml: EOF")?;
        if children.last() != Some(&root) {
            return Err("trailing bytes after parsing xml".into());
        }
        Ok((tree, root))
    }
}

struct Builder {
    tree: Tree,
    /// From the document to the element that is open; with each, the prefixes it declares.
    open: Vec<(Id, Vec<String>)>,
    /// Text that goes on until something else begins.
    text: String,
    namespaces: bool,
}

fn parsed(text: &str, namespaces: bool) -> Result<Tree, String> {
    let mut builder =
        Builder { tree: Tree::new(), open: vec![(DOCUMENT, Vec::new())], text: String::new(), namespaces };
    let mut reader = Reader::from_str(text);
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        if !matches!(event, Event::Text(_) | Event::GeneralRef(_)) {
            builder.end_text();
        }
        match event {
            Event::Start(start) => {
                builder.element(&start)?;
            }
            Event::Empty(start) => {
                builder.element(&start)?;
                builder.open.pop();
            }
            Event::End(_) => {
                builder.open.pop();
            }
            Event::Text(text) => builder.text.push_str(&text.xml_content(XmlVersion::Implicit1_0)),
            Event::GeneralRef(name) => match name.resolve_char_ref().map_err(|error| error.to_string())? {
                Some(c) => builder.text.push(c),
                None => builder.text.push_str(entity(&name)?),
            },
            Event::CData(text) => {
                builder.add(Kind::Cdata(text.xml_content(XmlVersion::Implicit1_0).into_owned()))
            }
            Event::Comment(text) => {
                builder.add(Kind::Comment(text.xml_content(XmlVersion::Implicit1_0).into_owned()));
            }
            Event::Decl(text) => builder.add(Kind::Instruction(declaration(&text))),
            Event::PI(text) => builder.add(Kind::Instruction(text.trim().to_owned())),
            Event::DocType(text) => builder.add(Kind::Directive(format!("DOCTYPE {}", &*text))),
            Event::Eof if builder.open.len() > 1 => return Err("unexpected EOF".into()),
            Event::Eof => return Ok(builder.tree),
        }
    }
}

/// The entities that every document has.
fn entity(name: &str) -> Result<&'static str, String> {
    Ok(match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "apos" => "'",
        "quot" => "\"",
        _ => return Err(format!("invalid character entity &{name};")),
    })
}

/// A declaration as it is written again: its attributes, in double quotes.
fn declaration(text: &str) -> String {
    let mut out = String::from("xml");
    for pair in text.split_whitespace() {
        if let Some((name, value)) = pair.split_once('=') {
            out.push_str(&format!(" {name}=\"{}\"", value.trim_matches(['"', '\''])));
        }
    }
    out
}

impl Builder {
    fn parent(&self) -> Id {
        self.open.last().map_or(DOCUMENT, |(id, _)| *id)
    }

    fn add(&mut self, kind: Kind) {
        self.tree.add(self.parent(), kind);
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.add(Kind::Text(text));
        }
    }

    fn element(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        if self.open.len() > DEPTH_MAX {
            return Err(format!("exceeded maximum XML nesting depth of {DEPTH_MAX}"));
        }
        let mut attributes = Vec::new();
        let mut prefixes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let name = Name::of(attribute.key.as_ref());
            if name.prefix == "xmlns" {
                prefixes.push(name.local.clone());
            }
            attributes.push((name, value.map_err(|error| error.to_string())?.into_owned()));
        }
        let name = Name::of(start.name().as_ref());
        let known = |prefix: &String| {
            prefix.is_empty() || prefix == "xml" || self.open.iter().any(|(_, known)| known.contains(prefix))
        };
        if self.namespaces && !known(&name.prefix) && !prefixes.contains(&name.prefix) {
            return Err(format!("invalid XML document, namespace {} is missing", name.prefix));
        }
        let id = self.tree.add(self.parent(), Kind::Element(name, attributes));
        self.open.push((id, prefixes));
        Ok(())
    }
}
