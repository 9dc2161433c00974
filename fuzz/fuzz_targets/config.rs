//! A configuration of any text: refused with places, or loaded, printed, and then loaded as the same.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use ringtail::config::{Format, Mode, load};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(data) else { return Corpus::Reject };
    if text.contains("file") && text.contains("${") {
        return Corpus::Reject; // a reference could name a pipe or a device of this machine
    }
    let env = |name: &str| (name == "HOST").then(|| "localhost".to_owned());
    let loaded = match load(&[format!("yaml:{text}")], &[], &env) {
        Ok(loaded) => loaded,
        Err(errors) => {
            assert!(!errors.0.is_empty() && !errors.to_string().is_empty());
            return Corpus::Keep;
        }
    };
    let shown = loaded.print(Mode::Unredacted, Format::Yaml);
    let _ = loaded.print(Mode::Redacted, Format::Json);
    let again = load(&[format!("yaml:{shown}")], &[], &env);
    let again = again.unwrap_or_else(|errors| panic!("our own print is refused:\n{errors}\n{shown}"));
    assert_eq!(again.print(Mode::Unredacted, Format::Yaml), shown);
    Corpus::Keep
});
