//! How much memory there is: the machine's, or less when a control group says so.

use std::fs;
use std::path::Path;

/// Bytes of memory that this process may count on; `None` when nothing says.
pub fn available_memory() -> Option<u64> {
    available_below(Path::new("/"))
}

fn available_below(root: &Path) -> Option<u64> {
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let machine = read("proc/meminfo").as_deref().and_then(machine_total);
    let groups = read("proc/self/cgroup").unwrap_or_default();
    let mut least = machine;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // Every group above limits as well. In a container the path may be one of the host's: then the mount is ours.
        let group = Path::new(group.trim_start_matches('/'));
        for part in group.ancestors() {
            let text = fs::read_to_string(root.join(mount).join(part).join(file)).ok();
            let limit = text.and_then(|text| text.trim().parse::<u64>().ok()); // or `max`
            least = [least, limit].into_iter().flatten().min();
        }
    }
    least
}

fn machine_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        available_below(root.path())
    }

    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\n");

    #[test]
    fn the_machine_counts_where_no_group_limits() {
        assert_eq!(with(&[MACHINE]), Some(1_024_000));
        let unlimited = [MACHINE, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")];
        assert_eq!(with(&unlimited), Some(1_024_000));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn the_tightest_group_above_counts() {
        let nested = [
            MACHINE,
            ("proc/self/cgroup", "0::/pods/one\n"),
            ("sys/fs/cgroup/pods/one/memory.max", "900000\n"),
            ("sys/fs/cgroup/pods/memory.max", "500000\n"),
        ];
        assert_eq!(with(&nested), Some(500_000));
        let foreign = [MACHINE, ("proc/self/cgroup", "0::/a/b\n"), ("sys/fs/cgroup/memory.max", "7000\n")];
        assert_eq!(with(&foreign), Some(7_000));
    }

    #[test]
    fn the_first_version_of_groups_counts_too() {
        let old = [
            MACHINE,
            ("proc/self/cgroup", "11:cpu,cpuacct:/x\n4:memory:/docker/x\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "4096\n"),
        ];
        assert_eq!(with(&old), Some(4_096));
    }
}
