//! Programs under test: started with a configuration on free ports, ended with the test.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const READY_WITHIN: Duration = Duration::from_secs(60);
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// A running program.
pub struct Process {
    child: Child,
    folder: TempDir,
    /// The ports it was given.
    pub ports: Vec<u16>,
}

impl Process {
    /// Starts `program --config FILE` with as many free ports as asked for, and waits until it listens on all of them.
    /// The configuration is made of the ports and of a folder of its own.
    pub fn start(program: &Path, ports: usize, config: impl Fn(&[u16], &Path) -> String) -> Self {
        Self::start_with(program, &[], ports, config)
    }

    /// The same, with more arguments.
    pub fn start_with(
        program: &Path,
        arguments: &[String],
        ports: usize,
        config: impl Fn(&[u16], &Path) -> String,
    ) -> Self {
        // Between finding a port free and taking it, another test may take it.
        for _ in 0..3 {
            let free = free_ports(ports);
            let mut process = Self::spawn(program, arguments, free, &config);
            if process.listens() {
                return process;
            }
            let log = process.log();
            assert!(log.contains("in use"), "{} did not start:\n{log}", program.display());
        }
        panic!("{}: the ports are always taken", program.display());
    }

    /// ringtail, as built for this test.
    pub fn ringtail(ports: usize, config: impl Fn(&[u16], &Path) -> String) -> Self {
        Self::start(ringtail(), ports, config)
    }

    fn spawn(
        program: &Path,
        arguments: &[String],
        ports: Vec<u16>,
        config: &impl Fn(&[u16], &Path) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        fs::write(&path, config(&ports, folder.path())).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new(program)
            .arg("--config")
            .arg(&path)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self { child, folder, ports }
    }

    /// Whether it listens on every port, as soon as that is known.
    fn listens(&mut self) -> bool {
        let patience = Instant::now() + READY_WITHIN;
        while Instant::now() < patience {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if self.ports.iter().all(|&port| TcpStream::connect(("127.0.0.1", port)).is_ok()) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no connections after {READY_WITHIN:?}:\n{}", self.log());
    }

    /// Its folder; configuration and log are in it.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_path_buf()
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let patience = Instant::now() + ANSWERED_WITHIN;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < patience, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "the log of a program of this test:\n{}", self.log());
        }
    }
}

/// The binary of this crate.
pub fn ringtail() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringtail"))
}

/// Ports that nobody listens on now.
pub fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// An answer over HTTP/1.1.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// One request on a connection of its own, sent as given.
pub fn http(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(ANSWERED_WITHIN)).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("content-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    let _ = stream.write_all(body); // a server may refuse before it has read everything
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer); // and reset the connection after its answer
    parsed(&answer).unwrap_or_else(|| panic!("{method} {path}: {:?}", String::from_utf8_lossy(&answer)))
}

fn parsed(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = answer[end + 4..].to_vec();
    if headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked") {
        body = unchunked(&body)?;
    }
    Some(Answer { status, headers, body })
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 4 + size..)?;
    }
}

/// What a metrics page says of a counter or gauge, over all of its series that carry these labels.
pub fn metric(port: u16, name: &str, labels: &[&str]) -> f64 {
    metric_of(&metrics_page(port), name, labels)
}

/// The metrics page, to read more than one number of a moment.
pub fn metrics_page(port: u16) -> String {
    String::from_utf8(http(port, "GET", "/metrics", &[], b"").body).unwrap()
}

/// The same as [`metric`], of a page.
pub fn metric_of(page: &str, name: &str, labels: &[&str]) -> f64 {
    page.lines()
        .filter(|line| line.split(['{', ' ']).next() == Some(name))
        .filter(|line| labels.iter().all(|label| line.contains(label)))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}
