//! How a call ended, from what came back on the wire: gRPC statuses and HTTP answers to [`CallEnd`].

use std::time::Duration;

use crate::wire::status::{Code, Status};

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// The backend took it, but for `rejected` items.
    Taken,
    /// It can be tried again, not before `delay`.
    Passing {
        /// The backend's own wish.
        delay: Option<Duration>,
        /// For the sender, should it be given up.
        message: String,
    },
    /// It can't. With `apart`, one bad part may have spoiled the rest, so they are tried one by one.
    ForGood {
        /// Whether the refusal may be about the data of one sender only.
        apart: bool,
        /// The gRPC code that the sender is told.
        code: u8,
        /// For the sender.
        message: String,
    },
}

/// One finished call.
#[derive(Debug)]
pub struct Called {
    /// What it means for the parts.
    pub end: CallEnd,
    /// Items the backend rejected although it took the call (its partial success).
    pub rejected_items: u64,
    /// What the backend said with it.
    pub message: String,
    /// The backend could not be reached at all: its return can be noticed by connecting again.
    pub unreachable: bool,
    /// The backend has too much to do (429, RESOURCE_EXHAUSTED, any wish of its own for a delay): every call should wait.
    pub throttled: bool,
}

impl Called {
    /// Taken, with the backend's partial success.
    pub fn taken(rejected_items: u64, message: String) -> Self {
        Self { end: CallEnd::Taken, rejected_items, message, unreachable: false, throttled: false }
    }

    /// A failure that passes.
    pub fn passing(message: String, delay: Option<Duration>) -> Self {
        let delay = delay.map(|delay| delay.min(RETRY_AFTER_MAX));
        let throttled = delay.is_some();
        let end = CallEnd::Passing { delay, message };
        Self { end, rejected_items: 0, message: String::new(), unreachable: false, throttled }
    }

    /// No connection, or it broke.
    pub fn unreachable(message: String) -> Self {
        Self { unreachable: true, ..Self::passing(message, None) }
    }

    fn for_good(apart: bool, code: Code, message: String) -> Self {
        let end = CallEnd::ForGood { apart, code: code.number(), message };
        Self { end, rejected_items: 0, message: String::new(), unreachable: false, throttled: false }
    }
}

/// From a gRPC status other than OK. Which ones pass is the OTLP specification's list; RESOURCE_EXHAUSTED passes only
/// with RetryInfo. What may be the fault of one sender's data is tried apart.
pub fn from_status(backend: &str, status: &Status) -> Called {
    let message = format!("{backend}: {}: {}", status.code.name(), status.message);
    match status.code {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Called::passing(message, status.retry_delay),
        Code::ResourceExhausted if status.retry_delay.is_some() => {
            Called::passing(message, status.retry_delay)
        }
        Code::ResourceExhausted | Code::InvalidArgument | Code::Internal => {
            Called::for_good(true, status.code, message)
        }
        Code::Ok
        | Code::Unknown
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Unauthenticated => Called::for_good(false, status.code, message),
    }
}

/// From an HTTP answer that is not a gRPC status: an OTLP/HTTP backend, or a proxy in front of a gRPC one.
pub fn from_http(backend: &str, status: u16, said: &str, retry_after: Option<Duration>) -> Called {
    let message = format!("{backend}: HTTP {status}: {said}");
    match status {
        429 => Called { throttled: true, ..Called::passing(message, retry_after) },
        502..=504 => Called::passing(message, retry_after),
        400 => Called::for_good(true, Code::InvalidArgument, message),
        413 => Called::for_good(true, Code::ResourceExhausted, message),
        500 => Called::for_good(true, Code::Internal, message),
        401 => Called::for_good(false, Code::Unauthenticated, message),
        403 => Called::for_good(false, Code::PermissionDenied, message),
        404 => Called::for_good(false, Code::Unimplemented, message),
        _ => Called::for_good(false, Code::Unknown, message),
    }
}

/// `Retry-After`: seconds or, which backends rarely send, a date in one of HTTP's forms (then taken as one second).
pub fn retry_after(value: Option<&http::HeaderValue>) -> Option<Duration> {
    let text = value?.to_str().ok()?.trim();
    match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(Duration::from_secs(1)),
    }
}

/// A backend may not put us to sleep for longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: Code, retry_delay: Option<Duration>) -> Called {
        from_status("b", &Status { code, message: "m".into(), retry_delay })
    }

    #[test]
    fn resource_exhausted_passes_only_with_retry_info() {
        let second = Some(Duration::from_secs(1));
        assert!(
            matches!(status(Code::ResourceExhausted, second).end, CallEnd::Passing { delay, .. } if delay == second)
        );
        assert!(matches!(status(Code::ResourceExhausted, None).end, CallEnd::ForGood { apart: true, .. }));
    }

    #[test]
    fn no_backend_puts_us_to_sleep_for_long() {
        let asked = Some(Duration::MAX);
        let end = status(Code::Unavailable, asked).end;
        assert!(matches!(end, CallEnd::Passing { delay: Some(RETRY_AFTER_MAX), .. }));
    }

    #[test]
    fn the_specification_s_codes_pass_and_others_do_not() {
        for code in [
            Code::Unavailable,
            Code::Cancelled,
            Code::DeadlineExceeded,
            Code::Aborted,
            Code::OutOfRange,
            Code::DataLoss,
        ] {
            assert!(matches!(status(code, None).end, CallEnd::Passing { .. }));
        }
        for code in [Code::Unauthenticated, Code::PermissionDenied, Code::Unimplemented] {
            assert!(matches!(status(code, None).end, CallEnd::ForGood { apart: false, .. }));
        }
        assert!(matches!(from_http("b", 503, "", None).end, CallEnd::Passing { .. }));
        assert!(matches!(from_http("b", 404, "", None).end, CallEnd::ForGood { apart: false, .. }));
    }
}
