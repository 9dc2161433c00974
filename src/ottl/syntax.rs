//! What a statement says, before any name in it is known.

/// `editor(arguments) where condition`.
#[derive(Clone, Debug)]
pub(super) struct StatementText {
    pub(super) editor: CallText,
    pub(super) condition: Option<BoolText>,
}

/// A condition.
#[derive(Clone, Debug)]
pub(super) enum BoolText {
    Literal(bool),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Compare(Box<ValueText>, Comparison, Box<ValueText>),
    Value(Box<ValueText>),
}

/// `==` and its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Anything with a value.
#[derive(Clone, Debug)]
pub(super) enum ValueText {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Vec<u8>),
    Bytes(Vec<u8>),
    /// An enum, or the name of a converter as an argument.
    Name {
        at: usize,
        name: String,
    },
    Path(PathText),
    Call(CallText),
    List(Vec<ValueText>),
    Map(Vec<(Vec<u8>, ValueText)>),
    Math(Box<ValueText>, MathSign, Box<ValueText>),
    Negated(Box<ValueText>),
}

/// An operator of arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MathSign {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// `a.b["c"]`.
#[derive(Clone, Debug)]
pub(super) struct PathText {
    pub(super) at: usize,
    pub(super) segments: Vec<String>,
    pub(super) keys: Vec<ValueText>,
}

/// `Name(arguments)["key"]`.
#[derive(Clone, Debug)]
pub(super) struct CallText {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) arguments: Vec<ArgumentText>,
    pub(super) keys: Vec<ValueText>,
}

/// `value` or `name = value`.
#[derive(Clone, Debug)]
pub(super) struct ArgumentText {
    pub(super) at: usize,
    pub(super) name: Option<String>,
    pub(super) value: ValueText,
}

/// What names contexts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node<'t> {
    Path(&'t PathText),
    Call(&'t CallText),
}

impl StatementText {
    /// Shows `look` every path and call.
    pub(super) fn each(&self, look: &mut dyn FnMut(Node<'_>)) {
        self.editor.each(look);
        if let Some(condition) = &self.condition {
            condition.each(look);
        }
    }
}

impl BoolText {
    pub(super) fn each(&self, look: &mut dyn FnMut(Node<'_>)) {
        match self {
            Self::Literal(_) => {}
            Self::Not(inner) => inner.each(look),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.each(look)),
            Self::Compare(left, _, right) => {
                left.each(look);
                right.each(look);
            }
            Self::Value(value) => value.each(look),
        }
    }
}

impl ValueText {
    fn each(&self, look: &mut dyn FnMut(Node<'_>)) {
        match self {
            Self::Path(path) => {
                look(Node::Path(path));
                path.keys.iter().for_each(|key| key.each(look));
            }
            Self::Call(call) => call.each(look),
            Self::List(values) => values.iter().for_each(|value| value.each(look)),
            Self::Map(entries) => entries.iter().for_each(|(_, value)| value.each(look)),
            Self::Math(left, _, right) => {
                left.each(look);
                right.each(look);
            }
            Self::Negated(value) => value.each(look),
            _ => {}
        }
    }
}

impl CallText {
    fn each(&self, look: &mut dyn FnMut(Node<'_>)) {
        look(Node::Call(self));
        self.arguments.iter().for_each(|argument| argument.value.each(look));
        self.keys.iter().for_each(|key| key.each(look));
    }
}
