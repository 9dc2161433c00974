//! Who may come in: what a request's headers are compared with.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::AuthError;
use super::client::tokens;
use super::config::{Authenticator, Bearer, Hidden, Kind, Secret};
use super::htpasswd::Passwords;
use super::watched::Watched;
use crate::origin::Identity;
use crate::wire::json::base64;

/// Passwords hashed at once: a hash costs a tenth of a second of a core, and anyone may ask for one.
const HASHES_MAX: usize = 2;
/// Right passwords remembered.
const REMEMBERED_MAX: usize = 1024;

/// Lets requests in. A clone is the same.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

enum Inner {
    Bearer { name: HeaderName, scheme: String, tokens: Tokens },
    Basic(Box<Door>),
}

enum Tokens {
    Fixed(Vec<String>),
    File(Arc<Watched<Vec<String>>>),
}

/// Names and passwords.
struct Door {
    fixed: Arc<Passwords>,
    file: Option<Arc<Watched<Passwords>>>,
    hashing: Arc<Semaphore>,
    key: hmac::Key,
    right: Mutex<Right>,
}

/// Headers that were right.
#[derive(Default)]
struct Right {
    known: HashMap<[u8; 32], Arc<Identity>>, // at most REMEMBERED_MAX, by digest
    file: Option<Arc<Passwords>>,            // those of a file that has changed do not count
}

impl Guard {
    /// Reads what is in files.
    pub fn open(authenticator: &Authenticator) -> Result<Self, AuthError> {
        let id = &authenticator.id;
        let inner = match &authenticator.kind {
            Kind::Bearer(bearer) => Self::bearer(id, bearer)?,
            Kind::Htpasswd(htpasswd) => {
                let fixed = Arc::new(Passwords::read(&htpasswd.inline.0));
                let file = htpasswd.file.as_ref().map(|path| {
                    let watched = Watched::open(path, None, |text| Ok(Passwords::read(text)));
                    watched.map_err(|problem| AuthError::File {
                        id: id.clone(),
                        key: "htpasswd::file",
                        path: path.clone(),
                        problem,
                    })
                });
                let mut key = [0; 32];
                aws_lc_rs::rand::fill(&mut key)
                    .map_err(|_| AuthError::Value { id: id.clone(), problem: "no randomness".into() })?;
                Inner::Basic(Box::new(Door {
                    fixed,
                    file: file.transpose()?,
                    hashing: Arc::new(Semaphore::new(HASHES_MAX)),
                    key: hmac::Key::new(hmac::HMAC_SHA256, &key),
                    right: Mutex::default(),
                }))
            }
            Kind::Basic(_) => {
                let problem = "it says who we are, not who may send here; write htpasswd";
                return Err(AuthError::Value { id: id.clone(), problem: problem.into() });
            }
        };
        Ok(Self(Arc::new(inner)))
    }

    fn bearer(id: &str, bearer: &Bearer) -> Result<Inner, AuthError> {
        let name = HeaderName::from_bytes(bearer.header.as_bytes());
        let name = name
            .map_err(|error| AuthError::Value { id: id.to_owned(), problem: format!("header: {error}") })?;
        let tokens = match bearer.tokens.as_slice() {
            [Secret::File { key, path }] => {
                let watched =
                    Watched::open(path, bearer.may_be_late.then(Vec::new), |text| match tokens(text) {
                        none if none.is_empty() => Err("it has no token".into()),
                        some => Ok(some),
                    });
                Tokens::File(watched.map_err(|problem| AuthError::File {
                    id: id.to_owned(),
                    key,
                    path: path.clone(),
                    problem,
                })?)
            }
            texts => Tokens::Fixed(
                texts
                    .iter()
                    .filter_map(|secret| match secret {
                        Secret::Text(Hidden(text)) => Some(text.clone()),
                        Secret::File { .. } => None,
                    })
                    .collect(),
            ),
        };
        Ok(Inner::Bearer { name, scheme: bearer.scheme.clone(), tokens })
    }

