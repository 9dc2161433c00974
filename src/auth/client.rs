//! Our own credentials: the header of a call to a backend.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};

use super::AuthError;
use super::config::{Authenticator, Basic, Bearer, Hidden, Kind, Secret};
use super::watched::Watched;
use crate::wire::json::base64;

/// What is sent with calls to backends. A clone is the same.
#[derive(Clone)]
pub struct Credentials(Arc<Inner>);

struct Inner {
    header: HeaderName,
    form: Form,
}

enum Form {
    Bearer { scheme: String, token: Text },
    Basic { username: Text, password: Text },
}

/// A text from the configuration, or the newest from a file.
enum Text {
    Fixed(String),
    File(Arc<Watched<String>>),
}

impl Credentials {
    /// Reads what is in files.
    pub fn open(authenticator: &Authenticator) -> Result<Self, AuthError> {
        let id = &authenticator.id;
        let wrong = |problem: String| AuthError::Value { id: id.clone(), problem };
        let (header, form) = match &authenticator.kind {
            Kind::Bearer(bearer) => {
                let name = HeaderName::from_bytes(bearer.header.as_bytes());
                let name = name.map_err(|error| wrong(format!("header: {error}")))?;
                (name, Form::Bearer { scheme: bearer.scheme.clone(), token: token(id, bearer)? })
            }
            Kind::Basic(Basic { username, password }) => {
                let username = Text::open(id, username, |text| match text {
                    text if text.contains(':') => Err("a user name must not have a colon in it".into()),
                    text => Ok(text.to_owned()),
                })?;
                let password = Text::open(id, password, |text| Ok(text.to_owned()))?;
                (header::AUTHORIZATION, Form::Basic { username, password })
            }
            Kind::Htpasswd(_) => {
                let problem = "it authenticates those who send here, not us; write client_auth";
                return Err(wrong(problem.into()));
            }
        };
        Ok(Self(Arc::new(Inner { header, form })))
    }

    /// The header of a call that begins now; the reason when there is none.
    pub async fn header(&self) -> Result<(HeaderName, HeaderValue), String> {
        let text = match &self.0.form {
            Form::Bearer { scheme, token } => match (token.current().await, scheme.as_str()) {
                (token, _) if token.is_empty() => return Err("there is no bearer token yet".into()),
                (token, "") => token,
                (token, scheme) => format!("{scheme} {token}"),
            },
            Form::Basic { username, password } => {
                let pair = format!("{}:{}", username.current().await, password.current().await);
                let mut text = "Basic ".to_owned();
                base64::encode(pair.as_bytes(), true, &mut text);
                text
            }
        };
        let value = HeaderValue::from_bytes(text.as_bytes());
        let mut value =
            value.map_err(|_| "the credentials have a byte that no header may have".to_owned())?;
        value.set_sensitive(true); // HTTP/2 then keeps it out of its tables
        Ok((self.0.header.clone(), value))
    }
}

impl Text {
    fn open(
        id: &str,
        secret: &Secret,
        check: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static,
    ) -> Result<Self, AuthError> {
        match secret {
            Secret::Text(Hidden(text)) => {
                let checked = check(text);
                checked.map(Self::Fixed).map_err(|problem| AuthError::Value { id: id.to_owned(), problem })
            }
            Secret::File { key, path } => {
                let made = move |text: &str| match text.trim() {
                    "" => Err("it is empty".to_owned()),
                    text => check(text),
                };
                let watched = Watched::open(path, None, made);
                watched.map(Self::File).map_err(|problem| AuthError::File {
                    id: id.to_owned(),
                    key,
                    path: path.clone(),
                    problem,
                })
            }
        }
    }

    async fn current(&self) -> String {
        match self {
            Self::Fixed(text) => text.clone(),
            Self::File(watched) => (*watched.current().await).clone(),
        }
    }
}

/// The token that is sent: the first.
fn token(id: &str, bearer: &Bearer) -> Result<Text, AuthError> {
    match bearer.tokens.first() {
        Some(Secret::File { key, path }) => {
            let made =
                |text: &str| tokens(text).into_iter().next().ok_or_else(|| "it has no token".to_owned());
            let watched = Watched::open(path, bearer.may_be_late.then(String::new), made);
            let watched = watched.map_err(|problem| AuthError::File {
                id: id.to_owned(),
                key,
                path: path.clone(),
                problem,
            })?;
            Ok(Text::File(watched))
        }
        Some(Secret::Text(Hidden(token))) => Ok(Text::Fixed(token.clone())),
        None => Err(AuthError::Value { id: id.to_owned(), problem: "no bearer token provided".into() }),
    }
}

/// The tokens in a file: the first word of each line, what follows it is a comment.
pub(super) fn tokens(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Secret {
        Secret::Text(Hidden(text.into()))
    }

    async fn sent(kind: Kind) -> (String, String) {
        let credentials = Credentials::open(&Authenticator { id: "a".into(), kind }).unwrap();
        let (name, value) = credentials.header().await.unwrap();
        assert!(value.is_sensitive());
        (name.to_string(), value.to_str().unwrap().to_owned())
    }

    fn bearer(scheme: &str, tokens: Vec<Secret>) -> Kind {
        let (header, scheme) = ("X-Key".into(), scheme.into());
        Kind::Bearer(Bearer { header, scheme, tokens, may_be_late: false })
    }

    #[tokio::test]
    async fn the_first_token_is_sent_behind_its_scheme() {
        let two = || vec![text("one"), text("two")];
        assert_eq!(sent(bearer("Bearer", two())).await, ("x-key".into(), "Bearer one".into()));
        assert_eq!(sent(bearer("", two())).await, ("x-key".into(), "one".into()));
    }

    #[tokio::test]
    async fn name_and_password_are_sent_as_basic() {
        let kind = Kind::Basic(Basic { username: text("Aladdin"), password: text("open sesame") });
        let wanted = ("authorization".to_owned(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned());
        assert_eq!(sent(kind).await, wanted);
    }

    #[test]
    fn what_cannot_be_sent_is_said_with_its_key() {
        let open =
            |kind| Credentials::open(&Authenticator { id: "a/b".into(), kind }).err().unwrap().to_string();
        let file = Secret::File { key: "filename", path: "/no/such".into() };
        assert!(
            open(bearer("", vec![file]))
                .starts_with("extensions::a/b::filename: cannot read /no/such: No such")
        );
        let colon = Kind::Basic(Basic { username: text("a:b"), password: text("") });
        assert_eq!(open(colon), "extensions::a/b: a user name must not have a colon in it");
    }
}
