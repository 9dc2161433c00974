//! Random rules of processors, and the configuration that says the same.

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use ringtail::outcome::Signal;
use serde_json::{Value as Json, json};

use crate::model::{KEYS, NAMES, TEXTS};

const PATTERNS: [&str; 8] = ["a", "^x", "(b)(1)?", "[0-9]+", "é", "password=.*", ".*", "^$"];
/// What stands in for what a pattern finds; in the first two patterns there are no groups.
const STAND_INS: [&str; 4] = ["", "Z", "<${0}>", "a-b"];

type Key = &'static str;

/// One processor.
#[derive(Clone, Debug)]
pub enum Step {
    Transform(Vec<Group>),
    Resource(Vec<Act>),
    Attributes { acts: Vec<Act>, include: Option<Vec<Key>>, exclude: Option<Vec<Key>> },
    Filter { items: Vec<When>, children: Vec<When> },
    Redact(Redact),
}

/// What statements run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Resource,
    Scope,
    Item,
    Child,
}

/// Whose attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Own,
    Resource,
    Scope,
}

#[derive(Clone, Debug)]
pub struct Group {
    pub at: At,
    pub conditions: Vec<When>,
    pub statements: Vec<(Edit, Option<When>)>,
}

#[derive(Clone, Debug)]
pub enum Edit {
    Set(Of, Key, Source),
    SetName(Source),
    Delete(Of, Key),
    Keep(Of, Vec<Key>),
    DeleteMatching(Of, Key),
    KeepMatching(Of, Key),
    Replace(Of, Key, Key, Key),
    ReplaceAllValues(Of, Key, Key),
    ReplaceAllKeys(Of, Key),
    Truncate(Of, usize),
    Limit(Of, usize, Vec<Key>),
    Merge(Of, Vec<(Key, Literal)>, Strategy3),
    MergeResource(Of, Strategy3),
    Clear(Of),
}

/// insert, update, upsert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy3 {
    Insert,
    Update,
    Upsert,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Text(&'static str),
    Int(i64),
    Double(f64),
    Bool(bool),
}

#[derive(Clone, Debug)]
pub enum Source {
    Literal(Literal),
    Attribute(Of, Key),
    Name,
}

#[derive(Clone, Debug)]
pub enum When {
    Equal(Of, Key, Literal),
    Unequal(Of, Key, Literal),
    Nil(Of, Key),
    Less(Of, Key, i64),
    Name(&'static str),
    NameMatches(Key),
    TextMatches(Of, Key, Key),
    Not(Box<When>),
    And(Box<When>, Box<When>),
    Or(Box<When>, Box<When>),
}

#[derive(Clone, Debug)]
pub enum Act {
    Insert(Key, From),
    Update(Key, From),
    Upsert(Key, From),
    Delete(Key),
    DeletePattern(Key),
    Hash(Key),
    Extract(Key),
}

#[derive(Clone, Debug)]
pub enum From {
    Literal(Literal),
    Attribute(Key),
}

#[derive(Clone, Debug)]
pub struct Redact {
    pub allowed: Option<Vec<Key>>,
    pub ignored: Vec<Key>,
    pub blocked_keys: Vec<Key>,
    pub blocked: Vec<Key>,
    pub allowed_values: Vec<Key>,
}

/// `x1` and what follows; `extract` makes attributes of its two groups.
pub const EXTRACT: &str = "(?P<b>[a-z]+)(?P<ab>[0-9]*)";

fn key() -> impl Strategy<Value = Key> {
    select(&KEYS[..])
}

fn keys(range: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Key>> {
    btree_set(key(), range).prop_map(|keys| keys.into_iter().collect())
}

fn pattern() -> impl Strategy<Value = Key> {
    select(&PATTERNS[..])
}

fn of() -> impl Strategy<Value = Of> {
    prop_oneof![4 => Just(Of::Own), 1 => Just(Of::Resource), 1 => Just(Of::Scope)]
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        3 => select(&TEXTS[..]).prop_map(Literal::Text),
        1 => select(&[-1, 0, 5, 12][..]).prop_map(Literal::Int),
        1 => select(&[0.5, 5.0][..]).prop_map(Literal::Double),
        1 => any::<bool>().prop_map(Literal::Bool),
    ]
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        2 => literal().prop_map(Source::Literal),
        2 => (of(), key()).prop_map(|(of, key)| Source::Attribute(of, key)),
        1 => Just(Source::Name),
    ]
}

