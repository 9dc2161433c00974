//! The one table from refusals to OTLP answers, for gRPC and HTTP.

use std::time::Duration;

use crate::outcome::{Fault, Reason, Refusal};
use crate::wire::status::{Code, Status};

/// The gRPC status of a refusal. Codes that senders retry are UNAVAILABLE, with RetryInfo; a full process says
/// RESOURCE_EXHAUSTED only together with RetryInfo, since without it senders give up.
pub fn grpc_status(refusal: &Refusal) -> Status {
    let code = match refusal.fault {
        Fault::Sender => Code::InvalidArgument,
        Fault::Unauthenticated => Code::Unauthenticated,
        Fault::TooLarge | Fault::Exhausted => Code::ResourceExhausted,
        Fault::Unhandled => Code::Unimplemented,
        Fault::Load | Fault::Peer | Fault::Closing => Code::Unavailable,
        Fault::Deadline => Code::DeadlineExceeded,
        Fault::PeerRefused(code) => passed_on(code),
        Fault::Ours => Code::Internal,
    };
    let waits = code == Code::Unavailable || refusal.fault == Fault::Exhausted;
    let retry_delay = waits.then(|| hint(refusal));
    Status { code, message: shortened(&refusal.message).to_owned(), retry_delay }
}

/// The beginning of a message that a backend may have made as long as it likes: it travels in headers, escaped and
/// encoded once more in the details, and some clients take no more than 8 KB of headers.
fn shortened(message: &str) -> &str {
    &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)]
}

/// The HTTP status of a refusal, and the `Retry-After` in whole seconds for those that pass.
pub fn http_status(refusal: &Refusal) -> (u16, Option<u64>) {
    let status = match refusal.fault {
        Fault::Sender if refusal.reason == Reason::Unsupported => 415,
        Fault::Sender => 400,
        Fault::Unauthenticated => 401,
        Fault::TooLarge => 413,
        Fault::Unhandled => 404,
        Fault::Load | Fault::Exhausted => 429,
        Fault::Peer | Fault::Closing | Fault::Deadline => 503,
        Fault::PeerRefused(code) => http_of(passed_on(code)),
        Fault::Ours => 500,
    };
    let retry_after = refusal.passes().then(|| hint(refusal).as_millis().div_ceil(1000).max(1) as u64);
    (status, retry_after)
}

/// A backend's own code is passed on, as the Collector does, unless it would read as success or as a reason to retry:
/// what is refused for good here must not be sent again.
fn passed_on(code: u8) -> Code {
    match Code::from_number(u64::from(code)) {
        code @ (Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Unauthenticated
        | Code::ResourceExhausted) => code,
        _ => Code::Internal,
    }
}

/// The Collector's table for codes that do not pass. RESOURCE_EXHAUSTED is 413 here, not 429: a smaller request helps,
/// the same one again does not.
fn http_of(code: Code) -> u16 {
    match code {
        Code::InvalidArgument => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::Unimplemented => 404,
        Code::ResourceExhausted => 413,
        _ => 500,
    }
}

fn hint(refusal: &Refusal) -> Duration {
    refusal.retry_after.unwrap_or(Duration::from_secs(1))
}

/// Three times as much when every byte is escaped, and half as much again in the details.
const MESSAGE_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(fault: Fault) -> Refusal {
        Refusal {
            fault,
            reason: Reason::Internal,
            message: "m".into(),
            retry_after: Some(Duration::from_millis(1500)),
        }
    }

    #[test]
    fn what_passes_carries_a_hint_and_what_does_not_has_none() {
        for fault in [Fault::Load, Fault::Peer, Fault::Closing] {
            let status = grpc_status(&refusal(fault));
            assert_eq!(
                (status.code, status.retry_delay),
                (Code::Unavailable, Some(Duration::from_millis(1500)))
            );
            assert_eq!(http_status(&refusal(fault)).1, Some(2));
        }
        let status = grpc_status(&refusal(Fault::Exhausted));
        assert_eq!(
            (status.code, status.retry_delay),
            (Code::ResourceExhausted, Some(Duration::from_millis(1500)))
        );
        assert_eq!(http_status(&refusal(Fault::Exhausted)), (429, Some(2)));
        for fault in [Fault::Sender, Fault::TooLarge, Fault::Unhandled, Fault::PeerRefused(13), Fault::Ours] {
            assert_eq!(grpc_status(&refusal(fault)).retry_delay, None);
            assert_eq!(http_status(&refusal(fault)).1, None);
        }
    }

    #[test]
    fn messages_are_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let long = format!("x{}", "ü".repeat(1000));
        assert_eq!(shortened(&long).len(), 1023);
    }

    #[test]
    fn a_backends_code_is_passed_on() {
        let of = |code| {
            (
                grpc_status(&refusal(Fault::PeerRefused(code))).code,
                http_status(&refusal(Fault::PeerRefused(code))).0,
            )
        };
        assert_eq!(of(3), (Code::InvalidArgument, 400));
        assert_eq!(of(16), (Code::Unauthenticated, 401));
        assert_eq!(of(8), (Code::ResourceExhausted, 413));
        assert_eq!(of(13), (Code::Internal, 500));
        assert_eq!(of(0), (Code::Internal, 500), "a refusal never reads as success");
    }

    #[test]
    fn statuses_are_those_of_the_specification() {
        assert_eq!(http_status(&refusal(Fault::Sender)).0, 400);
        assert_eq!(http_status(&refusal(Fault::TooLarge)).0, 413);
        assert_eq!(http_status(&refusal(Fault::Load)).0, 429);
        assert_eq!(http_status(&refusal(Fault::Peer)).0, 503);
        assert_eq!(grpc_status(&refusal(Fault::TooLarge)).code, Code::ResourceExhausted);
    }
}
