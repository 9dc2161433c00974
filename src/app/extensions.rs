//! Extensions that have something to prepare: the directories of `file_storage`, what stands before a health check.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

use crate::config::{HealthCheck, Settings};
use crate::export::Front;
use crate::observe::Manner;

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

/// The pages of a health check, behind what stands in front of them.
pub fn guarded(health: &HealthCheck, pages: Manner) -> Result<Manner, String> {
    let front = Front {
        tls: health.front.tls.as_ref(),
        auth: health.front.auth.as_ref(),
        response_headers: &health.front.response_headers,
    };
    front.before(pages).map_err(|error| format!("extensions::health_check: {error}"))
}