fn when() -> impl Strategy<Value = When> {
    let leaf = prop_oneof![
        (of(), key(), literal()).prop_map(|(of, key, value)| When::Equal(of, key, value)),
        (of(), key(), literal()).prop_map(|(of, key, value)| When::Unequal(of, key, value)),
        (of(), key()).prop_map(|(of, key)| When::Nil(of, key)),
        (of(), key(), -2..6_i64).prop_map(|(of, key, value)| When::Less(of, key, value)),
        select(&NAMES[..]).prop_map(When::Name),
        pattern().prop_map(When::NameMatches),
        (of(), key(), pattern()).prop_map(|(of, key, pattern)| When::TextMatches(of, key, pattern)),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| When::Not(one.into())),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| When::And(a.into(), b.into())),
            (inner.clone(), inner).prop_map(|(a, b)| When::Or(a.into(), b.into())),
        ]
    })
}

fn edit() -> impl Strategy<Value = Edit> {
    let strategy = || select(&[Strategy3::Insert, Strategy3::Update, Strategy3::Upsert][..]);
    let stand_in = || select(&STAND_INS[..]);
    prop_oneof![
        3 => (of(), key(), source()).prop_map(|(of, key, source)| Edit::Set(of, key, source)),
        1 => source().prop_map(Edit::SetName),
        2 => (of(), key()).prop_map(|(of, key)| Edit::Delete(of, key)),
        1 => (of(), keys(0..4)).prop_map(|(of, keys)| Edit::Keep(of, keys)),
        1 => (of(), pattern()).prop_map(|(of, pattern)| Edit::DeleteMatching(of, pattern)),
        1 => (of(), pattern()).prop_map(|(of, pattern)| Edit::KeepMatching(of, pattern)),
        2 => (of(), key(), pattern(), stand_in())
            .prop_map(|(of, key, pattern, by)| Edit::Replace(of, key, pattern, by)),
        1 => (of(), pattern(), stand_in())
            .prop_map(|(of, pattern, by)| Edit::ReplaceAllValues(of, pattern, by)),
        1 => (of(), select(&["^", "$"][..])).prop_map(|(of, at)| Edit::ReplaceAllKeys(of, at)),
        1 => (of(), 0..5_usize).prop_map(|(of, limit)| Edit::Truncate(of, limit)),
        1 => (of(), keys(0..3), 0..3_usize)
            .prop_map(|(of, keys, more)| Edit::Limit(of, keys.len() + more, keys)),
        1 => (of(), proptest::collection::btree_map(key(), literal(), 0..3), strategy())
            .prop_map(|(of, map, strategy)| Edit::Merge(of, map.into_iter().collect(), strategy)),
        1 => (prop_oneof![Just(Of::Own), Just(Of::Scope)], strategy())
            .prop_map(|(of, strategy)| Edit::MergeResource(of, strategy)),
        1 => of().prop_map(Edit::Clear),
    ]
}

fn group(signal: Signal) -> impl Strategy<Value = Group> {
    let all = [At::Resource, At::Scope, At::Item, At::Item, At::Child];
    let places = if signal == Signal::Logs { &all[..4] } else { &all[..] };
    let conditions = prop_oneof![3 => vec(when(), 0..1), 1 => vec(when(), 1..3)];
    (select(places.to_vec()), conditions, vec((edit(), option::of(when())), 1..4))
        .prop_map(|(at, conditions, statements)| Group { at, conditions, statements })
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let from = || prop_oneof![2 => literal().prop_map(From::Literal), 1 => key().prop_map(From::Attribute)];
    let act = prop_oneof![
        (key(), from()).prop_map(|(key, from)| Act::Insert(key, from)),
        (key(), from()).prop_map(|(key, from)| Act::Update(key, from)),
        (key(), from()).prop_map(|(key, from)| Act::Upsert(key, from)),
        key().prop_map(Act::Delete),
        pattern().prop_map(Act::DeletePattern),
        key().prop_map(Act::Hash),
        key().prop_map(Act::Extract),
    ];
    vec(act, 1..4)
}

