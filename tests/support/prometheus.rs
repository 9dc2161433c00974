//! A real Prometheus that scrapes one page, and what it says of it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::process::free_address;
use super::{http, wait};

/// A running Prometheus, killed when dropped.
pub struct Prometheus {
    child: Child,
    _folder: TempDir,
    /// Where its API listens.
    pub address: SocketAddr,
}

impl Prometheus {
    /// Starts `program`, which scrapes `/metrics` of `target` and keeps the labels that it finds there.
    pub fn start(program: &Path, target: SocketAddr, arguments: &[&str]) -> Self {
        let address = free_address();
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "scrape_configs: [{{job_name: ringtail, honor_labels: true, scrape_interval: 100ms, \
             scrape_timeout: 100ms, static_configs: [{{targets: ['{target}']}}]}}]"
        );
        std::fs::write(folder.path().join("config.yaml"), config).unwrap();
        let child = Command::new(program)
            .arg(format!("--config.file={}", folder.path().join("config.yaml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, _folder: folder, address }
    }

    /// What a query finds first, as soon as it finds something.
    pub async fn query(&self, query: &str) -> Value {
        let path = format!("/api/v1/query?query={query}");
        let look = || async {
            let page = http::get(self.address, &path).await.ok().filter(|page| page.status == 200)?.json();
            page["data"]["result"].as_array().filter(|found| !found.is_empty()).map(|found| found[0].clone())
        };
        wait::until_some(query, look).await
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
