//! From the tokens of an expression to what is computed, with the kinds of all operands checked.

use std::borrow::Cow;

use super::lex::{Kind, Token, error, tokens};
use super::{Change, ExpressionError, Node, Part, Value};
use crate::pattern;

/// Nodes beside constants in lists.
const NODES_MAX: usize = 1_000;

/// Parentheses, negations and choices inside each other.
const DEPTH_MAX: usize = 100;

/// How tightly operators bind: as in the expr language, where `not` binds tighter than `==`.
const OR: u8 = 1;
const AND: u8 = 2;
const COMPARISON: u8 = 3;
const NOT: u8 = 4;

type Parsed = Result<Node, ExpressionError>;

/// What a node is computed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Bool,
    Other,
}

pub(super) fn parse(text: &str) -> Parsed {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, nodes: 0, depth: 0 };
    let root = parser.choice()?;
    if *parser.peek() != Kind::End {
        return Err(parser.unexpected());
    }
    check(&root, Type::Bool, "the expression", 0)?;
    Ok(root)
}

struct Parser {
    tokens: Vec<Token>, // ends with the end
    next: usize,
    nodes: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Kind {
        &self.tokens[self.next].kind
    }

    /// The token after that.
    fn second(&self) -> &Kind {
        &self.tokens[(self.next + 1).min(self.tokens.len() - 1)].kind
    }

    fn at(&self) -> usize {
        self.tokens[self.next].at
    }

    fn skip(&mut self) {
        self.next = (self.next + 1).min(self.tokens.len() - 1);
    }

    fn unexpected(&self) -> ExpressionError {
        error(self.at(), format!("unexpected {}", self.tokens[self.next].shown()))
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Kind::Sign(found) if *found == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        if found {
            self.skip();
        }
        found
    }

