//! YAML text to a tree: anchors, aliases, merge keys, duplicate keys, and the bounds of all that.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::diagnostic::Diagnostic;
use super::tree::{Entry, Mark, Node, Value};

/// Deepest nesting.
const DEPTH_MAX: usize = 100;
/// Most values in one source after its aliases are replaced: stops a small file that unfolds into a large tree.
const NODES_MAX: usize = 200_000;

/// The first document of `text`, or `None` when there is nothing but comments.
pub(super) fn parse(text: &str, source: &Rc<str>) -> Result<Option<Node>, Vec<Diagnostic>> {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        source: source.clone(),
        anchors: HashMap::new(),
        nodes: 0,
        errors: Vec::new(),
    };
    let root = reader.document();
    match root {
        Err(fatal) => reader.errors.push(fatal),
        Ok(root) if reader.errors.is_empty() => return Ok(root),
        Ok(_) => {}
    }
    Err(reader.errors)
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    source: Rc<str>,
    anchors: HashMap<usize, (Node, usize)>, // with the number of values below
    nodes: usize,
    errors: Vec<Diagnostic>, // what does not stop the reading: duplicate keys
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Option<Node>, Diagnostic> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd | Event::DocumentEnd, _) => return Ok(None),
                (event, span) => return self.node(event, span, 0).map(Some),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Diagnostic> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let help =
            error.info().contains("tab").then(|| "YAML is indented with spaces; replace the tab".to_owned());
        self.mark(*error.marker()).error("", format!("not valid YAML: {}", error.info()), help)
    }

    fn mark(&self, marker: granit_parser::Marker) -> Mark {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Mark { source: self.source.clone(), line: number(marker.line()), column: number(marker.col() + 1) }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Diagnostic> {
        let mark = self.mark(span.start);
        let before = self.nodes;
        self.count(&mark, 1)?;
        if depth > DEPTH_MAX {
            return Err(mark.error("", format!("nested more than {DEPTH_MAX} levels deep"), None));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (scalar(text, style, tag), anchor),
            Event::SequenceStart(_, anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(id) => return self.alias(id, &mark),
            _ => return Err(mark.error("", "not valid YAML: a value is missing here", None)),
        };
        let node = Node { mark, value, expanded: None };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn count(&mut self, mark: &Mark, more: usize) -> Result<(), Diagnostic> {
        self.nodes += more;
        if self.nodes > NODES_MAX {
            return Err(mark.error("", format!("more than {NODES_MAX} values, aliases included"), None));
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, mark: &Mark) -> Result<Node, Diagnostic> {
        let Some((_, size)) = self.anchors.get(&id) else {
            return Err(mark.error("", "an alias inside its own anchor", None));
        };
        let size = *size;
        self.count(mark, size)?;
        Ok(self.anchors[&id].0.clone())
    }

    fn list(&mut self, depth: usize) -> Result<Value, Diagnostic> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Diagnostic> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut inherited = Vec::new();
        loop {
            let (event, span) = match self.next()? {
                (Event::MappingEnd, _) => break,
                other => other,
            };
            let merges = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            let Value::Scalar { text, .. } = key.value else {
                return Err(key.mark.error("", "a key must be text, not a list or a map", None));
            };
            if merges {
                inherited.push(value);
                continue;
            }
            if let Some(first) = places.get(&text).map(|place: &usize| &entries[*place].mark) {
                let help = format!("first written at {}:{}:{}", first.source, first.line, first.column);
                self.errors.push(key.mark.error("", format!("key {text:?} is set twice"), Some(help)));
                continue;
            }
            places.insert(text.clone(), entries.len());
            entries.push(Entry { key: text, mark: key.mark, value });
        }
        for value in inherited {
            self.inherit(value, &mut entries, &mut places)?;
        }
        Ok(Value::Map(entries))
    }

    /// `<<`: keys of other maps, where the map has none of its own and no earlier map gave one.
    fn inherit(
        &mut self,
        from: Node,
        entries: &mut Vec<Entry>,
        places: &mut HashMap<String, usize>,
    ) -> Result<(), Diagnostic> {
        let maps = match from.value {
            Value::List(items) => items,
            Value::Map(_) => vec![from],
            Value::Scalar { .. } => {
                return Err(from.mark.error("", "`<<` wants a map or a list of maps", None));
            }
        };
        for map in maps {
            let Value::Map(more) = map.value else {
                return Err(map.mark.error("", "`<<` wants a map or a list of maps", None));
            };
            for entry in more {
                if !places.contains_key(&entry.key) {
                    places.insert(entry.key.clone(), entries.len());
                    entries.push(entry);
                }
            }
        }
        Ok(())
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<Cow<'_, Tag>>) -> Value {
    let core = tag.as_ref().and_then(|tag| tag.core_suffix());
    let plain = match core {
        Some("str") => false,
        Some("int" | "float" | "bool" | "null") => true,
        _ => style == ScalarStyle::Plain,
    };
    let text = if plain && text == "~" { String::new() } else { text.into_owned() }; // the parser's word for nothing
    Value::Scalar { text, plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::Typed;

    fn tree(text: &str) -> Node {
        parse(text, &"f.yaml".into()).unwrap().unwrap()
    }

    fn errors(text: &str) -> Vec<String> {
        let errors = parse(text, &"f.yaml".into()).unwrap_err();
        errors.iter().map(|e| format!("{}:{}:{}: {}", e.file, e.line, e.column, e.message)).collect()
    }

    fn at<'a>(node: &'a Node, path: &str) -> &'a Node {
        path.split('.').fold(node, |node, key| {
            &node.entries().iter().find(|entry| entry.key == key).expect("the key is there").value
        })
    }

    #[test]
    fn every_value_knows_where_it_was_written() {
        let root = tree("a:\n  b: [1, x]\n  \"c\": 'd'\n");
        let b = at(&root, "a.b");
        assert_eq!((b.mark.line, b.mark.column), (2, 6));
        assert_eq!((at(&root, "a.c").mark.line, at(&root, "a.c").mark.column), (3, 8));
        let Value::List(items) = &b.value else { panic!("a list") };
        assert_eq!((items[1].mark.line, items[1].mark.column), (2, 10));
    }

    #[test]
    fn text_is_kept_as_written_with_its_quotes_known() {
        let root = tree("a: 012\nb: '012'\nc: !!str 12\nd:\ne: |\n  x\n");
        assert_eq!(at(&root, "a").value, Value::Scalar { text: "012".into(), plain: true });
        assert_eq!(at(&root, "b").typed(), Typed::Text("012"));
        assert_eq!(at(&root, "c").typed(), Typed::Text("12"));
        assert!(at(&root, "d").is_null());
        assert_eq!(at(&root, "e").typed(), Typed::Text("x\n"));
    }

    #[test]
    fn duplicate_keys_are_all_reported() {
        assert_eq!(
            errors("a: 1\na: 2\nb: {c: 1, c: 2}\n"),
            ["f.yaml:2:1: key \"a\" is set twice", "f.yaml:3:11: key \"c\" is set twice"]
        );
    }

    #[test]
    fn aliases_and_merge_keys_work_and_own_keys_win() {
        let root = tree("x: &x {a: 1, b: 2}\ny: *x\nz: {<<: *x, b: 3}\nw: {<<: [{q: 1}, *x]}\n");
        assert_eq!(at(&root, "y.b").typed(), Typed::Int(2));
        assert_eq!(at(&root, "z.a").typed(), Typed::Int(1));
        assert_eq!(at(&root, "z.b").typed(), Typed::Int(3));
        assert_eq!(at(&root, "w.q").typed(), Typed::Int(1));
        assert_eq!(errors("a: *b\n").len(), 1);
        assert_eq!(errors("a: &a [*a]\n"), ["f.yaml:1:8: an alias inside its own anchor"]);
    }

    #[test]
    fn a_bomb_of_aliases_is_stopped() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for i in 1..12 {
            let list = vec![format!("*a{}", i - 1); 10].join(", ");
            text.push_str(&format!("a{i}: &a{i} [{list}]\n"));
        }
        assert!(errors(&text)[0].contains("more than 200000 values"), "{:?}", errors(&text));
    }

    #[test]
    fn deep_nesting_is_stopped() {
        assert!(
            errors(&format!("{}{}", "[".repeat(150), "]".repeat(150)))[0].contains("nested more than 100")
        );
        assert_eq!(errors(&"[".repeat(100_000)).len(), 1);
        assert_eq!(errors(&"- ".repeat(100_000)).len(), 1);
    }

    #[test]
    fn further_documents_are_ignored_and_empty_text_is_nothing() {
        assert_eq!(at(&tree("a: 1\n---\nb: 2\n"), "a").typed(), Typed::Int(1));
        assert_eq!(parse("# nothing\n", &"f".into()), Ok(None));
    }

    #[test]
    fn bad_syntax_names_its_place() {
        assert!(errors("a:\n\tb: 1\n")[0].starts_with("f.yaml:2:"), "{:?}", errors("a:\n\tb: 1\n"));
        assert!(errors("a: [1\n")[0].contains("not valid YAML"));
    }
}
