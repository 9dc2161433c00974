//! Queries in JSON: each value that is no object and no list becomes `"?"`, and the space between tokens goes.

/// How deep values may nest, as in the Collector.
const DEPTH_MAX: usize = 10_000;

/// The text without its values; nothing when it is no JSON.
pub(super) fn hide(text: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader { text, at: 0, out: Vec::with_capacity(text.len()) };
    let mut closings = Vec::new(); // of the objects and lists around
    loop {
        reader.skip_space();
        let first = *text.get(reader.at)?;
        let closing = match first {
            b'{' => Some(b'}'),
            b'[' => Some(b']'),
            _ => None,
        };
        match closing {
            Some(closing) => {
                reader.keep();
                closings.push(closing);
                reader.skip_space();
                if text.get(reader.at) != Some(&closing) {
                    if closings.len() > DEPTH_MAX {
                        return None;
                    }
                    if closing == b'}' {
                        reader.key()?;
                    }
                    continue;
                }
            }
            None => reader.value(first)?,
        }
        loop {
            let Some(closing) = closings.last() else { return reader.end() };
            reader.skip_space();
            match *text.get(reader.at)? {
                b',' => break,
                byte if byte == *closing => {
                    reader.keep();
                    closings.pop();
                }
                _ => return None,
            }
        }
        reader.keep();
        if closings.last() == Some(&b'}') {
            reader.key()?;
        }
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    out: Vec<u8>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    }

    /// How many bytes that was.
    fn skip_while(&mut self, is_part: fn(u8) -> bool) -> usize {
        let start = self.at;
        while self.peek().is_some_and(is_part) {
            self.at += 1;
        }
        self.at - start
    }

    /// Takes over a byte.
    fn keep(&mut self) {
        self.out.extend(self.peek());
        self.at += 1;
    }

    /// A key as it is, and the colon.
    fn key(&mut self) -> Option<()> {
        self.skip_space();
        let start = self.at;
        self.string()?;
        self.out.extend_from_slice(&self.text[start..self.at]);
        self.skip_space();
        (self.peek()? == b':').then(|| self.keep())
    }

    fn value(&mut self, first: u8) -> Option<()> {
        match first {
            b'"' => self.string()?,
            b't' => self.word(b"true")?,
            b'f' => self.word(b"false")?,
            b'n' => self.word(b"null")?,
            _ => self.number()?,
        }
        self.out.extend_from_slice(b"\"?\"");
        Some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        let found = self.text[self.at..].starts_with(word);
        self.at += word.len();
        found.then_some(())
    }

    fn string(&mut self) -> Option<()> {
        self.word(b"\"")?;
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some(()),
                0..0x20 => return None,
                b'\\' => {
                    let escaped = self.peek()?;
                    self.at += 1;
                    match escaped {
                        b'u' => {
                            let digits = self.text.get(self.at..self.at + 4)?;
                            self.at += 4;
                            digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                        }
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                        _ => return None,
                    }
                }
                _ => {}
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        let digits = |reader: &mut Self| (reader.skip_while(|byte| byte.is_ascii_digit()) > 0).then_some(());
        if self.peek()? == b'-' {
            self.at += 1;
        }
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            digits(self)?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            digits(self)?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            digits(self)?;
        }
        Some(())
    }

    /// Space behind the value stays.
    fn end(mut self) -> Option<Vec<u8>> {
        let start = self.at;
        self.skip_space();
        self.out.extend_from_slice(&self.text[start..self.at]);
        (self.at == self.text.len()).then_some(self.out)
    }
}