    /// Whether a request with these headers may come in, and what is then known of its sender; otherwise the reason, in
    /// the Collector's words. A token says nothing of who holds it.
    pub async fn check(&self, headers: &HeaderMap) -> Result<Option<Arc<Identity>>, String> {
        match &*self.0 {
            Inner::Bearer { name, scheme, tokens } => {
                let Some(given) = headers.get(name) else {
                    return Err(format!("missing or empty authorization header: {name}"));
                };
                let file;
                let tokens = match tokens {
                    Tokens::Fixed(tokens) => tokens,
                    Tokens::File(watched) => {
                        file = watched.current().await;
                        &*file
                    }
                };
                let given = given.as_bytes();
                let right = tokens.iter().any(|token| match scheme.as_str() {
                    "" => same(token.as_bytes(), given),
                    scheme => same(format!("{scheme} {token}").as_bytes(), given),
                });
                let wrong = "provided authorization does not match expected scheme or token";
                if right { Ok(None) } else { Err(wrong.into()) }
            }
            Inner::Basic(door) => door.check(headers).await.map(Some),
        }
    }
}

impl Door {
    async fn check(&self, headers: &HeaderMap) -> Result<Arc<Identity>, String> {
        let given = headers.get(AUTHORIZATION).ok_or("no basic auth provided")?.as_bytes();
        let (raw, name, password) = pair(given)?;
        let file = match &self.file {
            Some(watched) => Some(watched.current().await),
            None => None,
        };
        let digest = hmac::sign(&self.key, given);
        let digest: [u8; 32] = digest.as_ref().try_into().map_err(|_| "invalid credentials")?;
        if let Some(identity) = self.remembered(&digest, file.as_ref()) {
            return Ok(identity);
        }
        let known = self.fixed.get(&name).or_else(|| file.as_ref().and_then(|file| file.get(&name)));
        let known = known.ok_or("invalid credentials")?.clone();
        let permit = Arc::clone(&self.hashing).acquire_owned().await;
        let matching = tokio::task::spawn_blocking(move || {
            let matches = known.matches(&password);
            drop(permit);
            matches
        });
        if !matching.await.unwrap_or(false) {
            return Err("invalid credentials".into());
        }
        let identity = Arc::new(Identity(vec![("username", name), ("raw", raw.to_owned())]));
        self.remember(digest, &identity, file.as_ref());
        Ok(identity)
    }

    fn remember(&self, digest: [u8; 32], identity: &Arc<Identity>, file: Option<&Arc<Passwords>>) {
        let mut right = self.right.lock();
        let same = right.file.as_ref().map(Arc::as_ptr) == file.map(Arc::as_ptr);
        if right.known.len() < REMEMBERED_MAX && same {
            right.known.insert(digest, Arc::clone(identity));
        }
    }

    fn remembered(&self, digest: &[u8; 32], file: Option<&Arc<Passwords>>) -> Option<Arc<Identity>> {
        let mut right = self.right.lock();
        if right.file.as_ref().map(Arc::as_ptr) != file.map(Arc::as_ptr) {
            *right = Right { known: HashMap::new(), file: file.cloned() };
        }
        right.known.get(digest).cloned()
    }
}

/// What follows `Basic`, and the name and password in it.
fn pair(given: &[u8]) -> Result<(&str, String, String), &'static str> {
    let (scheme, encoded) = given.split_at_checked(6).ok_or("invalid authorization scheme prefix")?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return Err("invalid authorization scheme prefix");
    }
    let plain = base64::decode(encoded).and_then(|bytes| String::from_utf8(bytes).ok());
    let plain = plain.ok_or("invalid authorization format")?;
    let (name, password) = plain.split_once(':').ok_or("invalid authorization format")?;
    let raw = std::str::from_utf8(encoded).map_err(|_| "invalid authorization format")?;
    Ok((raw, name.to_owned(), password.to_owned()))
}

