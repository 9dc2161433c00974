//! Cross-origin requests from browsers: preflights and the headers of answers.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use regex::Regex;

use super::HttpServer;

/// An origin of the configuration, `*` standing for anything, as a pattern for whole origins.
pub fn pattern(origin: &str) -> Result<Regex, String> {
    let parts: Vec<_> = origin.split('*').map(regex::escape).collect();
    Regex::new(&format!("^(?i:{})$", parts.join(".*")))
        .map_err(|e| format!("cors.allowed_origins: {origin}: {e}"))
}

/// Answers a preflight; `None` for any other request.
pub fn preflight<B>(server: &HttpServer, request: &Request<B>) -> Option<Response<()>> {
    let cors = server.config.cors.as_ref().filter(|cors| !cors.allowed_origins.is_empty())?;
    let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() != Method::OPTIONS || !asks {
        return None;
    }
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    add_vary(headers, "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
    if !allow_origin(server, request.headers(), headers) {
        return Some(response);
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let allowed =
        asked.filter(|asked| asked.to_str().is_ok_and(|asked| allows(&cors.allowed_headers, asked)));
    if let Some(asked) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    if cors.max_age > 0 {
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age));
    }
    Some(response)
}

/// Marks the answer to a cross-origin request as readable by its origin.
pub fn mark(server: &HttpServer, request: &HeaderMap, response: &mut HeaderMap) {
    let Some(cors) = server.config.cors.as_ref().filter(|cors| !cors.allowed_origins.is_empty()) else {
        return;
    };
    add_vary(response, "Origin");
    if allow_origin(server, request, response) && !cors.exposed_headers.is_empty() {
        insert(response, header::ACCESS_CONTROL_EXPOSE_HEADERS, &cors.exposed_headers.join(", "));
    }
}

fn allow_origin(server: &HttpServer, request: &HeaderMap, response: &mut HeaderMap) -> bool {
    let Some(origin) = request.get(header::ORIGIN) else { return false };
    let allowed =
        origin.to_str().is_ok_and(|text| server.origins.iter().any(|pattern| pattern.is_match(text)));
    if allowed {
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    allowed
}

/// Whether every header asked for is allowed. The simple ones and the content type always are.
fn allows(allowed: &[String], asked: &str) -> bool {
    let simple = ["accept", "content-type", "x-requested-with"];
    asked.split(',').map(str::trim).filter(|name| !name.is_empty()).all(|name| {
        simple.iter().any(|known| known.eq_ignore_ascii_case(name))
            || allowed.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(name))
    })
}

fn add_vary(headers: &mut HeaderMap, names: &'static str) {
    headers.insert(header::VARY, HeaderValue::from_static(names));
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_anything_and_dots_for_themselves() {
        let one = pattern("https://*.example.com").unwrap();
        assert!(one.is_match("https://shop.example.com"));
        assert!(!one.is_match("https://shop.exampleXcom"));
        assert!(!one.is_match("https://example.com.evil.org"));
        assert!(pattern("*").unwrap().is_match("null"));
    }

    #[test]
    fn content_type_is_always_allowed_and_others_by_name() {
        assert!(allows(&[], "Content-Type"));
        assert!(!allows(&[], "x-tenant"));
        assert!(allows(&["X-Tenant".into()], "content-type, x-tenant"));
        assert!(allows(&["*".into()], "anything"));
    }
}
