//! `ringtail explain TRACE_ID`: asks a running process, and says it in words.

use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::observe::timestamp;

/// Asks the admin API at `admin`. Errors are one line for a person.
pub fn explain(admin: &str, trace_id: &str, json: bool) -> Result<String, String> {
    let digits = trace_id.len() == 32 && trace_id.bytes().all(|b| b.is_ascii_hexdigit());
    if !digits {
        return Err(format!("{trace_id:?} is no trace id: that is 32 hexadecimal digits"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let asked = async { tokio::time::timeout(PATIENCE, ask(admin, trace_id)).await };
    let body = runtime.block_on(asked).unwrap_or_else(|_| Err("no answer in time".into()));
    let body = body.map_err(|error| {
        format!("{admin}: {error}; is ringtail running, and is this its extensions.admin.endpoint?")
    })?;
    if json {
        return Ok(format!("{}\n", String::from_utf8_lossy(&body)));
    }
    let told: Value = serde_json::from_slice(&body).map_err(|error| format!("{admin}: {error}"))?;
    Ok(in_words(&told))
}

async fn ask(admin: &str, trace_id: &str) -> Result<Bytes, String> {
    let stream = tokio::net::TcpStream::connect(admin).await.map_err(|error| error.to_string())?;
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut send, connection) = shaken.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let request = http::Request::get(format!("/trace/{trace_id}")).header("host", admin);
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    let response = send.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    if status.is_success() { Ok(body) } else { Err(format!("{status}: {}", String::from_utf8_lossy(&body))) }
}

/// What the admin API said, for a person.
fn in_words(told: &Value) -> String {
    let mut out = format!("trace {}\n", text(&told["trace_id"]));
    for (exporter, owner) in told["owners"].as_object().into_iter().flatten() {
        let _ = writeln!(out, "  {exporter}: goes to {}", text(&owner["owner"]["address"]));
    }
    for verdict in told["verdicts"].as_array().into_iter().flatten() {
        let _ = writeln!(
            out,
            "  {} in {}: {}",
            text(&verdict["processor"]),
            text(&verdict["pipeline"]),
            sentence(verdict)
        );
        details(&mut out, verdict);
    }
    out
}

fn sentence(verdict: &Value) -> String {
    match verdict["state"].as_str() {
        Some("open") => format!("undecided, due at {}", clock(&verdict["due"])),
        Some("decided") => {
            let kept = match verdict["verdict"].as_str() {
                Some("sampled") => "kept",
                Some("dropped") => "dropped",
                _ => "not kept",
            };
            let by = verdict["policy"].as_str().map(|policy| format!(" by {policy}")).unwrap_or_default();
            let when = verdict["decided"].is_number();
            let when = if when { format!(" at {}", clock(&verdict["decided"])) } else { String::new() };
            let why = verdict["trigger"].as_str().map(|why| format!(" ({why})")).unwrap_or_default();
            format!("{kept}{by}{when}{why}")
        }
        _ => "unknown: never seen here, or too long ago".to_owned(),
    }
}

fn details(out: &mut String, verdict: &Value) {
    if let Some(facts) = verdict["facts"].as_object() {
        let duration = facts["duration_ms"].as_f64().map(|ms| format!(", {ms:.1} ms")).unwrap_or_default();
        let root = if facts["has_root"] == true { "with its root" } else { "without a root" };
        let error = if facts["has_error"] == true { ", with an error" } else { "" };
        let _ = writeln!(out, "    {} spans {root}{duration}{error}", facts["spans"]);
    }
    if let Some(late) = verdict["late_spans"].as_u64().filter(|late| *late > 0) {
        let _ = writeln!(out, "    {late} spans came later and followed the verdict");
    }
    for vote in verdict["votes"].as_array().into_iter().flatten() {
        let said = text(&vote["vote"]).replace('_', " ");
        let _ = writeln!(out, "    {:<12} {}", said, text(&vote["policy"]));
    }
    if let Some(share) = verdict["threshold"]["kept_share"].as_f64() {
        let _ = writeln!(out, "    stands for {:.1} traces like it", 1.0 / share);
    }
    if let Some(note) = verdict["note"].as_str() {
        let _ = writeln!(out, "    {note}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("nobody")
}

fn clock(seconds: &Value) -> String {
    let seconds = seconds.as_f64().filter(|seconds| (0.0..1e11).contains(seconds)).unwrap_or(0.0);
    timestamp(UNIX_EPOCH + Duration::from_millis((seconds * 1e3).round() as u64))
}

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest answer read.
const ANSWER_BYTES_MAX: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_kept_trace_is_told_with_every_vote() {
        let told = json!({
            "trace_id": "0af7651916cd43dd8448eb211c80319c", "owners": {},
            "verdicts": [{
                "processor": "tail_sampling", "pipeline": "traces", "state": "decided", "verdict": "sampled",
                "policy": "errors", "trigger": "deadline", "decided": 1_700_000_000.296, "late_spans": 2,
                "facts": {"spans": 3, "bytes": 900, "has_root": true, "has_error": true, "duration_ms": 12.25},
                "votes": [{"policy": "errors", "vote": "sampled"}, {"policy": "slow", "vote": "not_sampled"}],
                "threshold": {"rejected_below": "80000000000000", "kept_share": 0.5},
            }],
        });
        let words = in_words(&told);
        for part in [
            "tail_sampling in traces: kept by errors at 2023-11-14T22:13:20.296Z",
            "(deadline)",
            "3 spans with its root, 12.2 ms, with an error",
            "2 spans came later",
            "sampled      errors",
            "not sampled  slow",
            "stands for 2.0 traces",
        ] {
            assert!(words.contains(part), "{part:?} in {words}");
        }
    }

    #[test]
    fn what_is_no_trace_id_is_said_before_asking_anybody() {
        assert!(explain("localhost:1", "12", false).unwrap_err().contains("32 hexadecimal digits"));
    }
}
