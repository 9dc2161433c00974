//! Extensions that have something to prepare: the directories of `file_storage`, what stands before a health check.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use crate::config::{self, HealthCheck, HealthForm, HealthListener, Settings};
use crate::export::{Front, FrontError};
use crate::observe::{self, GrpcHealth, Manner, Pages};

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
    front(&health.front).before(pages).map_err(failed)
}

/// What a health check of the second form answers.
pub fn checked(health: &HealthListener, pages: Arc<dyn Pages>) -> Result<Manner, String> {
    let (front, components) = (front(&health.front), &health.components);
    let manner = match &health.form {
        HealthForm::Http(paths) => front.before(observe::status_pages(paths, components, pages)),
        HealthForm::Grpc => front.before_grpc(Manner::grpc(GrpcHealth::new(components, pages))),
    };
    manner.map_err(failed)
}

fn front(front: &config::Front) -> Front<'_> {
    Front { tls: front.tls.as_ref(), auth: front.auth.as_ref(), response_headers: &front.response_headers }
}

fn failed(error: FrontError) -> String {
    format!("extensions::health_check: {error}")
}