fn redact() -> impl Strategy<Value = Redact> {
    let patterns = || vec(select(&["a", "^x", "(b)(1)?", "[0-9]+", "é", "password=.*"][..]), 0..2);
    (option::of(keys(1..4)), keys(0..2), patterns(), patterns(), patterns()).prop_map(
        |(allowed, ignored, blocked_keys, blocked, allowed_values)| Redact {
            allowed,
            ignored,
            blocked_keys,
            blocked,
            allowed_values,
        },
    )
}

pub fn steps(signal: Signal) -> impl Strategy<Value = Vec<Step>> {
    let names = || option::weighted(0.3, vec(select(&NAMES[..]), 1..3));
    let chosen = signal == Signal::Traces;
    let children = if signal == Signal::Logs { 0..1 } else { 0..3 };
    let step = prop_oneof![
        4 => vec(group(signal), 1..3).prop_map(Step::Transform),
        1 => acts().prop_map(Step::Resource),
        1 => (acts(), names(), names()).prop_map(move |(acts, include, exclude)| Step::Attributes {
            acts,
            include: include.filter(|_| chosen),
            exclude: exclude.filter(|_| chosen),
        }),
        1 => (vec(when(), 0..2), vec(when(), children)).prop_map(|(items, children)| Step::Filter { items, children }),
        1 => redact().prop_map(Step::Redact),
    ];
    vec(step, 1..4)
}

/// A configuration whose only pipeline has these processors, in order.
pub fn config(steps: &[Step], signal: Signal) -> String {
    let mut processors = serde_json::Map::new();
    let mut names = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let (kind, keys) = step.keys(signal);
        names.push(format!("{kind}/{index}"));
        processors.insert(format!("{kind}/{index}"), keys);
    }
    let config = json!({
        "receivers": {"otlp": {"protocols": {"grpc": {}}}},
        "processors": processors,
        "exporters": {"nop": {}},
        "service": {"pipelines": {signal.name(): {"receivers": ["otlp"], "processors": names, "exporters": ["nop"]}}},
    });
    config.to_string().replace('$', "$$")
}

impl Step {
    fn keys(&self, signal: Signal) -> (&'static str, Json) {
        let names = |names: &Option<Vec<Key>>| {
            names.as_ref().map(|names| json!({"match_type": "strict", "span_names": names}))
        };
        match self {
            Self::Transform(groups) => {
                let list: Vec<Json> = groups.iter().map(|group| group.keys(signal)).collect();
                let prefix = signal.name().trim_end_matches('s');
                ("transform", json!({"error_mode": "propagate", format!("{prefix}_statements"): list}))
            }
            Self::Resource(acts) => {
                ("resource", json!({"attributes": acts.iter().map(Act::keys).collect::<Vec<_>>()}))
            }
            Self::Attributes { acts, include, exclude } => {
                let acts: Vec<Json> = acts.iter().map(Act::keys).collect();
                ("attributes", json!({"actions": acts, "include": names(include), "exclude": names(exclude)}))
            }
            Self::Filter { items, children } => {
                let texts =
                    |at, list: &[When]| list.iter().map(|one| one.text(at, signal)).collect::<Vec<_>>();
                let (items, children) = (texts(At::Item, items), texts(At::Child, children));
                let conditions = match signal {
                    Signal::Traces => json!({"span": items, "spanevent": children}),
                    Signal::Metrics => json!({"metric": items, "datapoint": children}),
                    Signal::Logs => json!({"log_record": items}),
                };
                ("filter", json!({"error_mode": "propagate", signal.name(): conditions}))
            }
            Self::Redact(rules) => (
                "redaction",
                json!({
                    "allow_all_keys": rules.allowed.is_none(),
                    "allowed_keys": rules.allowed.clone().unwrap_or_default(),
                    "ignored_keys": rules.ignored,
                    "blocked_key_patterns": rules.blocked_keys,
                    "blocked_values": rules.blocked,
                    "allowed_values": rules.allowed_values,
                    "summary": "silent",
                }),
            ),
        }
    }
}

