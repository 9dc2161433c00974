//! Extensions that have something to start: health checks, and the directories of `file_storage`.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use super::pages::AppPages;
use crate::config::Settings;
use crate::export::Front;
use crate::observe::{self, Server};

/// Creates the directories that `create_directory` asks for, with their permissions.
pub fn create_storages(settings: &Settings) -> Result<(), String> {
    for (id, storage) in &settings.file_storages {
        let Some(mode) = storage.create else { continue };
        let created = DirBuilder::new().recursive(true).mode(mode).create(&storage.directory);
        created.map_err(|error| {
            format!("extensions::{id}::directory: cannot create {}: {error}", storage.directory.display())
        })?;
    }
    Ok(())
}

/// Binds every health check.
pub async fn health_checks(settings: &Settings, pages: &Arc<AppPages>) -> Result<Vec<Server>, String> {
    let mut servers = Vec::new();
    for (id, health) in &settings.health_checks {
        let server = observe::health_server(&health.check, Arc::clone(pages) as _).await;
        let front = Front {
            tls: health.front.tls.as_ref(),
            auth: health.front.auth.as_ref(),
            response_headers: &health.front.response_headers,
        };
        let server = front.before(server.map_err(|error| error.to_string())?);
        servers.push(server.map_err(|error| format!("extensions::{id}: {error}"))?);
    }
    Ok(servers)
}
