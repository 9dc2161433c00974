//! HTTP/2 as its specification tests it: h2spec against the gRPC port and the HTTP port of a real ringtail.
//!
//! Runs where `RINGTAIL_H2SPEC` names h2spec, which `tests/collector/install` installs.

#![allow(clippy::unwrap_used)]

mod peers;

use std::process::Command;

use peers::process::Process;

/// Fewer would mean that a part was left out.
const CASES: usize = 145;
/// How often a section is run again before its failure counts.
const AGAIN: usize = 5;

/// A case that may fail, and why that is no fault.
struct Exception {
    section: &'static str,
    case: &'static str,
    #[expect(dead_code, reason = "for who reads the list")]
    because: &'static str,
}

const EITHER_PORT: [Exception; 5] = [
    Exception {
        section: "http2/3.5",
        case: "Sends invalid connection preface",
        because: "the connection is closed, with a reset or after an HTTP/1.1 answer; the case knows only a plain end",
    },
    Exception {
        section: "http2/5.1.2",
        case: "Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded",
        because: "requests without a body are answered at once, so the streams end before the limit is reached",
    },
    Exception {
        section: "http2/8.1.2.1",
        case: "Sends a HEADERS frame that contains a pseudo-header field as trailers",
        because: "what is no OTLP is answered without waiting for its end, so the answer may be ahead of the fault",
    },
    Exception {
        section: "http2/8.1.2.6",
        case: "Sends a HEADERS frame with the &#34;content-length&#34; header field which does not equal the DATA frame payload length",
        because: "as before",
    },
    Exception {
        section: "http2/8.1.2.6",
        case: "Sends a HEADERS frame with the &#34;content-length&#34; header field which does not equal the sum of the multiple DATA frames payload length",
        because: "as before",
    },
];

const GRPC_PORT: [Exception; 3] = [
    Exception {
        section: "generic/2",
        case: "Sends a WINDOW_UPDATE frame on half-closed (remote) stream",
        because: "the case waits for a body, and what is no gRPC call is answered by headers alone",
    },
    Exception {
        section: "generic/2",
        case: "Sends a PRIORITY frame on half-closed (remote) stream",
        because: "as before",
    },
    Exception {
        section: "http2/4.2",
        case: "Sends a large size HEADERS frame that exceeds the SETTINGS_MAX_FRAME_SIZE",
        because: "the case sends 20 kB whatever the setting is, and ours is larger; tested below with a larger frame",
    },
];

#[test]
fn the_grpc_port_speaks_http2() {
    let Some(h2spec) = peers::program("RINGTAIL_H2SPEC") else { return };
    let ringtail = ringtail();
    let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let found = run(&h2spec, ringtail.ports[0], path, &[]);
    assert_eq!(found.cases, CASES);
    let excepted: Vec<_> = EITHER_PORT.iter().chain(&GRPC_PORT).collect();
    found.fails_only(&excepted, |section| run(&h2spec, ringtail.ports[0], path, &[section]));
    // Five headers of this length make a frame larger than 256 KiB, which is ours.
    let found = run(&h2spec, ringtail.ports[0], path, &["--max-header-length", "65000", "http2/4.2/3"]);
    assert_eq!(found.cases, 1);
    assert!(found.failures.is_empty(), "{:?}", found.failures);
}

#[test]
fn the_http_port_speaks_http2() {
    let Some(h2spec) = peers::program("RINGTAIL_H2SPEC") else { return };
    let ringtail = ringtail();
    let found = run(&h2spec, ringtail.ports[1], "/v1/traces", &[]);
    assert_eq!(found.cases, CASES);
    found.fails_only(&EITHER_PORT.iter().collect::<Vec<_>>(), |section| {
        run(&h2spec, ringtail.ports[1], "/v1/traces", &[section])
    });
}

fn ringtail() -> Process {
    Process::ringtail(2, |ports, _| {
        let [grpc, http] = ports else { panic!("two ports") };
        format!(
            "receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{grpc}'}}, http: {{endpoint: '127.0.0.1:{http}'}}}}}}
extensions: {{admin: {{enabled: false}}}}
exporters: {{nop: }}
service:
  extensions: [admin]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [nop]}}}}
"
        )
    })
}

/// What h2spec found.
struct Found {
    cases: usize,
    /// Section, case, and what was expected and seen.
    failures: Vec<(String, String, String)>,
}

impl Found {
    /// Fails on what is neither excepted nor passes when its section is run again. A request that is no OTLP is
    /// answered, and its stream closed, as soon as its headers are read: a case that goes on with such a stream may
    /// come too late to be told of its mistake, but not always.
    fn fails_only(&self, excepted: &[&Exception], again: impl Fn(&str) -> Self) {
        let unexpected: Vec<_> = self
            .failures
            .iter()
            .filter(|(section, case, _)| {
                !excepted.iter().any(|known| known.section == section && known.case == case)
            })
            .filter(|(section, case, _)| {
                (0..AGAIN).all(|_| again(section).failures.iter().any(|(_, other, _)| other == case))
            })
            .collect();
        assert!(unexpected.is_empty(), "{unexpected:#?}");
    }
}

fn run(h2spec: &std::path::Path, port: u16, path: &str, arguments: &[&str]) -> Found {
    let report = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(h2spec)
        .args(["--port", &port.to_string(), "--path", path, "--timeout", "3", "--junit-report"])
        .arg(report.path())
        .args(arguments)
        .output()
        .unwrap();
    let text = std::fs::read_to_string(report.path()).unwrap();
    assert!(text.contains("</testsuites>"), "{}", String::from_utf8_lossy(&output.stdout));
    read(&text)
}

/// The report's own shape of JUnit's XML: one `testcase` element a line, with an `error` or `skipped` inside.
fn read(report: &str) -> Found {
    let mut found = Found { cases: 0, failures: Vec::new() };
    for part in report.split("<testcase ").skip(1) {
        let part = part.split("</testcase>").next().unwrap();
        found.cases += 1;
        if part.contains("<error>") || part.contains("<failure") {
            let named = |name: &str| {
                let value = part.split(&format!("{name}=\"")).nth(1).unwrap();
                value.split('"').next().unwrap().to_owned()
            };
            found.failures.push((named("package"), named("classname"), part.to_owned()));
        }
    }
    found
}
