//! One message of a request while editors look at it.

/// An encoded message, as it came or as an editor has written it anew.
#[derive(Debug)]
pub struct Message<'a> {
    original: &'a [u8],
    edited: bool,
    bytes: Vec<u8>, // once edited
    schema_url: &'a [u8],
    new_schema_url: Option<Vec<u8>>,
}

impl<'a> Message<'a> {
    /// A message as it came. `memory` is reused when it is edited.
    pub fn new(original: &'a [u8], memory: Vec<u8>) -> Self {
        Self { original, edited: false, bytes: memory, schema_url: &[], new_schema_url: None }
    }

    /// The same with the schema url that stands beside it.
    pub(super) fn beside(self, schema_url: &'a [u8]) -> Self {
        Self { schema_url, ..self }
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

    /// The schema url of a resource's or scope's entry.
    pub fn schema_url(&self) -> &[u8] {
        self.new_schema_url.as_deref().unwrap_or(self.schema_url)
    }

    /// Puts another in its place.
    pub fn set_schema_url(&mut self, url: Vec<u8>) {
        self.new_schema_url = Some(url);
    }

    /// The schema url, if an editor has put it.
    pub(super) fn new_schema_url(&self) -> Option<&[u8]> {
        self.new_schema_url.as_deref()
    }

    /// The memory, for the next message.
    pub(super) fn into_memory(self) -> Vec<u8> {
        self.bytes
    }
}