/// In a time that does not tell where they differ.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    verify_slices_are_equal(one, other).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::config::Htpasswd;
    use super::*;

    fn guard(kind: Kind) -> Guard {
        Guard::open(&Authenticator { id: "a".into(), kind }).unwrap()
    }

    async fn check(guard: &Guard, name: &str, value: &str) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        guard.check(&headers).await.map(drop)
    }

    #[tokio::test]
    async fn each_token_opens_and_nothing_else() {
        let tokens = ["one", "two"].map(|token| Secret::Text(Hidden(token.into()))).to_vec();
        let bearer =
            Bearer { header: "Authorization".into(), scheme: "Bearer".into(), tokens, may_be_late: false };
        let guard = guard(Kind::Bearer(bearer));
        for token in ["Bearer one", "Bearer two"] {
            assert_eq!(check(&guard, "authorization", token).await, Ok(()));
        }
        for token in ["Bearer on", "Bearer onee", "bearer one", "one", "Bearer three", ""] {
            assert!(
                check(&guard, "authorization", token).await.unwrap_err().starts_with("provided"),
                "{token}"
            );
        }
        assert!(check(&guard, "x", "Bearer one").await.unwrap_err().starts_with("missing or empty"));
    }

    fn basic(name: &str, password: &str) -> String {
        let mut text = "Basic ".to_owned();
        base64::encode(format!("{name}:{password}").as_bytes(), true, &mut text);
        text
    }

    #[tokio::test]
    async fn a_name_with_its_password_opens_and_inline_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd");
        std::fs::write(&path, "ann:plain\nbob:from file\n").unwrap();
        let htpasswd = Htpasswd { file: Some(path), inline: Hidden("bob:inline:too\n\n nonsense".into()) };
        let guard = guard(Kind::Htpasswd(htpasswd));
        for (name, password) in [("ann", "plain"), ("bob", "inline:too"), ("ann", "plain")] {
            assert_eq!(check(&guard, "authorization", &basic(name, password)).await, Ok(()), "{name}");
        }
        for (given, said) in [
            (basic("bob", "from file"), "invalid credentials"),
            (basic("eve", "plain"), "invalid credentials"),
            ("Bearer x".into(), "invalid authorization scheme prefix"),
            ("Basic !!!".into(), "invalid authorization format"),
            ("Basic YQ==".into(), "invalid authorization format"),
        ] {
            assert_eq!(check(&guard, "authorization", &given).await, Err(said.into()), "{given}");
        }
        assert_eq!(check(&guard, "x", "y").await, Err("no basic auth provided".into()));
    }

    #[tokio::test]
    async fn a_name_is_known_afterwards_and_a_token_says_nothing() {
        let htpasswd = Htpasswd { file: None, inline: Hidden("ann:a:b".into()) };
        let open = guard(Kind::Htpasswd(htpasswd));
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, basic("ann", "a:b").replace("Basic", "basic").parse().unwrap());
        for time in ["hashed", "remembered"] {
            let identity = open.check(&headers).await.unwrap().unwrap();
            assert_eq!(identity.get("username"), Some("ann"), "{time}");
            assert_eq!(identity.get("raw"), Some("YW5uOmE6Yg=="), "{time}");
            assert_eq!(identity.get("subject"), None);
        }
        let tokens = vec![Secret::Text(Hidden("t".into()))];
        let bearer = Bearer { header: "x-token".into(), scheme: String::new(), tokens, may_be_late: false };
        headers.insert("x-token", "t".parse().unwrap());
        assert_eq!(guard(Kind::Bearer(bearer)).check(&headers).await, Ok(None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_password_that_is_gone_from_the_file_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd");
        std::fs::write(&path, "ann:old").unwrap();
        let guard =
            guard(Kind::Htpasswd(Htpasswd { file: Some(path.clone()), inline: Hidden(String::new()) }));
        assert_eq!(check(&guard, "authorization", &basic("ann", "old")).await, Ok(()));
        std::fs::write(&path, "ann:new").unwrap();
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert!(check(&guard, "authorization", &basic("ann", "old")).await.is_err());
        assert_eq!(check(&guard, "authorization", &basic("ann", "new")).await, Ok(()));
    }
}
