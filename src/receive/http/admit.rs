//! Whether a request may come in at all, whatever it is.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::HttpServer;
use crate::origin::Identity;
use crate::outcome::Refusal;
use crate::wire::status::decode_message;

/// Asks the authenticator, if there is one, and then whether there is memory for it; gives what is known of the sender.
pub async fn admit(server: &HttpServer, head: &Parts) -> Result<Option<Arc<Identity>>, Refusal> {
    let identity = check(server, head).await?;
    server.intake.room(&server.limits)?;
    Ok(identity)
}

async fn check(server: &HttpServer, head: &Parts) -> Result<Option<Arc<Identity>>, Refusal> {
    let Some(guard) = &server.guard else { return Ok(None) };
    let params = &server.config.auth_params;
    let checked = match head.uri.query() {
        Some(query) if !params.is_empty() => guard.check(&with_params(&head.headers, query, params)).await,
        _ => guard.check(&head.headers).await,
    };
    checked.map_err(|why| server.intake.stranger(why))
}

/// The headers, with the parts of the query that are named laid over them.
fn with_params(headers: &HeaderMap, query: &str, named: &[String]) -> HeaderMap {
    let mut headers = headers.clone();
    for (name, value) in query.split('&').filter_map(|part| part.split_once('=')) {
        let plain = decode_message(value.replace('+', " ").as_bytes());
        if named.iter().any(|known| known == name)
            && let Ok(name) = HeaderName::from_bytes(name.as_bytes())
            && let Ok(value) = HeaderValue::from_str(&plain)
        {
            headers.insert(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_parts_of_the_query_are_laid_over_the_headers() {
        let mut headers = HeaderMap::new();
        headers.insert("x-other", HeaderValue::from_static("kept"));
        let named = ["authorization".to_owned()];
        let query = "a=b&authorization=Bearer+t%2Bn&x-other=changed&authorization";
        let seen = with_params(&headers, query, &named);
        assert_eq!(seen.get("authorization").unwrap(), "Bearer t+n");
        assert_eq!(seen.get("x-other").unwrap(), "kept");
        assert_eq!(seen.len(), 2);
    }
}
