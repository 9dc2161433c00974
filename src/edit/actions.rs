//! The actions of `resource` and `attributes`: insert, update, upsert, delete, hash, extract, convert.

use std::borrow::Cow;

use super::asked::{Answers, Asked};
use super::attributes::Attributes;
use super::text::as_text;
use super::value::Value;
use crate::digest::Digest;
use crate::ottl::number::float;
use crate::pattern::Pattern;
use crate::semconv::Names;
use crate::wire::Malformed;

/// What is done to a list of attributes, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Actions {
    /// The actions.
    pub list: Vec<Action>,
    /// `semconv`: which attributes their keys and patterns mean. Of an attribute that stands under both names the
    /// written one is read and changed; deleted and hashed are both.
    pub names: Names,
}

/// One action.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// The attribute it is about; empty when only a pattern says so.
    pub key: String,
    /// What it does.
    pub change: Change,
}

/// What an action does.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Only where the key is absent.
    Insert(Source),
    /// Only where the key is present.
    Update(Source),
    /// In any case.
    Upsert(Source),
    /// Removes the key, and keys that the pattern finds.
    Delete(Option<Pattern>),
    /// Puts the SHA-256 of the value in its place, also for keys that the pattern finds.
    Hash(Option<Pattern>),
    /// Gives each group of the pattern an attribute.
    Extract(Pattern),
    /// Text: `true`; anything but text becomes text.
    ConvertToText,
    /// A whole number, where the value can be read as one.
    ConvertToInt,
    /// A number, likewise.
    ConvertToDouble,
}

/// Where a value comes from; the first that has one counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// A value of the configuration, encoded.
    pub value: Option<Vec<u8>>,
    /// `from_context`.
    pub context: Option<Asked>,
    /// Another attribute of the same list.
    pub attribute: Option<String>,
    /// What is used when nothing else has a value, encoded.
    pub default: Option<Vec<u8>>,
}

impl Actions {
    /// Does what the actions say with the attributes of `message`.
    pub fn apply(&self, message: &[u8], list: &mut Attributes, answers: &Answers) -> Result<(), Malformed> {
        self.list.iter().enumerate().try_for_each(|(place, action)| {
            action.apply(On { message, answer: answers.at(place), names: self.names }, list)
        })
    }
}

/// What actions work on, beside the list.
#[derive(Clone, Copy)]
struct On<'a> {
    message: &'a [u8],
    answer: Option<&'a [u8]>, // to `from_context`
    names: Names,
}

impl On<'_> {
    fn find(&self, list: &Attributes, key: &str) -> Option<usize> {
        self.names.first(key.as_bytes(), |key| list.find(self.message, key))
    }
}

impl Action {
    fn apply(&self, on: On<'_>, list: &mut Attributes) -> Result<(), Malformed> {
        let On { message, .. } = on;
        let key = self.key.as_str();
        match &self.change {
            Change::Insert(source) if on.find(list, key).is_none() => {
                if let Some(value) = source.get(on, list) {
                    list.add(key.as_bytes(), &value);
                }
            }
            Change::Insert(_) => {}
            Change::Update(source) => {
                if let (Some(index), Some(value)) = (on.find(list, key), source.get(on, list)) {
                    list.set(index, &value);
                }
            }
            Change::Upsert(source) => {
                if let Some(value) = source.get(on, list) {
                    match on.find(list, key) {
                        Some(index) => list.set(index, &value),
                        None => list.add(key.as_bytes(), &value),
                    }
                }
            }
            Change::Delete(pattern) => self.each(on, list, pattern.as_ref(), |list, index| {
                list.remove(index);
                Ok(())
            })?,
            Change::Hash(pattern) => self.each(on, list, pattern.as_ref(), |list, index| {
                let hashed = hash(list.value(message, index)?);
                list.set(index, &Value::Text(hashed.as_bytes()).to_bytes());
                Ok(())
            })?,
            Change::Extract(pattern) => self.extract(on, list, pattern)?,
            Change::ConvertToText | Change::ConvertToInt | Change::ConvertToDouble => {
                if let Some(index) = on.find(list, key)
                    && let Some(converted) = self.convert(list.value(message, index)?)?
                {
                    list.set(index, &converted);
                }
            }
        }
        Ok(())
    }

