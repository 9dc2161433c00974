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

impl StatementText {
    /// Shows `look` every path.
    pub(super) fn each_path(&self, look: &mut dyn FnMut(&PathText)) {
        self.editor.each_path(look);
        if let Some(condition) = &self.condition {
            condition.each_path(look);
        }
    }
}

impl BoolText {
    pub(super) fn each_path(&self, look: &mut dyn FnMut(&PathText)) {
        match self {
            Self::Literal(_) => {}
            Self::Not(inner) => inner.each_path(look),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.each_path(look)),
            Self::Compare(left, _, right) => {
                left.each_path(look);
                right.each_path(look);
            }
            Self::Value(value) => value.each_path(look),
        }
    }
}

impl ValueText {
    fn each_path(&self, look: &mut dyn FnMut(&PathText)) {
        match self {
            Self::Path(path) => {
                look(path);
                path.keys.iter().for_each(|key| key.each_path(look));
            }
            Self::Call(call) => call.each_path(look),
            Self::List(values) => values.iter().for_each(|value| value.each_path(look)),
            Self::Map(entries) => entries.iter().for_each(|(_, value)| value.each_path(look)),
            Self::Math(left, _, right) => {
                left.each_path(look);
                right.each_path(look);
            }
            Self::Negated(value) => value.each_path(look),
            _ => {}
        }
    }
}

impl CallText {
    fn each_path(&self, look: &mut dyn FnMut(&PathText)) {
        self.arguments.iter().for_each(|argument| argument.value.each_path(look));
        self.keys.iter().for_each(|key| key.each_path(look));
    }
}
