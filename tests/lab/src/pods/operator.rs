//! The process of the operator's pod, as the machine sees it.

use std::fs;

/// Resident memory of each operator that runs in a pod, KiB.
pub(super) fn resident() -> Vec<u64> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .map(|process| process.path())
        .filter_map(|path| {
            let read = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
            if read("comm").trim() != "entra-operator" || !read("cgroup").contains("kubepods") {
                return None;
            }
            let status = read("status");
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse().ok()
        })
        .collect()
}