    /// Every attribute of the key, and those whose keys the pattern finds. A sender may have written a key twice.
    fn each(
        &self,
        on: On<'_>,
        list: &mut Attributes,
        pattern: Option<&Pattern>,
        mut change: impl FnMut(&mut Attributes, usize) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let is_named = |key: &[u8]| key == self.key.as_bytes();
        let is_found = |key: &[u8]| pattern.is_some_and(|pattern| pattern.regex.is_match(key));
        for index in 0..list.end() {
            if !list.is_left(index) {
                continue;
            }
            let key = list.key(on.message, index);
            let (named, found) = (on.names.any(key, is_named), on.names.any(key, is_found));
            if named || found {
                change(list, index)?;
            }
            // The Collector hashes what key and pattern both name twice.
            if named && found && matches!(self.change, Change::Hash(_)) {
                change(list, index)?;
            }
        }
        Ok(())
    }

    fn extract(&self, on: On<'_>, list: &mut Attributes, pattern: &Pattern) -> Result<(), Malformed> {
        let Some(index) = on.find(list, &self.key) else { return Ok(()) };
        let encoded = list.encoded(on.message, index).to_vec();
        let Value::Text(text) = Value::read(&encoded)? else { return Ok(()) };
        let Some(found) = pattern.regex.captures(text) else { return Ok(()) };
        for (name, group) in pattern.groups.iter().zip(found.iter().skip(1)) {
            let part = group.map_or(&b""[..], |group| group.as_bytes());
            list.put(on.message, name.as_bytes(), &Value::Text(part).to_bytes());
        }
        Ok(())
    }

    /// The encoded value of the wanted type; nothing when it has that type or cannot have it.
    fn convert(&self, value: Value<'_>) -> Result<Option<Vec<u8>>, Malformed> {
        let converted = match (&self.change, value) {
            (Change::ConvertToText, Value::Text(_)) => None,
            (Change::ConvertToText, other) => {
                return Ok(Some(Value::Text(&as_text(other)?).to_bytes()));
            }
            (Change::ConvertToInt, Value::Double(value)) => Some(Value::Int(cut(value))),
            (Change::ConvertToInt, Value::Bool(value)) => Some(Value::Int(value.into())),
            (Change::ConvertToInt, Value::Text(value)) => {
                std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).map(Value::Int)
            }
            (Change::ConvertToDouble, Value::Int(value)) => Some(Value::Double(value as f64)),
            (Change::ConvertToDouble, Value::Bool(value)) => Some(Value::Double(f64::from(u8::from(value)))),
            (Change::ConvertToDouble, Value::Text(value)) => float(value).map(Value::Double),
            _ => None,
        };
        Ok(converted.map(Value::to_bytes))
    }
}

/// As processors of Intel and AMD cut a number, and so the Collector there: what does not fit is the least number.
fn cut(value: f64) -> i64 {
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    if fits { value as i64 } else { i64::MIN }
}

/// SHA-256 in hexadecimal digits; of numbers as eight bytes. Lists, maps and bytes have none in the Collector: empty.
fn hash(value: Value<'_>) -> String {
    let sum = |bytes: &[u8]| Digest::Sha256.hex(bytes);
    match value {
        Value::Text(text) => sum(text),
        Value::Bool(value) => sum(&[u8::from(value)]),
        Value::Int(value) => sum(&value.to_le_bytes()),
        Value::Double(value) => sum(&value.to_bits().to_le_bytes()),
        Value::Empty | Value::List(_) | Value::Map(_) | Value::Bytes(_) => String::new(),
    }
}