impl Group {
    fn keys(&self, signal: Signal) -> Json {
        let context = match (self.at, signal) {
            (At::Resource, _) => "resource",
            (At::Scope, _) => "scope",
            (At::Item, Signal::Traces) => "span",
            (At::Item, Signal::Metrics) => "metric",
            (At::Item, Signal::Logs) => "log",
            (At::Child, Signal::Metrics) => "datapoint",
            (At::Child, _) => "spanevent",
        };
        let statement = |(edit, when): &(Edit, Option<When>)| match when {
            Some(when) => format!("{} where {}", edit.text(self.at, signal), when.text(self.at, signal)),
            None => edit.text(self.at, signal),
        };
        let conditions: Vec<String> = self.conditions.iter().map(|one| one.text(self.at, signal)).collect();
        json!({
            "context": context,
            "conditions": conditions,
            "statements": self.statements.iter().map(statement).collect::<Vec<_>>(),
        })
    }
}

/// Whose attributes these are where statements run: a resource has nothing around it, a metric no attributes.
pub fn resolved(of: Of, at: At, signal: Signal) -> Of {
    match (of, at) {
        (_, At::Resource) => Of::Own,
        (Of::Own, At::Item) if signal == Signal::Metrics => Of::Resource,
        (Of::Scope, At::Scope) => Of::Own,
        _ => of,
    }
}

/// Whether what statements run on has a name that they can change.
pub fn is_named(at: At, signal: Signal) -> bool {
    at != At::Resource && !(at == At::Child && signal == Signal::Metrics)
}

fn map(of: Of, at: At, signal: Signal) -> &'static str {
    match resolved(of, at, signal) {
        Of::Own => "attributes",
        Of::Resource => "resource.attributes",
        Of::Scope => "scope.attributes",
    }
}

fn name(at: At, signal: Signal) -> &'static str {
    match (at, signal) {
        (At::Resource, _) => "\"r\"",
        (At::Item, Signal::Logs) => "severity_text",
        (At::Child, Signal::Metrics) => "metric.name",
        _ => "name",
    }
}

fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

fn list(keys: &[Key]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| quoted(key)).collect();
    format!("[{}]", keys.join(", "))
}

impl Literal {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Int(value) => value.to_string(),
            Self::Double(value) => format!("{value:?}"),
            Self::Bool(value) => value.to_string(),
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::Text(text) => json!(text),
            Self::Int(value) => json!(value),
            Self::Double(value) => json!(value),
            Self::Bool(value) => json!(value),
        }
    }
}

impl Source {
    fn text(&self, at: At, signal: Signal) -> String {
        match self {
            Self::Literal(literal) => literal.text(),
            Self::Attribute(of, key) => format!("{}[{}]", map(*of, at, signal), quoted(key)),
            Self::Name => name(at, signal).to_owned(),
        }
    }
}

