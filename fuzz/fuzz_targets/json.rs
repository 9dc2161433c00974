//! JSON into protobuf and back: what is accepted decodes, can be written again, and is then read as the same.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use opentelemetry_proto::tonic::collector::{logs, metrics, trace};
use prost::Message;
use ringtail::outcome::Signal;
use ringtail::wire::json::{Limits, from_protobuf, to_protobuf};
use ringtail_fuzz::{head, signal};

const LIMITS: Limits = Limits { depth: 100, output_bytes: 1 << 20 };

fuzz_target!(|data: &[u8]| -> Corpus {
    let (first, input) = head(data);
    let signal = signal(first);
    let protobuf = if first / 3 % 2 == 0 {
        match to_protobuf(signal, input, LIMITS) {
            Ok(protobuf) => protobuf,
            Err(_) => return Corpus::Keep,
        }
    } else {
        // The other way round: what can be shown can be read.
        match from_protobuf(signal, input) {
            Ok(json) => match to_protobuf(signal, json.as_bytes(), LIMITS) {
                Ok(protobuf) => protobuf,
                Err(refused) => panic!("our own JSON is refused: {refused}\n{json}"),
            },
            Err(_) => return Corpus::Keep,
        }
    };
    let meaning = canonical(signal, &protobuf).expect("what was read is an export request");
    let json = from_protobuf(signal, &protobuf).expect("what was read can be written");
    let again = to_protobuf(signal, json.as_bytes(), LIMITS).expect("what was written can be read");
    assert_eq!(canonical(signal, &again).as_ref(), Some(&meaning), "{json}");
    assert_eq!(from_protobuf(signal, &again).as_deref(), Ok(&json[..]));
    Corpus::Keep
});

/// What the generated types make of it, as bytes: in them, what is not a number equals itself.
fn canonical(signal: Signal, bytes: &[u8]) -> Option<Vec<u8>> {
    match signal {
        Signal::Traces => normal::<trace::v1::ExportTraceServiceRequest>(bytes),
        Signal::Metrics => normal::<metrics::v1::ExportMetricsServiceRequest>(bytes),
        Signal::Logs => normal::<logs::v1::ExportLogsServiceRequest>(bytes),
    }
}

fn normal<M: Message + Default>(bytes: &[u8]) -> Option<Vec<u8>> {
    M::decode(bytes).ok().map(|message| message.encode_to_vec())
}
