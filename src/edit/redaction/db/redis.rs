//! Commands of Redis and Valkey, one a line: the arguments that are values become `?`.

use super::trimmed;

/// The commands without their values.
pub(super) fn hide(text: &[u8]) -> Vec<u8> {
    let mut tokens = Tokens { text: trimmed(text), at: 0, in_command: true };
    let mut out = Vec::with_capacity(text.len());
    let (mut command, mut arguments): (&[u8], Vec<&[u8]>) = (b"", Vec::new());
    loop {
        let (token, is_command) = tokens.token();
        if is_command {
            if !command.is_empty() {
                write(command, &mut arguments, &mut out);
                out.push(b'\n');
            }
            command = token;
            arguments.clear();
        } else {
            arguments.push(token);
        }
        if tokens.at > tokens.text.len() {
            write(command, &mut arguments, &mut out);
            return out;
        }
    }
}

fn write(command: &[u8], arguments: &mut Vec<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(command);
    if !arguments.is_empty() {
        hide_arguments(&command.to_ascii_uppercase(), arguments);
        out.push(b' ');
        out.extend_from_slice(&arguments.join(&b' '));
    }
}

/// Which arguments are values; there is at least one argument.
fn hide_arguments(command: &[u8], arguments: &mut Vec<&[u8]>) {
    let is = |argument: &[u8], word: &[u8]| argument.eq_ignore_ascii_case(word);
    match command {
        b"AUTH" => all_from(0, arguments),
        b"APPEND" | b"GETSET" | b"LPUSHX" | b"GEORADIUSBYMEMBER" | b"RPUSHX" | b"SET" | b"SETNX"
        | b"SISMEMBER" | b"ZRANK" | b"ZREVRANK" | b"ZSCORE" => one(1, arguments),
        b"HSETNX" | b"LREM" | b"LSET" | b"SETBIT" | b"SETEX" | b"PSETEX" | b"SETRANGE" | b"ZINCRBY"
        | b"SMOVE" | b"RESTORE" => one(2, arguments),
        b"LINSERT" => one(3, arguments),
        b"GEOHASH" | b"GEOPOS" | b"GEODIST" | b"LPUSH" | b"RPUSH" | b"SREM" | b"ZREM" | b"SADD" => {
            all_from(1, arguments);
        }
        b"GEOADD" => every(3, 1, arguments),
        b"HSET" | b"HMSET" => every(2, 1, arguments),
        b"MSET" | b"MSETNX" => every(2, 0, arguments),
        b"CONFIG" if is(arguments[0], b"SET") => one(2, arguments),
        b"BITFIELD" => {
            let mut set = 0;
            for at in 0..arguments.len() {
                if is(arguments[at], b"SET") {
                    set = at;
                }
                if set > 0 && at == set + 3 {
                    return one(at, arguments);
                }
            }
        }
        b"ZADD" => {
            let options: [&[u8]; 4] = [b"NX", b"XX", b"CH", b"INCR"];
            let first = (1..arguments.len()).find(|at| !options.contains(&arguments[*at]));
            every(2, first.unwrap_or(arguments.len() - 1), arguments);
        }
        _ => {}
    }
}

fn one(at: usize, arguments: &mut [&[u8]]) {
    if let Some(argument) = arguments.get_mut(at) {
        *argument = b"?";
    }
}

/// One `?` for all from here.
fn all_from(at: usize, arguments: &mut Vec<&[u8]>) {
    one(at, arguments);
    arguments.truncate(at + 1);
}

/// The last of each `step` arguments, counted from `first`.
fn every(step: usize, first: usize, arguments: &mut [&[u8]]) {
    for argument in arguments.iter_mut().skip(first + step - 1).step_by(step) {
        *argument = b"?";
    }
}

struct Tokens<'a> {
    text: &'a [u8], // without spaces around it
    at: usize,      // past the end once that has been met
    in_command: bool,
}

impl<'a> Tokens<'a> {
    /// The next token, and whether it is a command.
    fn token(&mut self) -> (&'a [u8], bool) {
        if self.in_command { (self.command(), true) } else { (self.argument(), false) }
    }

    fn next(&mut self) -> Option<u8> {
        self.at += 1;
        self.text.get(self.at - 1).copied()
    }

    /// Skips what is left of a gap; a line that ends in it ends the command.
    fn skip_gap(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r')) {
            self.at += 1;
        }
        if self.text.get(self.at) == Some(&b'\n') {
            self.at += 1;
            self.in_command = true;
        }
    }

    fn command(&mut self) -> &'a [u8] {
        let (mut start, mut started) = (self.at, false);
        loop {
            match self.next() {
                Some(b' ') if !started => {
                    self.skip_gap();
                    start = self.at;
                }
                Some(b' ') => {
                    let end = self.at - 1;
                    self.in_command = false;
                    self.skip_gap();
                    return &self.text[start..end];
                }
                Some(b'\n') | None => return &self.text[start..self.at - 1],
                Some(_) => {}
            }
            started = true;
        }
    }

    fn argument(&mut self) -> &'a [u8] {
        let (start, mut is_quoted, mut is_escaped) = (self.at, false, false);
        loop {
            let next = self.next();
            let end = self.at - 1;
            match next {
                Some(b' ') if !is_quoted => {
                    self.skip_gap();
                    return &self.text[start..end];
                }
                Some(b'\n') if !is_quoted => {
                    self.in_command = true;
                    return &self.text[start..end];
                }
                None => return &self.text[start..end],
                Some(b'"') if !is_escaped => is_quoted = !is_quoted,
                _ => {}
            }
            is_escaped = next == Some(b'\\') && !is_escaped;
        }
    }
}
