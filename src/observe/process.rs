//! What the system says of this process, read from `/proc` at each scrape. Elsewhere than on Linux only the uptime.

use std::fs;
use std::time::Instant;

use super::metrics::Registry;

/// `/proc` counts processor time in this many parts of a second, whatever the kernel's own tick.
const TICKS_PER_SECOND: f64 = 100.0;

/// Adds the `otelcol_process_*` series, with `started` as the beginning of the uptime.
pub fn expose_process(registry: &Registry, started: Instant) {
    registry.computed_counter("otelcol_process_uptime", "Uptime of the process in seconds", &[], move || {
        Some(started.elapsed().as_secs_f64())
    });
    registry.computed_counter(
        "otelcol_process_cpu_seconds",
        "Total CPU user and system time in seconds",
        &[],
        || cpu_seconds(&fs::read_to_string("/proc/self/stat").ok()?),
    );
    for (name, key, help) in [
        ("otelcol_process_memory_rss", "VmRSS:", "Total physical memory (resident set size) in bytes"),
        (
            "otelcol_process_runtime_heap_alloc_bytes",
            "RssAnon:",
            "Bytes of memory that are backed by no file: heap and stacks",
        ),
        (
            "otelcol_process_runtime_total_sys_memory_bytes",
            "VmData:",
            "Bytes of private memory obtained from the system, touched or not",
        ),
    ] {
        registry.computed_gauge(name, help, &[], move || {
            kib(&fs::read_to_string("/proc/self/status").ok()?, key).map(|kib| kib * 1024.0)
        });
    }
}

/// Bytes of memory that are backed by no file: what this process has asked for and touched.
pub fn memory_in_use() -> Option<u64> {
    kib(&fs::read_to_string("/proc/self/status").ok()?, "RssAnon:").map(|kib| kib as u64 * 1024)
}

/// User and system time of `/proc/self/stat`, fields 14 and 15. The program's name comes second, in parentheses, and
/// may itself hold spaces and parentheses.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// A line of `/proc/self/status` that ends in kB.
fn kib(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_is_skipped() {
        let stat = "42 (a) b) (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 1 2 3";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("nonsense"), None);
    }

    #[test]
    fn memory_is_read_by_its_key() {
        let status = "Name:\tx\nVmRSS:\t    2048 kB\nRssAnon:\t1024 kB\n";
        assert_eq!(kib(status, "VmRSS:"), Some(2048.0));
        assert_eq!(kib(status, "VmData:"), None);
    }

    #[test]
    fn the_collectors_process_series_are_there() {
        let registry = Registry::new();
        expose_process(&registry, Instant::now());
        let text = registry.render(false);
        for name in ["uptime", "cpu_seconds", "memory_rss", "runtime_heap_alloc_bytes"] {
            assert!(text.contains(&format!("\notelcol_process_{name} ")), "{name} in {text}");
        }
    }
}
