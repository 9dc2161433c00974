//! XPath 1.0, the part that selects: location paths on most axes, predicates, the functions on strings and places.
//!
//! Owns: the syntax, and the search.
//! Takes: a path; a document.
//! Gives: what it selects, in the order of the document.
//! Bounds: paths of 16 KiB, nested 64 deep; a search looks at 1,000,000 nodes.
//! Loses: nothing; what is not known is refused when the path is read.

mod parse;
mod search;

/// A path, read.
#[derive(Clone, Debug)]
pub(in crate::ottl) struct XPath(Vec<Path>);

/// Steps from the document or from where one stands.
#[derive(Clone, Debug)]
struct Path {
    from_document: bool,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Step {
    axis: Axis,
    test: Test,
    predicates: Vec<Expression>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Axis {
    Child,
    Descendant,
    DescendantOrSelf,
    Oneself,
    Parent,
    Ancestor,
    AncestorOrSelf,
    FollowingSibling,
    PrecedingSibling,
    Attribute,
}

#[derive(Clone, Debug)]
enum Test {
    /// `*`: elements, or attributes on their axis.
    Any,
    Name(super::Name),
    Text,
    Comment,
    /// `node()`
    Node,
}

#[derive(Clone, Debug)]
enum Expression {
    Paths(Vec<Path>),
    Text(String),
    Number(f64),
    Call(Function, Vec<Expression>),
    Infix(Box<Expression>, Sign, Box<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sign {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Position,
    Last,
    Count,
    Not,
    True,
    False,
    Contains,
    StartsWith,
    EndsWith,
    Concat,
    String,
    StringLength,
    NormalizeSpace,
    Name,
    LocalName,
    Number,
    Boolean,
}

/// Name, least and most arguments.
const FUNCTIONS: [(&str, Function, usize, usize); 17] = [
    ("position", Function::Position, 0, 0),
    ("last", Function::Last, 0, 0),
    ("count", Function::Count, 1, 1),
    ("not", Function::Not, 1, 1),
    ("true", Function::True, 0, 0),
    ("false", Function::False, 0, 0),
    ("contains", Function::Contains, 2, 2),
    ("starts-with", Function::StartsWith, 2, 2),
    ("ends-with", Function::EndsWith, 2, 2),
    ("concat", Function::Concat, 2, 64),
    ("string", Function::String, 0, 1),
    ("string-length", Function::StringLength, 0, 1),
    ("normalize-space", Function::NormalizeSpace, 0, 1),
    ("name", Function::Name, 0, 1),
    ("local-name", Function::LocalName, 0, 1),
    ("number", Function::Number, 0, 1),
    ("boolean", Function::Boolean, 1, 1),
];
