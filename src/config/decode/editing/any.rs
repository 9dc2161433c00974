//! Values of any type, as an attribute may have them.

use crate::config::decode::Scalar;
use crate::config::decode::scalars::Bad;
use crate::config::print::Printed;
use crate::config::tree::{Node, Typed};
use crate::edit::{Value, write_field};
use crate::wire::otlp;

/// A value of any type, encoded.
#[derive(Clone, Debug)]
pub(super) struct Any {
    pub(super) encoded: Vec<u8>,
    printed: Printed,
}

impl Scalar for Any {
    fn zero() -> Result<Self, Bad> {
        Ok(Self { encoded: Vec::new(), printed: Printed::Text(String::new()) })
    }

    fn read(node: &Node) -> Result<Self, Bad> {
        let whole = |value: i128| i64::try_from(value).map_err(|_| Bad::Form("is too large".into()));
        let (encoded, mut printed) = match node.typed() {
            Typed::Null => (Vec::new(), Printed::Text(String::new())),
            Typed::Bool(value) => (Value::Bool(value).to_bytes(), Printed::Bool(value)),
            Typed::Int(value) => (Value::Int(whole(value)?).to_bytes(), Printed::Int(value)),
            Typed::Float(value) => (Value::Double(value).to_bytes(), Printed::Float(value)),
            Typed::Text(text) => (Value::Text(text.as_bytes()).to_bytes(), Printed::Text(text.to_owned())),
            Typed::List(items) => {
                let (mut list, mut printed) = (Vec::new(), Vec::new());
                for item in items {
                    let one = Self::read(item)?;
                    write_field(otlp::VALUES, &one.encoded, &mut list);
                    printed.push(one.printed);
                }
                (Value::List(&list).to_bytes(), Printed::List(printed))
            }
            Typed::Map(entries) => {
                let (mut map, mut printed) = (Vec::new(), Vec::new());
                for entry in entries {
                    let one = Self::read(&entry.value)?;
                    let mut pair = Vec::new();
                    write_field(otlp::ATTRIBUTE_KEY, entry.key.as_bytes(), &mut pair);
                    write_field(otlp::ATTRIBUTE_VALUE, &one.encoded, &mut pair);
                    write_field(otlp::VALUES, &pair, &mut map);
                    printed.push((entry.key.clone(), one.printed));
                }
                (Value::Map(&map).to_bytes(), Printed::Map(printed))
            }
        };
        if let (Some(text), Printed::Text(_)) = (&node.expanded, &printed) {
            printed = Printed::Secret(text.clone());
        }
        Ok(Self { encoded, printed })
    }

    fn print(&self) -> Printed {
        self.printed.clone()
    }
}
