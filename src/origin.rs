//! Where a request comes from: what statements, actions and `metadata_keys` may ask about it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::wire::json::base64;

/// Headers: names in lower case, a name may come several times.
pub type Headers = [(String, String)];

/// The sender of a request and what it said beside the body. Requests that were put together of several have none, or
/// only the headers that all of them had in common.
#[derive(Default)]
pub struct Origin {
    peer: Option<Arc<Peer>>,
    identity: Option<Arc<Identity>>,
    headers: Vec<(String, String)>,
    call: Option<Call>,
}

/// The other end of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// What the Collector's protocols say of it; HTTP says nothing of a Unix socket's.
    pub shown: Option<String>,
    /// Its address without the port; empty where there is none.
    pub address: String,
}

/// What an authenticator found out about a sender.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity(pub Vec<(&'static str, String)>);

/// The head of a gRPC call. Few pipelines ask for its metadata, so it is read when one does.
struct Call {
    uri: Uri,
    headers: HeaderMap,
    metadata: OnceLock<Vec<(String, String)>>,
}

impl Origin {
    /// Of a gRPC call. `keeps_headers` is the receiver's `include_metadata`.
    pub fn of_call(
        peer: Arc<Peer>,
        identity: Option<Arc<Identity>>,
        (uri, headers): (Uri, HeaderMap),
        keeps_headers: bool,
    ) -> Self {
        let call = Call { uri, headers, metadata: OnceLock::new() };
        let mut headers = Vec::new();
        if keeps_headers {
            headers.extend_from_slice(call.metadata());
            let authority = call.metadata().iter().find(|(name, _)| name == AUTHORITY);
            headers.extend(authority.map(|(_, value)| ("host".to_owned(), value.clone())));
        }
        Self { peer: Some(peer), identity, headers, call: Some(call) }
    }

    /// Of an HTTP request, with its headers if the receiver keeps them (`include_metadata`).
    pub fn of_http(
        peer: Arc<Peer>,
        identity: Option<Arc<Identity>>,
        kept: Option<(&Uri, &HeaderMap)>,
    ) -> Self {
        let headers = kept.map_or_else(Vec::new, |(uri, headers)| {
            let mut kept: Vec<_> =
                headers.iter().filter(|(name, _)| !HOP_BY_HOP.contains(&name.as_str())).map(pair).collect();
            if let (false, Some(authority)) = (headers.contains_key("host"), uri.authority()) {
                kept.push(("host".to_owned(), authority.to_string()));
            }
            kept
        });
        Self { peer: Some(peer), identity, headers, call: None }
    }

    /// Of requests that have only these headers in common.
    pub fn of_headers(headers: Vec<(String, String)>) -> Self {
        Self { headers, ..Self::default() }
    }

    /// `include_metadata`: the headers; none unless the receiver keeps them.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The other end as the Collector shows it: with the port in gRPC, without in HTTP.
    pub fn peer(&self) -> Option<&str> {
        self.peer.as_ref()?.shown.as_deref()
    }

    /// The other end's address; empty where none is known.
    pub fn address(&self) -> &str {
        self.peer.as_ref().map_or("", |peer| peer.address.as_str())
    }

    /// Who the authenticator found it to be.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_deref()
    }

    /// The metadata of a gRPC call, kept by the receiver or not.
    pub fn call_metadata(&self) -> Option<&Headers> {
        self.call.as_ref().map(Call::metadata)
    }
}

impl Identity {
    /// One thing that is known of it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

impl Call {
    fn metadata(&self) -> &Headers {
        self.metadata.get_or_init(|| {
            let is_told = |name: &str| name != "host" && !RESERVED.contains(&name);
            let headers = self.headers.iter().filter(|(name, _)| is_told(name.as_str()));
            let mut metadata: Vec<_> = headers.map(plain).collect();
            let host = || Some(text(self.headers.get("host")?.as_bytes()));
            let authority = self.uri.authority().map(ToString::to_string).or_else(host);
            metadata.extend(authority.map(|authority| (AUTHORITY.to_owned(), authority)));
            metadata
        })
    }
}

fn pair((name, value): (&HeaderName, &HeaderValue)) -> (String, String) {
    (name.as_str().to_owned(), text(value.as_bytes()))
}

/// As a pair, and what gRPC sends as base64 as it is.
fn plain((name, value): (&HeaderName, &HeaderValue)) -> (String, String) {
    let decoded = name.as_str().ends_with("-bin").then(|| base64::decode(value.as_bytes())).flatten();
    match decoded {
        Some(bytes) => (name.as_str().to_owned(), text(&bytes)),
        None => pair((name, value)),
    }
}

/// Invalid UTF-8 is replaced.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

// Headers and identities hold secrets, which no log line shows.
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Under which name the metadata of a call has the host that was asked for.
const AUTHORITY: &str = ":authority";
/// Headers that are gRPC's own.
const RESERVED: [&str; 6] =
    ["te", "grpc-timeout", "grpc-encoding", "grpc-message", "grpc-message-type", "grpc-status"];
/// Headers that speak of the connection's framing only.
const HOP_BY_HOP: [&str; 2] = ["transfer-encoding", "trailer"];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static [u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    fn shown(headers: &Headers) -> Vec<String> {
        headers.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn metadata_of_calls_is_what_applications_see() {
        let given = headers(&[
            ("content-type", b"application/grpc"),
            ("te", b"trailers"),
            ("grpc-timeout", b"1S"),
            ("grpc-encoding", b"gzip"),
            ("host", b"other"),
            ("x-tenant", b"a"),
            ("x-tenant", b"b\xff"),
            ("trace-bin", b"aGk"),
        ]);
        let uri = Uri::from_static("http://here:4317/x");
        let expected = [
            "content-type=application/grpc",
            "x-tenant=a",
            "x-tenant=b\u{fffd}",
            "trace-bin=hi",
            ":authority=here:4317",
        ];
        let call =
            |uri: &Uri, keeps| Origin::of_call(Arc::default(), None, (uri.clone(), given.clone()), keeps);
        let secretive = call(&uri, false);
        assert_eq!(shown(secretive.call_metadata().unwrap()), expected);
        assert_eq!(shown(secretive.headers()), [""; 0], "they are asked for with include_metadata only");
        let open = call(&uri, true);
        assert_eq!(shown(open.headers()), [&expected[..], &["host=here:4317"]].concat());
        let relative = call(&Uri::from_static("/x"), false);
        assert_eq!(relative.call_metadata().unwrap().last().unwrap().1, "other", "the host stands in");
    }

    #[test]
    fn headers_keep_their_order_and_repetitions_and_the_host_is_among_them() {
        let given = headers(&[
            ("x-tenant", b"a"),
            ("transfer-encoding", b"chunked"),
            ("x-tenant", b"b\xff"),
            ("trace-bin", b"aGk"),
        ]);
        let uri = Uri::from_static("http://here:4318/v1/traces");
        let origin = Origin::of_http(Arc::default(), None, Some((&uri, &given)));
        let expected = ["x-tenant=a", "x-tenant=b\u{fffd}", "trace-bin=aGk", "host=here:4318"];
        assert_eq!(shown(origin.headers()), expected);
        assert!(origin.call_metadata().is_none());
        let named = headers(&[("host", b"there")]);
        let origin = Origin::of_http(Arc::default(), None, Some((&uri, &named)));
        assert_eq!(shown(origin.headers()), ["host=there"]);
        assert_eq!(shown(Origin::of_http(Arc::default(), None, None).headers()), [""; 0]);
    }
}
