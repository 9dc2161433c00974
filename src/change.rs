//! A change of something that runs, in two steps: first everything that can fail, then the rest.

/// A change that has been checked: what it needs is open, bound and read, and nothing is changed yet. Dropped, it never
/// was. Changes of the same thing are made one at a time.
#[must_use = "nothing changes before `make`"]
pub struct Change(Box<dyn FnOnce() + Send>);

impl Change {
    /// A change that `make` makes, which cannot fail.
    pub fn new(make: impl FnOnce() + Send + 'static) -> Self {
        Self(Box::new(make))
    }

    /// Makes the change.
    pub fn make(self) {
        (self.0)();
    }
}
