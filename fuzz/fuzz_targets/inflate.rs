//! Compressed messages of any content: refused, or inflated within the limit; and what we compress comes back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtail::compress::{Compression, deflate, inflate};
use ringtail_fuzz::head;

const LIMIT: usize = 64 << 10;

fuzz_target!(|data: &[u8]| {
    let (first, input) = head(data);
    let kind = Compression::ALL[usize::from(first) % Compression::ALL.len()];
    if let Ok(plain) = inflate(kind, input, LIMIT) {
        assert!(plain.len() <= LIMIT);
    }
    let mut compressed = Vec::new();
    deflate(kind, input, &mut compressed);
    assert_eq!(inflate(kind, &compressed, input.len()).as_deref(), Ok(input));
    if !input.is_empty() {
        assert!(inflate(kind, &compressed, input.len() - 1).is_err(), "more than the limit");
    }
});
