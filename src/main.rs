//! ringtail: see the library.
fn main() {}
