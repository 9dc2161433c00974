//! Text to path.

use super::super::Name;
use super::{Axis, Expression, FUNCTIONS, Path, Sign, Step, Test, XPath};

const TEXT_BYTES_MAX: usize = 16 << 10;
const DEPTH_MAX: usize = 64;

impl XPath {
    /// Reads a path.
    pub(in crate::ottl) fn of(text: &str) -> Result<Self, String> {
        let wrong = |what: String| format!("invalid xpath: {what}");
        if text.len() > TEXT_BYTES_MAX {
            return Err(wrong(format!("longer than {TEXT_BYTES_MAX} bytes")));
        }
        let mut parser = Parser { rest: text, depth: 0 };
        let paths = parser.union().map_err(wrong)?;
        parser.blanks();
        match parser.rest.is_empty() {
            true => Ok(Self(paths)),
            false => Err(wrong(format!("unexpected {:?}", parser.rest))),
        }
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

/// Operators by how tight they bind, the loosest first.
const LEVELS: [&[(&str, Sign)]; 5] = [
    &[("or", Sign::Or)],
    &[("and", Sign::And)],
    &[("!=", Sign::NotEqual), ("=", Sign::Equal)],
    &[("<=", Sign::LessOrEqual), (">=", Sign::GreaterOrEqual), ("<", Sign::Less), (">", Sign::Greater)],
    &[("+", Sign::Add), ("-", Sign::Subtract)],
];

const AXES: [(&str, Axis); 10] = [
    ("child", Axis::Child),
    ("descendant", Axis::Descendant),
    ("descendant-or-self", Axis::DescendantOrSelf),
    ("self", Axis::Oneself),
    ("parent", Axis::Parent),
    ("ancestor", Axis::Ancestor),
    ("ancestor-or-self", Axis::AncestorOrSelf),
    ("following-sibling", Axis::FollowingSibling),
    ("preceding-sibling", Axis::PrecedingSibling),
    ("attribute", Axis::Attribute),
];

impl<'t> Parser<'t> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn sign(&mut self, sign: &str) -> bool {
        self.blanks();
        let after = self.rest.strip_prefix(sign);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.sign(sign) { Ok(()) } else { Err(format!("expected {sign:?} before {:?}", self.rest)) }
    }

    /// A name without a prefix; blanks before it do not count.
    fn name(&mut self) -> Option<&'t str> {
        self.blanks();
        let part = |c: char| c.is_alphanumeric() || "_-.".contains(c);
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        name.starts_with(|c: char| c.is_alphabetic() || c == '_').then(|| {
            self.rest = rest;
            name
        })
    }

    fn union(&mut self) -> Result<Vec<Path>, String> {
        let mut paths = vec![self.path()?];
        while self.sign("|") {
            paths.push(self.path()?);
        }
        Ok(paths)
    }

    fn path(&mut self) -> Result<Path, String> {
        let mut path = Path { from_document: false, steps: Vec::new() };
        if self.sign("//") {
            path.from_document = true;
            path.steps.push(any_below());
        } else if self.sign("/") {
            path.from_document = true;
            if !self.begins_step() {
                return Ok(path);
            }
        }
        loop {
            path.steps.push(self.step()?);
            if self.sign("//") {
                path.steps.push(any_below());
            } else if !self.sign("/") {
                return Ok(path);
            }
        }
    }

    fn begins_step(&mut self) -> bool {
        self.blanks();
        self.rest.starts_with(|c: char| c.is_alphabetic() || "_*.@".contains(c))
    }

    fn step(&mut self) -> Result<Step, String> {
        let step = |axis, test| Step { axis, test, predicates: Vec::new() };
        let mut step = if self.sign("..") {
            step(Axis::Parent, Test::Node)
        } else if self.sign(".") {
            step(Axis::Oneself, Test::Node)
        } else if self.sign("@") {
            step(Axis::Attribute, self.test()?)
        } else {
            let before = self.rest;
            match self.name().filter(|_| self.sign("::")) {
                Some(name) => {
                    let axis = AXES.iter().find(|(known, _)| *known == name);
                    let (_, axis) = axis.ok_or_else(|| format!("the axis {name:?} is not known here"))?;
                    step(*axis, self.test()?)
                }
                None => {
                    self.rest = before;
                    step(Axis::Child, self.test()?)
                }
            }
        };
        while self.sign("[") {
            step.predicates.push(self.expression(0)?);
            self.expect("]")?;
        }
        Ok(step)
    }