impl Source {
    fn get<'s>(&'s self, on: On<'s>, list: &Attributes) -> Option<Cow<'s, [u8]>> {
        let attribute = || {
            let index = on.find(list, self.attribute.as_ref()?)?;
            Some(Cow::Owned(list.encoded(on.message, index).to_vec()))
        };
        let known = self.value.as_deref().or(on.answer).map(Cow::Borrowed);
        known.or_else(attribute).or_else(|| self.default.as_deref().map(Cow::Borrowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::AttributesEditor;
    use crate::edit::testing::{edit_with, encoded, list, request, shown, span, text};
    use crate::origin::{Identity, Origin, Peer};
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;

    fn value(value: Any) -> Source {
        Source { value: Some(encoded(value)), ..Source::default() }
    }

    fn action(key: &str, change: Change) -> Action {
        Action { key: key.into(), change }
    }

    fn after(pairs: Vec<(&str, Any)>, actions: Vec<Action>) -> String {
        after_with(Names::Written, pairs, actions)
    }

    fn after_with(names: Names, pairs: Vec<(&str, Any)>, list: Vec<Action>) -> String {
        let headers = [("tenant", "a"), ("tenant", "b")].map(|(name, value)| (name.into(), value.into()));
        let mut editor = AttributesEditor::new(Actions { list, names }, None, None);
        let request = request(vec![], vec![span("s", pairs)]);
        shown(&edit_with(&request, &mut editor, Some(Origin::of_headers(headers.into()))).1[0].attributes)
    }

    #[test]
    fn values_are_put_where_the_action_says() {
        let new = || value(text("new"));
        let from = |attribute: &str| Source { attribute: Some(attribute.into()), ..Source::default() };
        let header = |name: &str| Source {
            context: Some(Asked::Header(name.into())),
            default: Some(encoded(text("none"))),
            ..Source::default()
        };
        let cases: Vec<(Vec<Action>, &str)> = vec![
            (vec![action("a", Change::Insert(new()))], "a=1i b=x"),
            (vec![action("c", Change::Insert(new()))], "a=1i b=x c=new"),
            (vec![action("a", Change::Update(new()))], "a=new b=x"),
            (vec![action("c", Change::Update(new()))], "a=1i b=x"),
            (vec![action("a", Change::Upsert(value(Any::DoubleValue(0.5))))], "a=0.5d b=x"),
            (vec![action("c", Change::Upsert(value(Any::BoolValue(true))))], "a=1i b=x c=true"),
            (vec![action("c", Change::Insert(from("a")))], "a=1i b=x c=1i"),
            (vec![action("c", Change::Insert(from("z")))], "a=1i b=x"),
            (vec![action("c", Change::Insert(header("tenant")))], "a=1i b=x c=a;b"),
            (vec![action("c", Change::Insert(header("other")))], "a=1i b=x c=none"),
            (vec![action("c", Change::Insert(from("a"))), action("a", Change::Delete(None))], "b=x c=1i"),
            (
                vec![
                    action("c", Change::Insert(new())),
                    action("c", Change::Delete(None)),
                    action("c", Change::Upsert(from("b"))),
                    action("b", Change::Update(value(text("y")))),
                ],
                "a=1i b=y c=x",
            ),
        ];
        for (actions, expected) in cases {
            let shown = after(vec![("a", Any::IntValue(1)), ("b", text("x"))], actions.clone());
            assert_eq!(shown, expected, "{actions:?}");
        }
    }

    #[test]
    fn the_sender_is_asked_about() {
        let asks = |asked: Asked| {
            let default = Some(encoded(text("none")));
            action("k", Change::Upsert(Source { context: Some(asked), default, ..Source::default() }))
        };
        let shown = |asked: Asked, origin: Option<Origin>| {
            let actions = Actions { list: vec![asks(asked)], names: Names::Written };
            let mut editor = AttributesEditor::new(actions, None, None);
            let request = request(vec![], vec![span("s", vec![])]);
            shown(&edit_with(&request, &mut editor, origin).1[0].attributes)
        };
        let of_ann = || {
            let peer = Peer { shown: Some("10.0.0.7:99".into()), address: "10.0.0.7".into() };
            let identity = Identity(vec![("username", "ann".into())]);
            Some(Origin::of_http(peer.into(), Some(identity.into()), None))
        };
        assert_eq!(shown(Asked::Address, of_ann()), "k=10.0.0.7");
        assert_eq!(shown(Asked::Address, None), "k=", "as in the Collector, and not the default");
        assert_eq!(shown(Asked::Identity("username".into()), of_ann()), "k=ann");
        assert_eq!(shown(Asked::Identity("subject".into()), of_ann()), "k=none");
        assert_eq!(shown(Asked::Identity("username".into()), None), "k=none");
    }

    #[test]
    fn keys_are_found_by_pattern_too() {
        let pattern = || Some(Pattern::new("^b").unwrap());
        let pairs = || vec![("a", text("1")), ("b1", text("2")), ("b2", text("3")), ("c", text("4"))];
        assert_eq!(after(pairs(), vec![action("a", Change::Delete(pattern()))]), "c=4");
        assert_eq!(after(pairs(), vec![action("", Change::Delete(pattern()))]), "a=1 c=4");
        let hashed = after(pairs(), vec![action("", Change::Hash(pattern()))]);
        let two = Digest::Sha256.hex(b"2");
        assert!(hashed.starts_with(&format!("a=1 b1={two} b2=")) && hashed.ends_with(" c=4"), "{hashed}");
    }

    #[test]
    fn hashes_are_those_of_the_collector() {
        let hashed = |value| after(vec![("k", value)], vec![action("k", Change::Hash(None))]);
        assert_eq!(hashed(text("a")), format!("k={}", Digest::Sha256.hex(b"a")));
        assert_eq!(hashed(Any::IntValue(1)), format!("k={}", Digest::Sha256.hex(&[1, 0, 0, 0, 0, 0, 0, 0])));
        assert_eq!(hashed(Any::BoolValue(true)), format!("k={}", Digest::Sha256.hex(&[1])));
        assert_eq!(hashed(list(vec![])), "k=");
    }

    #[test]
    fn groups_become_attributes() {
        let pattern = Pattern::new(r"^/(?P<area>\w+)/(?P<id>\d+)?").unwrap();
        let extract = || vec![action("path", Change::Extract(pattern.clone()))];
        let shown = after(vec![("path", text("/cart/12")), ("id", Any::IntValue(3))], extract());
        assert_eq!(shown, "area=cart id=12 path=/cart/12");
        assert_eq!(after(vec![("path", text("/cart/"))], extract()), "area=cart id= path=/cart/");
        assert_eq!(after(vec![("path", text("x"))], extract()), "path=x");
        assert_eq!(after(vec![("path", Any::IntValue(1))], extract()), "path=1i");
    }

    #[test]
    fn types_are_converted_where_they_can() {
        let cases = [
            (Change::ConvertToText, Any::IntValue(5), "k=5"),
            (Change::ConvertToText, Any::DoubleValue(0.5), "k=0.5"),
            (Change::ConvertToText, list(vec![Any::BoolValue(true)]), "k=[true]"),
            (Change::ConvertToInt, text("12"), "k=12i"),
            (Change::ConvertToInt, text("1.5"), "k=1.5"),
            (Change::ConvertToInt, Any::DoubleValue(-1.9), "k=-1i"),
            (Change::ConvertToInt, Any::BoolValue(true), "k=1i"),
            (Change::ConvertToDouble, text("1.5"), "k=1.5d"),
            (Change::ConvertToDouble, text("x"), "k=x"),
            (Change::ConvertToDouble, Any::IntValue(2), "k=2d"),
        ];
        for (change, value, expected) in cases {
            assert_eq!(after(vec![("k", value)], vec![action("k", change)]), expected);
        }
    }

    #[test]
    fn renamed_keys_are_found_under_either_name() {
        let old = || vec![("http.url", text("http://a/b")), ("x", text("1"))];
        let new = || vec![("url.full", text("http://a/b")), ("x", text("1"))];
        let both = || vec![("url.full", text("http://n/")), ("http.url", text("http://a/b"))];
        let put = || value(text("put"));
        let from = || Source { attribute: Some("http.url".into()), ..Source::default() };
        let find = |pattern: &str| Some(Pattern::new(pattern).unwrap());
        let scheme = Pattern::new("^(?P<scheme>[a-z]+)://a").unwrap();
        let hash = |text: &str| Digest::Sha256.hex(text.as_bytes());
        let once = hash("http://a/b");
        let cases = [
            ("http.url", Change::Insert(put()), new(), "url.full=http://a/b x=1".to_owned()),
            ("http.url", Change::Update(put()), new(), "url.full=put x=1".into()),
            ("url.full", Change::Update(put()), old(), "http.url=put x=1".into()),
            ("http.url", Change::Upsert(put()), new(), "url.full=put x=1".into()),
            ("http.url", Change::Upsert(put()), vec![], "http.url=put".into()),
            ("http.url", Change::Upsert(put()), both(), "http.url=put url.full=http://n/".into()),
            ("url.full", Change::Update(put()), both(), "http.url=http://a/b url.full=put".into()),
            ("y", Change::Insert(from()), new(), "url.full=http://a/b x=1 y=http://a/b".into()),
            ("http.url", Change::Extract(scheme), new(), "scheme=http url.full=http://a/b x=1".into()),
            ("http.url", Change::ConvertToInt, vec![("url.full", text("7"))], "url.full=7i".into()),
            ("http.url", Change::Delete(None), both(), String::new()),
            ("", Change::Delete(find(r"^http\.")), both(), String::new()),
            ("", Change::Delete(find(r"^url\.")), old(), "x=1".into()),
            (
                "http.url",
                Change::Hash(None),
                both(),
                format!("http.url={once} url.full={}", hash("http://n/")),
            ),
            ("url.full", Change::Hash(find("^http")), old(), format!("http.url={} x=1", hash(&once))),
        ];
        for (key, change, pairs, expected) in cases {
            let actions = vec![action(key, change)];
            assert_eq!(after_with(Names::Either, pairs.clone(), actions.clone()), expected, "{actions:?}");
            if !pairs.is_empty() && pairs.iter().all(|(name, _)| *name != key) {
                assert_ne!(after_with(Names::Written, pairs, actions.clone()), expected, "{actions:?}");
            }
        }
    }
}
