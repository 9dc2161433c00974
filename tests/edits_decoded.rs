//! Edits of encoded requests are edits of decoded ones: random configurations of processors run over random requests,
//! and beside them a plain implementation of the same rules on plain structures. What no rule changes stays the same
//! bytes, and fields that OTLP does not have yet travel through.

#![allow(clippy::unwrap_used)]

#[path = "edits_decoded/model.rs"]
mod model;
#[path = "edits_decoded/reference.rs"]
mod reference;
#[path = "edits_decoded/rules.rs"]
mod rules;
#[path = "edits_decoded/wire.rs"]
mod wire;

use bytes::Bytes;
use proptest::prelude::*;
use ringtail::config::{Processor, load};
use ringtail::edit::{Around, Editor, Walker};
use ringtail::outcome::Signal;

use model::{Request, request};
use rules::{Step, steps};

/// The editors that the configuration of these steps makes, in order.
fn editors(steps: &[Step], signal: Signal) -> Vec<Box<dyn Editor>> {
    let text = rules::config(steps, signal);
    let loaded =
        load(&[format!("yaml:{text}")], &[], &|_| None).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    let settings = loaded.settings;
    let of = |id| match &settings.processors[id] {
        Processor::Edit(config) => config.editors(signal),
        other => panic!("{other:?}"),
    };
    settings.pipelines[0].processors.iter().flat_map(of).collect()
}

/// What comes out, and how many items were dropped on the way.
fn edited(mut body: Bytes, signal: Signal, steps: &[Step]) -> (Bytes, u64) {
    let around = Around { signal, origin: None, now_unix_nanos: 1, random: || 7 };
    let (mut walker, mut dropped) = (Walker::default(), 0);
    for editor in &mut editors(steps, signal) {
        let edited = walker.edit(&body, &around, editor.as_mut()).unwrap();
        assert_eq!(editor.take_errors(), None);
        (body, dropped) = (edited.body, dropped + edited.dropped);
    }
    (body, dropped)
}

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![3 => Just(Signal::Traces), 1 => Just(Signal::Logs), 1 => Just(Signal::Metrics)]
}

fn case() -> impl Strategy<Value = (Signal, Request, Vec<Step>)> {
    signal().prop_flat_map(|signal| (Just(signal), request(signal), steps(signal)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edits_of_encoded_requests_are_edits_of_decoded_requests((signal, request, steps) in case()) {
        let sent: Bytes = wire::encode(&request, signal).into();
        let (body, dropped) = edited(sent.clone(), signal, &steps);
        let mut expected = request.clone();
        for step in &steps {
            reference::apply(&mut expected, signal, step);
        }
        let shown = || rules::config(&steps, signal);
        prop_assert_eq!(wire::decode(&body, signal).sorted(), expected.clone().sorted(), "{}", shown());
        prop_assert_eq!(dropped, request.count(signal) - expected.count(signal), "{}", shown());
        // What is set and taken away again may leave an empty resource or scope where there was none.
        if expected == request && request.is_complete() {
            prop_assert_eq!(&body, &sent, "nothing changes: {}", shown());
        }
        let (before, after) = (wire::items(&sent), wire::items(&body));
        for item in expected.items() {
            if request.items().any(|known| known == item) {
                prop_assert_eq!(&before[&item.id], &after[&item.id], "item {}: {}", item.id, shown());
            }
        }
    }
}