    fn test(&mut self) -> Result<Test, String> {
        if self.sign("*") {
            return Ok(Test::Any);
        }
        let name = self.name().ok_or_else(|| format!("expected a name before {:?}", self.rest))?;
        if self.rest.starts_with(':') && !self.rest.starts_with("::") {
            self.rest = &self.rest[1..];
            let local = self.name().ok_or("expected a name after its prefix")?;
            return Ok(Test::Name(Name { prefix: name.to_owned(), local: local.to_owned() }));
        }
        if !self.sign("(") {
            return Ok(Test::Name(Name::plain(name)));
        }
        self.expect(")")?;
        match name {
            "text" => Ok(Test::Text),
            "comment" => Ok(Test::Comment),
            "node" => Ok(Test::Node),
            _ => Err(format!("the node test {name}() is not known here")),
        }
    }

    fn expression(&mut self, level: usize) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("nested more than {DEPTH_MAX} deep"));
        }
        let expression = self.infix(level);
        self.depth -= 1;
        expression
    }

    fn infix(&mut self, level: usize) -> Result<Expression, String> {
        let Some(signs) = LEVELS.get(level) else { return self.primary() };
        let mut left = self.infix(level + 1)?;
        while let Some((_, sign)) = signs.iter().find(|(text, _)| self.operator(text)) {
            left = Expression::Infix(Box::new(left), *sign, Box::new(self.infix(level + 1)?));
        }
        Ok(left)
    }

    /// Takes an operator; one of letters ends where no letter follows.
    fn operator(&mut self, text: &str) -> bool {
        let before = self.rest;
        let is_word = text.starts_with(|c: char| c.is_alphabetic());
        if self.sign(text) && !(is_word && self.rest.starts_with(|c: char| c.is_alphanumeric())) {
            return true;
        }
        self.rest = before;
        false
    }

    fn primary(&mut self) -> Result<Expression, String> {
        self.blanks();
        if self.sign("(") {
            let inner = self.expression(0)?;
            self.expect(")")?;
            return Ok(inner);
        }
        for quote in ['"', '\''] {
            if let Some(rest) = self.rest.strip_prefix(quote) {
                let (text, rest) = rest.split_once(quote).ok_or("a string does not end")?;
                self.rest = rest;
                return Ok(Expression::Text(text.to_owned()));
            }
        }
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.rest.len());
            let (number, rest) = self.rest.split_at(end);
            self.rest = rest;
            return number.parse().map(Expression::Number).map_err(|_| format!("{number:?} is no number"));
        }
        self.call_or_paths()
    }

    fn call_or_paths(&mut self) -> Result<Expression, String> {
        let before = self.rest;
        let called = self.name().filter(|name| !["text", "node", "comment"].contains(name) && self.sign("("));
        let Some(name) = called else {
            self.rest = before;
            return Ok(Expression::Paths(self.union()?));
        };
        let known = FUNCTIONS.iter().find(|(known, ..)| *known == name);
        let (_, function, least, most) =
            known.ok_or_else(|| format!("the function {name}() is not known here"))?;
        let mut arguments = Vec::new();
        while !self.sign(")") {
            if !arguments.is_empty() {
                self.expect(",")?;
            }
            arguments.push(self.expression(0)?);
        }
        match (*least..=*most).contains(&arguments.len()) {
            true => Ok(Expression::Call(*function, arguments)),
            false => Err(format!("{name}() with {} arguments", arguments.len())),
        }
    }
}

/// What `//` stands for.
fn any_below() -> Step {
    Step { axis: Axis::DescendantOrSelf, test: Test::Node, predicates: Vec::new() }
}
