//! Tree to text.

use super::{DOCUMENT, Id, Kind, Name, Tree};

impl Tree {
    /// The document as text. Elements have an end tag each, also empty ones.
    pub(in crate::ottl) fn write(&self) -> String {
        let mut out = String::new();
        for child in &self.nodes[DOCUMENT].children {
            self.write_node(*child, &mut out);
        }
        out
    }

    /// A node as text, with all in it.
    pub(in crate::ottl) fn write_node(&self, id: Id, out: &mut String) {
        let node = &self.nodes[id];
        match &node.kind {
            Kind::Document => {}
            Kind::Text(text) => escape(text, out),
            Kind::Cdata(text) => out.push_str(&format!("<![CDATA[{text}]]>")),
            Kind::Comment(text) => out.push_str(&format!("<!--{text}-->")),
            Kind::Instruction(text) => out.push_str(&format!("<?{text}?>")),
            Kind::Directive(text) => out.push_str(&format!("<!{text}>")),
            Kind::Element(name, attributes) => {
                out.push('<');
                push_name(name, out);
                for (name, value) in attributes {
                    out.push(' ');
                    push_name(name, out);
                    out.push_str("=\"");
                    escape(value, out);
                    out.push('"');
                }
                out.push('>');
                // As deep as what was read, which is bounded.
                node.children.iter().for_each(|child| self.write_node(*child, out));
                out.push_str("</");
                push_name(name, out);
                out.push('>');
            }
        }
    }
}

fn push_name(name: &Name, out: &mut String) {
    if !name.prefix.is_empty() {
        out.push_str(&name.prefix);
        out.push(':');
    }
    out.push_str(&name.local);
}

/// As Go's `html.EscapeString`.
pub(in crate::ottl) fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
}
