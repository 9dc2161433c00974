//! Tokens to syntax: `or` binds looser than `and`, that looser than `not`; one comparison per clause.

use super::error::ParseError;
use super::lexer::{self, Kind, Token};
use super::syntax::{
    ArgumentText, BoolText, CallText, Comparison, MathSign, PathText, StatementText, ValueText,
};

/// Deepest nesting of brackets, `not` and signs.
const DEPTH_MAX: usize = 64;
/// Longest text.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Parses a statement.
pub(super) fn statement(text: &str) -> Result<StatementText, ParseError> {
    let mut parser = Parser::new(text)?;
    let at = parser.at();
    let name = match &parser.token().kind {
        Kind::Lower(name) => name.clone(),
        Kind::Upper(name) => {
            let message = format!("editor names must start with a lowercase letter but got '{name}'");
            return Err(ParseError::new(at, message));
        }
        _ => return Err(parser.unexpected("an editor")),
    };
    parser.next += 1;
    let editor = parser.call(at, name)?;
    if !editor.keys.is_empty() {
        return Err(ParseError::new(at, "only paths and converters may be indexed, not editors"));
    }
    let condition = if parser.word("where") { Some(parser.or()?) } else { None };
    parser.finish()?;
    Ok(StatementText { editor, condition })
}

