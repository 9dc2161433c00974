//! One message of a request while editors look at it.

/// An encoded message, as it came or as an editor has written it anew.
#[derive(Debug)]
pub struct Message<'a> {
    original: &'a [u8],
    edited: bool,
    bytes: Vec<u8>, // once edited
}

impl<'a> Message<'a> {
    /// A message as it came. `memory` is reused when it is edited.
    pub fn new(original: &'a [u8], memory: Vec<u8>) -> Self {
        Self { original, edited: false, bytes: memory }
    }

    /// The message as it is now.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        if self.edited { &self.bytes } else { self.original }
    }

    /// Whether an editor has written it anew.
    pub fn is_edited(&self) -> bool {
        self.edited
    }

    /// Puts `new` in its place; `new` gets the memory of what it replaces.
    pub fn replace(&mut self, new: &mut Vec<u8>) {
        std::mem::swap(&mut self.bytes, new);
        self.edited = true;
    }

    /// The memory, for the next message.
    pub(super) fn into_memory(self) -> Vec<u8> {
        self.bytes
    }
}
