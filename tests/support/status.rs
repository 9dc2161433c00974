//! `google.rpc.Status` with RetryInfo, written and read by prost: an oracle independent of the code under test.

use std::time::Duration;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Any {
    #[prost(string, tag = "1")]
    pub type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    delay: Option<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// The encoded status that belongs into `grpc-status-details-bin`.
pub fn with_retry_info(code: i32, message: &str, delay: Duration) -> Vec<u8> {
    let delay = Span { seconds: delay.as_secs() as i64, nanos: delay.subsec_nanos() as i32 };
    let value = RetryInfo { delay: Some(delay) }.encode_to_vec();
    let details = vec![Any { type_url: RETRY_INFO.into(), value }];
    RpcStatus { code, message: message.into(), details }.encode_to_vec()
}

/// The delay of the RetryInfo in encoded details.
pub fn retry_delay(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let any = status.details.iter().find(|any| any.type_url == RETRY_INFO)?;
    let delay = RetryInfo::decode(&any.value[..]).ok()?.delay?;
    Some(Duration::new(delay.seconds as u64, delay.nanos as u32))
}