impl Edit {
    fn text(&self, at: At, signal: Signal) -> String {
        let map = |of: &Of| map(*of, at, signal);
        let strategy = |one: &Strategy3| quoted(&format!("{one:?}").to_lowercase());
        match self {
            Self::Set(of, key, source) => {
                format!("set({}[{}], {})", map(of), quoted(key), source.text(at, signal))
            }
            Self::SetName(source) if is_named(at, signal) => {
                format!("set({}, {})", name(at, signal), quoted_name(source, at, signal))
            }
            Self::SetName(source) => {
                format!("set({}[\"a\"], {})", map(&Of::Own), source.text(at, signal))
            }
            Self::Delete(of, key) => format!("delete_key({}, {})", map(of), quoted(key)),
            Self::Keep(of, keys) => format!("keep_keys({}, {})", map(of), list(keys)),
            Self::DeleteMatching(of, pattern) => {
                format!("delete_matching_keys({}, {})", map(of), quoted(pattern))
            }
            Self::KeepMatching(of, pattern) => {
                format!("keep_matching_keys({}, {})", map(of), quoted(pattern))
            }
            Self::Replace(of, key, pattern, by) => {
                format!("replace_pattern({}[{}], {}, {})", map(of), quoted(key), quoted(pattern), quoted(by))
            }
            Self::ReplaceAllValues(of, pattern, by) => {
                format!("replace_all_patterns({}, \"value\", {}, {})", map(of), quoted(pattern), quoted(by))
            }
            Self::ReplaceAllKeys(of, at) => {
                format!("replace_all_patterns({}, \"key\", {}, \"_\")", map(of), quoted(at))
            }
            Self::Truncate(of, limit) => format!("truncate_all({}, {limit})", map(of)),
            Self::Limit(of, limit, keys) => format!("limit({}, {limit}, {})", map(of), list(keys)),
            Self::Merge(of, pairs, one) => {
                let pairs: Vec<String> =
                    pairs.iter().map(|(key, value)| format!("{}: {}", quoted(key), value.text())).collect();
                format!("merge_maps({}, {{{}}}, {})", map(of), pairs.join(", "), strategy(one))
            }
            Self::MergeResource(of, one) => {
                let resource = if at == At::Resource { "attributes" } else { "resource.attributes" };
                format!("merge_maps({}, {resource}, {})", map(of), strategy(one))
            }
            Self::Clear(of) => format!("delete_matching_keys({}, \"\")", map(of)),
        }
    }
}

/// A name is text: what is not is left out by [`named`], here and in the reference.
fn quoted_name(source: &Source, at: At, signal: Signal) -> String {
    named(source).map_or_else(|| source.text(at, signal), quoted)
}

/// What a name is set to, unless it is set to itself.
pub fn named(source: &Source) -> Option<&'static str> {
    match source {
        Source::Name => None,
        Source::Literal(Literal::Text(text)) => Some(text),
        Source::Literal(_) | Source::Attribute(..) => Some("set"),
    }
}

impl When {
    fn text(&self, at: At, signal: Signal) -> String {
        let attribute = |of: &Of, key: &Key| format!("{}[{}]", map(*of, at, signal), quoted(key));
        match self {
            Self::Equal(of, key, value) => format!("{} == {}", attribute(of, key), value.text()),
            Self::Unequal(of, key, value) => format!("{} != {}", attribute(of, key), value.text()),
            Self::Nil(of, key) => format!("{} == nil", attribute(of, key)),
            Self::Less(of, key, value) => format!("{} < {value}", attribute(of, key)),
            Self::Name(text) => format!("{} == {}", name(at, signal), quoted(text)),
            Self::NameMatches(pattern) => format!("IsMatch({}, {})", name(at, signal), quoted(pattern)),
            Self::TextMatches(of, key, pattern) => {
                let path = attribute(of, key);
                format!("IsString({path}) and IsMatch({path}, {})", quoted(pattern))
            }
            Self::Not(one) => format!("not ({})", one.text(at, signal)),
            Self::And(a, b) => format!("({}) and ({})", a.text(at, signal), b.text(at, signal)),
            Self::Or(a, b) => format!("({}) or ({})", a.text(at, signal), b.text(at, signal)),
        }
    }
}

impl Act {
    fn keys(&self) -> Json {
        let with = |action: &str, key: &Key, from: &From| match from {
            From::Literal(literal) => json!({"action": action, "key": key, "value": literal.json()}),
            From::Attribute(other) => json!({"action": action, "key": key, "from_attribute": other}),
        };
        match self {
            Self::Insert(key, from) => with("insert", key, from),
            Self::Update(key, from) => with("update", key, from),
            Self::Upsert(key, from) => with("upsert", key, from),
            Self::Delete(key) => json!({"action": "delete", "key": key}),
            Self::DeletePattern(pattern) => json!({"action": "delete", "pattern": pattern}),
            Self::Hash(key) => json!({"action": "hash", "key": key}),
            Self::Extract(key) => json!({"action": "extract", "key": key, "pattern": EXTRACT}),
        }
    }
}