    fn want(&mut self, sign: &str) -> Result<(), ExpressionError> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn count(&mut self) -> Result<(), ExpressionError> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(error(self.at(), format!("an expression of more than {NODES_MAX} parts")));
        }
        Ok(())
    }

    /// What `read` reads inside what is being read.
    fn inside(&mut self, read: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(error(self.at(), format!("an expression that nests more than {DEPTH_MAX} deep")));
        }
        let node = read(self);
        self.depth -= 1;
        node
    }

    /// What `read` reads, if it is of that type; `what` is what it is for.
    fn of_type(&mut self, wanted: Type, what: &str, read: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        let at = self.at();
        let node = read(self)?;
        check(&node, wanted, what, at)?;
        Ok(node)
    }

    /// The whole, or what stands in parentheses: an expression, or a choice between two.
    fn choice(&mut self) -> Parsed {
        self.inside(|parser| {
            let at = parser.at();
            let condition = parser.binary(OR)?;
            if !parser.take("?") {
                return Ok(condition);
            }
            parser.count()?;
            check(&condition, Type::Bool, "the condition of '?'", at)?;
            let yes = if parser.is_sign(":") { None } else { Some(parser.choice()?) };
            parser.want(":")?;
            let no = parser.choice()?;
            if yes.as_ref().map_or(Type::Bool, type_of) != type_of(&no) {
                return Err(error(at, "both sides of ':' have to be of one type"));
            }
            Ok(match yes {
                Some(yes) => Node::Choice(Box::new([condition, yes, no])),
                None => Node::Any(vec![condition, no]),
            })
        })
    }

    /// Operators that bind at least as tightly as this.
    fn binary(&mut self, tightness: u8) -> Parsed {
        let start = self.at();
        let mut left = self.unary()?;
        loop {
            let is_negated = matches!(self.peek(), Kind::Word(word) if word == "not");
            let operator = match if is_negated { self.second() } else { self.peek() } {
                Kind::Word(word) => word.clone(),
                Kind::Sign(sign) => (*sign).to_owned(),
                _ => return Ok(left),
            };
            let Some((binds, can_be_negated)) = binding(&operator) else { return Ok(left) };
            if binds < tightness || is_negated && !can_be_negated {
                return Ok(left);
            }
            let at = self.at();
            (0..=usize::from(is_negated)).for_each(|_| self.skip());
            self.count()?;
            left = match operator.as_str() {
                "and" | "&&" | "or" | "||" => {
                    check(&left, Type::Bool, &format!("the left side of {operator:?}"), start)?;
                    let what = format!("the right side of {operator:?}");
                    let right = self.of_type(Type::Bool, &what, |parser| parser.binary(binds + 1))?;
                    joined(binds == AND, left, right)
                }
                "in" => Node::OneOf(Box::new(left), self.list()?),
                "matches" => {
                    check(&left, Type::Text, "what a pattern is to match", start)?;
                    Node::Matches(Box::new(left), self.pattern()?)
                }
                _ => {
                    let right_at = self.at();
                    let right = self.binary(binds + 1)?;
                    compared(&operator, (left, start), (right, right_at), at)?
                }
            };
            if is_negated {
                left = Node::Not(Box::new(left));
            }
        }
    }

    fn unary(&mut self) -> Parsed {
        let is_not = self.is_sign("!") || matches!(self.peek(), Kind::Word(word) if word == "not");
        if !is_not {
            return self.primary();
        }
        self.count()?;
        self.skip();
        let what = "what 'not' negates (a comparison goes in parentheses)";
        let node = self.of_type(Type::Bool, what, |parser| parser.inside(|parser| parser.binary(NOT)))?;
        Ok(Node::Not(Box::new(node)))
    }

    fn primary(&mut self) -> Parsed {
        let Token { at, kind } = self.tokens[self.next].clone();
        self.count()?;
        match kind {
            Kind::Text(text) => {
                self.skip();
                Ok(Node::Constant(Value::Text(Cow::Owned(text.into_bytes()))))
            }
            Kind::Number(number) => {
                self.skip();
                Ok(Node::Constant(Value::Number(number)))
            }
            Kind::Word(word) => {
                self.skip();
                self.named(&word, at)
            }
            Kind::Sign("(") => {
                self.skip();
                let node = self.choice()?;
                self.want(")")?;
                Ok(node)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn named(&mut self, name: &str, at: usize) -> Parsed {
        let of_text = |parser: &mut Self| {
            parser.want("(")?;
            let what = format!("what {name} is asked for");
            let node = parser.of_type(Type::Text, &what, Self::choice)?;
            parser.take(",");
            parser.want(")")?;
            Ok(Box::new(node))
        };
        Ok(match name {
            "true" | "false" => Node::Constant(Value::Bool(name == "true")),
            "nil" => Node::Constant(Value::Nil),
            "MetricName" => Node::MetricName,
            "MetricType" => Node::MetricType,
            "Label" => Node::Label(of_text(self)?),
            "HasLabel" => Node::HasLabel(of_text(self)?),
            "lower" => Node::Changed(Change::Lower, of_text(self)?),
            "upper" => Node::Changed(Change::Upper, of_text(self)?),
            "trim" => Node::Changed(Change::Trimmed, of_text(self)?),
            _ => return Err(error(at, format!("{name:?} is not known here"))),
        })
    }

    fn list(&mut self) -> Result<Vec<Node>, ExpressionError> {
        self.want("[")?;
        let mut list = Vec::new();
        while !self.take("]") {
            if !list.is_empty() {
                self.want(",")?;
                if self.take("]") {
                    break;
                }
            }
            let before = self.nodes;
            let one = self.choice()?;
            if matches!(one, Node::Constant(_)) {
                self.nodes = before;
            }
            list.push(one);
        }
        Ok(list)
    }

    fn pattern(&mut self) -> Result<regex::bytes::Regex, ExpressionError> {
        let Token { at, kind: Kind::Text(text) } = self.tokens[self.next].clone() else {
            return Err(error(self.at(), "a pattern has to be a text in quotes"));
        };
        self.skip();
        pattern::compile(&text).map_err(|reason| error(at, reason))
    }
}

/// How tightly an operator binds, and whether `not` may stand before it.
fn binding(operator: &str) -> Option<(u8, bool)> {
    Some(match operator {
        "or" | "||" => (OR, false),
        "and" | "&&" => (AND, false),
        "==" | "!=" | "<" | ">" | "<=" | ">=" => (COMPARISON, false),
        "in" | "matches" | "contains" | "startsWith" | "endsWith" => (COMPARISON, true),
        _ => return None,
    })
}

/// Chains of `and` and `or` are one node, however long.
fn joined(is_and: bool, left: Node, right: Node) -> Node {
    match (is_and, left) {
        (true, Node::All(mut nodes)) | (false, Node::Any(mut nodes)) => {
            nodes.push(right);
            if is_and { Node::All(nodes) } else { Node::Any(nodes) }
        }
        (true, left) => Node::All(vec![left, right]),
        (false, left) => Node::Any(vec![left, right]),
    }
}

fn compared(
    operator: &str,
    (left, start): (Node, usize),
    (right, right_at): (Node, usize),
    at: usize,
) -> Parsed {
    let not = |node| Node::Not(Box::new(node));
    if matches!(operator, "==" | "!=") {
        if let (Node::Constant(left), Node::Constant(right)) = (&left, &right)
            && ![left, right].contains(&&Value::Nil)
            && std::mem::discriminant(left) != std::mem::discriminant(right)
        {
            return Err(error(at, "these are never the same"));
        }
        let same = Node::Same(Box::new([left, right]));
        return Ok(if operator == "==" { same } else { not(same) });
    }
    check(&left, Type::Text, &format!("the left side of {operator:?}"), start)?;
    check(&right, Type::Text, &format!("the right side of {operator:?}"), right_at)?;
    let part = match operator {
        "<" => return Ok(Node::Less(Box::new([left, right]))),
        ">" => return Ok(Node::Less(Box::new([right, left]))),
        "<=" => return Ok(not(Node::Less(Box::new([right, left])))),
        ">=" => return Ok(not(Node::Less(Box::new([left, right])))),
        "startsWith" => Part::Start,
        "endsWith" => Part::End,
        _ => Part::Anywhere,
    };
    Ok(Node::Holds(part, Box::new([left, right])))
}

fn check(node: &Node, wanted: Type, what: &str, at: usize) -> Result<(), ExpressionError> {
    if type_of(node) == wanted {
        return Ok(());
    }
    let wanted = if wanted == Type::Bool { "true or false" } else { "a text" };
    Err(error(at, format!("{what} has to be {wanted}")))
}

fn type_of(node: &Node) -> Type {
    match node {
        Node::Constant(Value::Text(_)) | Node::MetricName | Node::MetricType => Type::Text,
        Node::Label(_) | Node::Changed(..) => Type::Text,
        Node::Constant(Value::Number(_) | Value::Nil) => Type::Other,
        Node::Choice(nodes) => type_of(&nodes[1]),
        _ => Type::Bool,
    }
}
