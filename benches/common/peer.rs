//! A process under test: found, configured, started, waited for.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::process::Process;

const READY_WITHIN: Duration = Duration::from_secs(20);

/// A started peer.
pub struct Peer {
    /// Its process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    log: PathBuf,
}

/// The binary that a variable names, or `default`; else why there is none.
pub fn binary(variable: &str, default: Option<&str>) -> Result<PathBuf, String> {
    let path = std::env::var_os(variable).map(PathBuf::from).or(default.map(PathBuf::from));
    let path = path.ok_or_else(|| format!("{variable} does not name a binary"))?;
    match path.is_file() {
        true => Ok(path),
        false => Err(format!("{variable}: there is no file {}", path.display())),
    }
}

/// An address of this machine that nobody listens on.
pub fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

impl Peer {
    /// Starts a peer that is to listen on `address` and waits until it takes connections. Its configuration and what it
    /// writes go to files of its name; `command` makes the command line of the former.
    pub fn start(
        name: &str,
        address: SocketAddr,
        folder: &Path,
        config: &str,
        command: impl FnOnce(&Path) -> Command,
    ) -> anyhow::Result<Self> {
        let path = folder.join(format!("{name}.yaml"));
        fs::write(&path, config)?;
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log)?;
        let mut command = command(&path);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut peer = Self { process: Process::start(command)?, address, log };
        peer.wait_until_ready().with_context(|| format!("{name} did not start"))?;
        Ok(peer)
    }

    /// The end of what it wrote.
    pub fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if !self.process.runs() {
                bail!("it ended:\n{}", self.last_words());
            }
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{} takes no connections after {READY_WITHIN:?}:\n{}", self.address, self.last_words())
    }
}
