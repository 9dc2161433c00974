//! Authenticators: the extensions, and `auth` of the components that use them.

use std::time::Duration;

use super::Section;
use crate::auth::{Authenticator, Basic, Bearer, Hidden, Htpasswd, Kind, Secret};

/// `bearertokenauth`.
pub(super) fn bearer(section: &mut Section<'_>) -> Kind {
    let header = section.get("header", "Authorization".to_owned());
    let scheme = section.get("scheme", "Bearer".to_owned());
    let token = section.secret("token").filter(|token| !token.is_empty());
    let tokens = secrets(section, "tokens");
    let filename = filled(section, "filename");
    let late = section.when_filled("retry_on_failure", |retry| {
        let enabled = retry.get("enabled", false);
        for key in ["initial_interval", "max_interval", "max_elapsed_time"] {
            retry.ignored::<Duration>(key);
        }
        for key in ["randomization_factor", "multiplier"] {
            retry.ignored::<f64>(key);
        }
        enabled
    });
    let late = late.unwrap_or(false);
    if late && filename.is_none() {
        section.error("retry_on_failure", "requires filename to be set", None);
    }
    section.without_effect::<bool>("wait_for_token_file", "calls wait for the file, the start does not");
    if token.is_some() && !tokens.is_empty() {
        let message = "either tokens or token should be provided, not both";
        section.error("tokens", message, Some("remove token".into()));
    }
    if token.is_none() && tokens.is_empty() && filename.is_none() {
        let help = "write token, tokens or filename";
        section.error("", "no bearer token provided", Some(help.into()));
    }
    // As in the Collector: a list counts before the file, the file before a single token.
    let found = match (filename, token) {
        (Some(path), token) if tokens.is_empty() => {
            if token.is_some() {
                let message = "the token in filename is used, not this one";
                section.warn(&section.mark_of("token"), "token", message, Some("remove one of them".into()));
            }
            vec![Secret::File { key: "filename", path: path.into() }]
        }
        (_, token) => token.into_iter().chain(tokens).map(|token| Secret::Text(Hidden(token))).collect(),
    };
    Kind::Bearer(Bearer { header, scheme, tokens: found, may_be_late: late })
}

/// `basicauth`. `None` when it says neither who we are nor who may come in.
pub(super) fn basic(section: &mut Section<'_>) -> Option<Kind> {
    let client = section.when_filled("client_auth", |client| {
        let username = one_of(client, "username", "username_file", false);
        Kind::Basic(Basic { username, password: one_of(client, "password", "password_file", true) })
    });
    let server = section.when_filled("htpasswd", |htpasswd| {
        let file = filled(htpasswd, "file");
        let inline = htpasswd.secret("inline").unwrap_or_default();
        if file.is_none() && inline.is_empty() {
            htpasswd.error("", "no credential source provided", Some("write file or inline".into()));
        }
        Kind::Htpasswd(Htpasswd { file: file.map(Into::into), inline: Hidden(inline) })
    });
    match (client, server) {
        (Some(_), Some(_)) => {
            let message = "only one of `htpasswd` or `client_auth` can be specified";
            let help = "write two extensions, such as basicauth/client and basicauth/server";
            section.error("client_auth", message, Some(help.into()));
            None
        }
        (None, None) => {
            let help = "write client_auth: {username: …, password: …} for an exporter, htpasswd: {file: …} for a receiver";
            section.error("", "no credential source provided", Some(help.into()));
            None
        }
        (client, server) => client.or(server),
    }
}

fn filled(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    section.opt(key).filter(|text: &String| !text.is_empty())
}

/// A file counts before the text.
fn one_of(section: &mut Section<'_>, text: &'static str, file: &'static str, secret: bool) -> Secret {
    let written = if secret { section.secret(text) } else { section.opt(text) };
    match filled(section, file) {
        Some(path) => Secret::File { key: file, path: path.into() },
        None => Secret::Text(Hidden(written.unwrap_or_default())),
    }
}

fn secrets(section: &mut Section<'_>, key: &'static str) -> Vec<String> {
    use crate::config::print::Printed;
    let values: Vec<String> = section.opt(key).unwrap_or_default();
    if !values.is_empty() {
        section.show(key, Printed::List(values.iter().cloned().map(Printed::Secret).collect()));
    }
    values
}

/// Which side of a connection an authenticator is wanted for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    HttpServer,
    GrpcClient,
    HttpClient,
}

impl Side {
    pub(super) fn is_server(self) -> bool {
        matches!(self, Self::Server | Self::HttpServer)
    }

    pub(super) fn wanted(self) -> &'static str {
        match self {
            Self::Server | Self::HttpServer => "server",
            Self::GrpcClient => "gRPC client",
            Self::HttpClient => "HTTP client",
        }
    }
}

/// `auth`: which extension it names. With the parts of the query that an HTTP server looks at.
pub(super) fn auth(section: &mut Section<'_>, side: Side) -> (Option<Authenticator>, Vec<String>) {
    let found = section.when_filled("auth", |auth| {
        auth.shared_as("auth");
        let id = auth.get("authenticator", String::new());
        let params = match side {
            Side::HttpServer => auth.get("request_params", Vec::new()),
            _ => Vec::new(),
        };
        (resolve(auth, &id, side), params)
    });
    found.unwrap_or_default()
}

/// The extension of this name, for a component that is in use.
fn resolve(auth: &Section<'_>, id: &str, side: Side) -> Option<Authenticator> {
    if !auth.context().wanted.get() {
        return None;
    }
    let shown = if auth.is_expanded("authenticator") { "(not shown)" } else { id };
    let known = auth.context().extensions.borrow();
    if !known.listed.contains(id) || known.is_unknown(id) {
        if !known.listed.contains(id) {
            let message = format!("failed to resolve authenticator {shown:?}: authenticator not found");
            let help = match id {
                "" => "write authenticator: ID, of an extension",
                id if known.defined.contains(id) => "add it to service.extensions",
                _ => "configure it under extensions, and add it to service.extensions",
            };
            auth.error("authenticator", message, Some(help.into()));
        }
        return None; // what is unknown has been reported where it is listed
    }
    let fits = known.authenticators.get(id).filter(|kind| match kind {
        None => true, // its own mistakes have been reported
        Some(Kind::Bearer(_)) => true,
        Some(Kind::Basic(_)) => !side.is_server(),
        Some(Kind::Htpasswd(_)) => side.is_server(),
    });
    match fits {
        Some(kind) => kind.clone().map(|kind| Authenticator { id: id.to_owned(), kind }),
        None => {
            let message = format!("requested authenticator is not a {} authenticator", side.wanted());
            let help = match side.is_server() {
                true => "those of bearertokenauth, and of basicauth with htpasswd, are",
                false => "those of bearertokenauth, and of basicauth with client_auth, are",
            };
            auth.error("authenticator", format!("{shown:?}: {message}"), Some(help.into()));
            None
        }
    }
}