/// Parses a condition.
pub(super) fn condition(text: &str) -> Result<BoolText, ParseError> {
    let mut parser = Parser::new(text)?;
    let condition = parser.or()?;
    parser.finish()?;
    Ok(condition)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, ParseError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(ParseError::new(0, format!("longer than {TEXT_BYTES_MAX} bytes")));
        }
        Ok(Self { text, tokens: lexer::tokens(text)?, next: 0, depth: 0 })
    }

    /// The next token; the last is never passed.
    fn token(&self) -> &Token {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn peek(&self, ahead: usize) -> &Kind {
        &self.tokens[(self.next + ahead).min(self.tokens.len() - 1)].kind
    }

    fn at(&self) -> usize {
        self.token().at
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(0), Kind::Sign(s) if *s == sign)
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), ParseError> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected(&format!("\"{sign}\""))) }
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(0), Kind::Lower(w) if w == word);
        self.next += usize::from(found);
        found
    }

    fn unexpected(&self, expected: &str) -> ParseError {
        let token = self.token();
        let found = match token.kind {
            Kind::End => "<EOF>",
            _ => &self.text[token.at..token.end],
        };
        ParseError::new(token.at, format!("unexpected token {found:?} (expected {expected})"))
    }

    fn finish(&self) -> Result<(), ParseError> {
        if self.token().kind == Kind::End { Ok(()) } else { Err(self.unexpected("the end")) }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, ParseError>) -> Result<T, ParseError> {
        if self.depth == DEPTH_MAX {
            return Err(ParseError::new(self.at(), format!("nested more than {DEPTH_MAX} deep")));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn or(&mut self) -> Result<BoolText, ParseError> {
        let mut parts = vec![self.and()?];
        while self.word("or") {
            parts.push(self.and()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { BoolText::Or(parts) })
    }

    fn and(&mut self) -> Result<BoolText, ParseError> {
        let mut parts = vec![self.term()?];
        while self.word("and") {
            parts.push(self.term()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { BoolText::And(parts) })
    }

    fn term(&mut self) -> Result<BoolText, ParseError> {
        if self.word("not") {
            return Ok(BoolText::Not(Box::new(self.deeper(Self::term)?)));
        }
        if self.is("(") {
            return self.bracket();
        }
        self.comparison()
    }

    /// What stands in brackets is a condition, or the first part of a comparison: `(a - b) > c`.
    fn bracket(&mut self) -> Result<BoolText, ParseError> {
        let start = self.next;
        let condition = self.deeper(|parser| {
            parser.expect("(")?;
            let condition = parser.or()?;
            parser.expect(")")?;
            Ok(condition)
        });
        let goes_on = |kind: &Kind| {
            matches!(kind, Kind::Sign("==" | "!=" | "<" | "<=" | ">" | ">=" | "+" | "-" | "*" | "/"))
        };
        match condition {
            Ok(condition) if !goes_on(self.peek(0)) => Ok(condition),
            condition => {
                self.next = start;
                let compared = self.deeper(Self::comparison);
                // Of two readings that fail, the one that got further says what is wrong.
                match (condition, compared) {
                    (Err(first), Err(second)) if first.at > second.at => Err(first),
                    (_, compared) => compared,
                }
            }
        }
    }

    fn comparison(&mut self) -> Result<BoolText, ParseError> {
        let left = self.sum()?;
        let comparison = match self.peek(0) {
            Kind::Sign("==") => Comparison::Equal,
            Kind::Sign("!=") => Comparison::NotEqual,
            Kind::Sign("<") => Comparison::Less,
            Kind::Sign("<=") => Comparison::LessOrEqual,
            Kind::Sign(">") => Comparison::Greater,
            Kind::Sign(">=") => Comparison::GreaterOrEqual,
            _ => {
                return match left {
                    ValueText::Bool(value) => Ok(BoolText::Literal(value)),
                    ValueText::Call(_) => Ok(BoolText::Value(Box::new(left))),
                    _ => Err(self.unexpected("a comparison")),
                };
            }
        };
        self.next += 1;
        let right = self.sum()?;
        Ok(BoolText::Compare(Box::new(left), comparison, Box::new(right)))
    }

    fn sum(&mut self) -> Result<ValueText, ParseError> {
        let mut left = self.product()?;
        let mut links = 0;
        loop {
            let sign = match self.peek(0) {
                Kind::Sign("+") => MathSign::Add,
                Kind::Sign("-") => MathSign::Subtract,
                _ => return Ok(left),
            };
            self.chain(&mut links)?;
            left = ValueText::Math(Box::new(left), sign, Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<ValueText, ParseError> {
        let mut left = self.value()?;
        let mut links = 0;
        loop {
            let sign = match self.peek(0) {
                Kind::Sign("*") => MathSign::Multiply,
                Kind::Sign("/") => MathSign::Divide,
                _ => return Ok(left),
            };
            self.chain(&mut links)?;
            left = ValueText::Math(Box::new(left), sign, Box::new(self.value()?));
        }
    }

    /// A chain of operators nests to the left, so its length is bounded as depth is.
    fn chain(&mut self, links: &mut usize) -> Result<(), ParseError> {
        *links += 1;
        if *links > DEPTH_MAX {
            return Err(ParseError::new(self.at(), format!("more than {DEPTH_MAX} operators in a row")));
        }
        self.next += 1;
        Ok(())
    }

    fn value(&mut self) -> Result<ValueText, ParseError> {
        let at = self.at();
        let kind = self.token().kind.clone();
        self.next += 1;
        Ok(match kind {
            Kind::Text(text) => ValueText::Text(text),
            Kind::Bytes(bytes) => ValueText::Bytes(bytes),
            Kind::Int(value) => ValueText::Int(whole(at, value, false)?),
            Kind::Float(value) => ValueText::Double(value),
            Kind::Upper(name) if self.is("(") => ValueText::Call(self.call(at, name)?),
            Kind::Upper(name) => ValueText::Name { at, name },
            Kind::Lower(word) => self.word_value(at, word)?,
            Kind::Sign("-") => match *self.peek(0) {
                Kind::Int(value) => {
                    self.next += 1;
                    ValueText::Int(whole(at, value, true)?)
                }
                _ => ValueText::Negated(Box::new(self.deeper(Self::value)?)),
            },
            Kind::Sign("+") => self.deeper(Self::value)?,
            Kind::Sign("(") => self.deeper(|parser| {
                let value = parser.sum()?;
                parser.expect(")")?;
                Ok(value)
            })?,
            Kind::Sign("[") => ValueText::List(self.list("]", Self::sum)?),
            Kind::Sign("{") => ValueText::Map(self.list("}", Self::entry)?),
            _ => {
                self.next -= 1;
                return Err(self.unexpected("a value"));
            }
        })
    }

    fn word_value(&mut self, at: usize, word: String) -> Result<ValueText, ParseError> {
        match word.as_str() {
            "nil" => return Ok(ValueText::Nil),
            "true" | "false" => return Ok(ValueText::Bool(word == "true")),
            "and" | "or" | "not" | "where" => {
                self.next -= 1;
                return Err(self.unexpected("a value"));
            }
            _ if self.is("(") => {
                let message = format!("converter names must start with an uppercase letter but got '{word}'");
                return Err(ParseError::new(at, message));
            }
            _ => {}
        }
        let mut segments = vec![word];
        let mut keys = self.keys()?;
        while self.is(".") {
            if !keys.is_empty() {
                return Err(self.unexpected("the end of the path: only its last segment has keys"));
            }
            self.next += 1;
            let Kind::Lower(segment) = self.peek(0).clone() else {
                return Err(self.unexpected("a path segment"));
            };
            self.next += 1;
            segments.push(segment);
            keys = self.keys()?;
        }
        Ok(ValueText::Path(PathText { at, segments, keys }))
    }

    fn keys(&mut self) -> Result<Vec<ValueText>, ParseError> {
        let mut keys = Vec::new();
        while self.sign("[") {
            keys.push(self.deeper(Self::sum)?);
            self.expect("]")?;
        }
        Ok(keys)
    }

    fn list<T>(
        &mut self,
        close: &str,
        one: fn(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        let mut list = Vec::new();
        while !self.sign(close) {
            if !list.is_empty() {
                self.expect(",")?;
            }
            list.push(self.deeper(one)?);
        }
        Ok(list)
    }

    fn entry(&mut self) -> Result<(Vec<u8>, ValueText), ParseError> {
        let Kind::Text(key) = self.peek(0).clone() else {
            return Err(self.unexpected("a string as key"));
        };
        self.next += 1;
        self.expect(":")?;
        Ok((key, self.sum()?))
    }

    fn call(&mut self, at: usize, name: String) -> Result<CallText, ParseError> {
        self.expect("(")?;
        let arguments = self.list(")", Self::argument)?;
        Ok(CallText { at, name, arguments, keys: self.keys()? })
    }

    fn argument(&mut self) -> Result<ArgumentText, ParseError> {
        let at = self.at();
        let lambda = "lambda expressions need the Collector's alpha gate ottl.functions.enableLambda, \
                      which does not exist here";
        let name = match (self.peek(0), self.peek(1)) {
            (Kind::Lower(_), Kind::Sign("=>")) => return Err(ParseError::new(at, lambda)),
            (Kind::Lower(name), Kind::Sign("=")) => Some(name.clone()),
            _ => None,
        };
        if self.is("(") && self.lambda_follows() {
            return Err(ParseError::new(at, lambda));
        }
        self.next += if name.is_some() { 2 } else { 0 };
        Ok(ArgumentText { at, name, value: self.sum()? })
    }

    /// Whether the bracket here lists the parameters of a lambda.
    fn lambda_follows(&self) -> bool {
        let rest = &self.tokens[self.next.min(self.tokens.len() - 1) + 1..];
        let inside = |token: &&Token| matches!(token.kind, Kind::Lower(_) | Kind::Upper(_) | Kind::Sign(","));
        let names = rest.iter().take_while(inside).count();
        let kind = |at: usize| rest.get(at).map(|token| &token.kind);
        kind(names) == Some(&Kind::Sign(")")) && kind(names + 1) == Some(&Kind::Sign("=>"))
    }
}

fn whole(at: usize, digits: u64, negative: bool) -> Result<i64, ParseError> {
    let value = if negative { 0i64.checked_sub_unsigned(digits) } else { i64::try_from(digits).ok() };
    value.ok_or_else(|| ParseError::new(at, "the number is out of range"))
}
