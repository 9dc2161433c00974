//! Child processes: started, measured from `/proc`, and killed on every way out.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;

/// Every child that runs, so that a signal can end them all.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// `utime` and `stime` count in these, on every Linux that matters here.
const TICK: Duration = Duration::from_millis(10);

/// A child process that does not outlive its handle.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts a command.
    pub fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        running.push(child.id());
        Ok(Self { child })
    }

    /// The child's pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// User and system time so far, of all threads.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu(&self.child.id().to_string())
    }

    /// The most memory it ever had resident, in MB.
    pub fn peak_rss_mb(&self) -> anyhow::Result<f64> {
        self.status_mb("VmHWM:")
    }

    /// The memory that it has resident, in MB.
    pub fn rss_mb(&self) -> anyhow::Result<f64> {
        self.status_mb("VmRSS:")
    }

    fn status_mb(&self, name: &str) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix(name)).context("no such line in status")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kib * 1024.0 / 1e6)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.child.kill();
        let _ = self.child.wait();
        running.retain(|id| *id != self.child.id());
    }
}

/// User and system time of a process (`self` is one), of all threads.
pub fn cpu(process: &str) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(Path::new("/proc").join(process).join("stat"))?;
    // The name in parentheses may hold anything; the numbers count from behind it.
    let (_, numbers) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks: u32 = numbers.split_whitespace().skip(11).take(2).map_while(|n| n.parse::<u32>().ok()).sum();
    Ok(TICK * ticks)
}

/// On SIGINT and SIGTERM: kill the children, then end. Dropping covers all other ways out.
pub fn end_children_on_signals() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let mut terminate = signal(SignalKind::terminate()).expect("a handler of SIGTERM");
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        });
        for id in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
        }
        std::process::exit(130);
    });
}

/// Moves all threads of this process to the given processors; threads started later inherit it.
pub fn place_self(list: &str) -> anyhow::Result<()> {
    let id = std::process::id().to_string();
    let output = Command::new("taskset").args(["-a", "-p", "-c", list, &id]).output();
    let done = output.context("placing needs taskset")?.status.success();
    anyhow::ensure!(done, "taskset refuses the processors {list}");
    Ok(())
}

/// A command that runs on the given processors, if there is a list of them: `taskset` replaces itself by the
/// program and so keeps the process id.
pub fn command(program: &Path, processors: Option<&str>) -> Command {
    let Some(list) = processors else { return Command::new(program) };
    let mut command = Command::new("taskset");
    command.args(["-c", list]).arg(program);
    command
}

/// Time that all processors together have spent on anything so far.
pub fn machine_cpu() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("an empty /proc/stat")?;
    let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    // user, nice, system, then after idle and iowait: irq, softirq, steal.
    let busy: u64 = [0, 1, 2, 5, 6, 7].iter().filter_map(|index| ticks.get(*index)).sum();
    Ok(Duration::from_millis(busy * 10))
}
