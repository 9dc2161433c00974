//! OTTL: a text, run as a statement and as a condition on any bytes in every context.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtail::ottl::{Context, Env, Target, condition, statement};

const CONTEXTS: [Context; 8] = [
    Context::Resource,
    Context::Scope,
    Context::Span,
    Context::SpanEvent,
    Context::Metric,
    Context::DataPoint,
    Context::Exemplar,
    Context::Log,
];

// The text ends at the first zero byte; the item follows.
fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (text, item) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let Ok(text) = std::str::from_utf8(text) else { return };
    let env = Env { now_unix_nanos: 1_700_000_000_000_000_000, origin: None, random: &|| 7 };
    let _ = statement(text, None);
    for context in CONTEXTS {
        let mut target = Target::new();
        CONTEXTS.iter().for_each(|context| target.set(*context, item));
        if let Ok(condition) = condition(text, context) {
            let _ = condition.matches(&mut target, &env);
        }
        let Ok(statement) = statement(text, Some(context)) else { continue };
        if statement.run(&mut target, &env) == Ok(false) {
            assert_eq!(target.bytes(context), item, "what says that nothing changed changes nothing");
        }
    }
});
