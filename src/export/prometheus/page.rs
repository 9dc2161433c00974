//! One answer to a scraper, in the form it takes.

use super::labels::Labels;
use super::protobuf;
use super::store::Family;
use super::text::{self, Style};

/// An exposition in the making: targets first, then families in the order of their names.
pub(super) struct Exposition {
    style: Style,
    text: String,
    bytes: Vec<u8>,
}

impl Exposition {
    pub(super) fn new(style: Style) -> Self {
        Self { style, text: String::new(), bytes: Vec::new() }
    }

    pub(super) fn targets<'a>(&mut self, name: &str, all: impl Iterator<Item = &'a Labels>) {
        if self.style.protobuf {
            protobuf::targets(&mut self.bytes, self.style, name, all);
        } else {
            text::targets(&mut self.text, self.style, name, all);
        }
    }

    pub(super) fn family(&mut self, name: &str, family: &Family) {
        if self.style.protobuf {
            protobuf::family(&mut self.bytes, self.style, name, family);
        } else {
            text::family(&mut self.text, self.style, name, family);
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.style.protobuf {
            return self.bytes;
        }
        text::end(&mut self.text, self.style);
        self.text.into_bytes()
    }
}
