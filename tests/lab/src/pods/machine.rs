//! What one node changes on the machine, and how that is undone.
//!
//! # Guarantees
//! - Nothing is changed where something of the kind is there already: the node refuses to start.
//! - One shell script undoes everything, whether the lane ends or is killed: see [`sweep`].

use std::fs;
use std::path::Path;

use super::{Error, network};

/// What the kubelet sets, and the CNI plugin.
const SYSCTLS: [&str; 7] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "net/ipv4/ip_forward",
];

/// Directories that the kubelet and containerd's shims use wherever their own are: who has them is in the way.
const FOREIGN: [&str; 2] = ["/var/lib/kubelet", "/run/containerd"];

/// Directories that kubelet and network plugins make, and others may have, too.
const SHARED: [&str; 2] = ["/var/lib/cni", "/var/log/containers"];

/// Ends what is left (shims by the directory in their command line, containers by their control group), takes mounts,
/// groups and the bridge away. `$1` is the directory of the node.
const SWEEP: &str = r#"
of_node() {
    for process in /proc/[0-9]*; do
        case "$(tr '\0' ' ' <"$process/cmdline" 2>/dev/null)" in
            *entra-lab-guard*) ;;
            *"$1/"*) echo "${process#/proc/}" ;;
        esac
    done
    find /sys/fs/cgroup -path '*/kubepods*' -name cgroup.procs -exec cat {} + 2>/dev/null
}
tries=0
while left=$(of_node "$1"); [ -n "$left" ] && [ "$tries" -lt 100 ]; do
    kill -KILL $left 2>/dev/null
    sleep 0.1
    tries=$((tries + 1))
done
sed -n "s#^[^ ]* \($1/[^ ]*\) .*#\1#p" /proc/mounts | sort -r | while read -r mounted; do umount -l "$mounted"; done
find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2>/dev/null
find /var/log/containers -lname "$1/*" -delete 2>/dev/null
"#;

/// Says why no node can start here, if none can.
pub(super) fn check() -> Result<(), Error> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::Machine("the kubelet needs root".to_owned()));
    }
    if let Some(group) = pod_group() {
        return Err(Error::Machine(format!(
            "{group} is there: another kubelet runs, or left it"
        )));
    }
    for directory in FOREIGN {
        if Path::new(directory).exists() {
            let what = format!("{directory} is there: another kubelet or containerd uses it, or left it");
            return Err(Error::Machine(what));
        }
    }
    network::check()
}

fn pod_group() -> Option<String> {
    let top = Path::new("/sys/fs/cgroup");
    let below = fs::read_dir(top)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut places = below.chain([top.to_owned()]).map(|place| place.join("kubepods"));
    places
        .find(|place| place.exists())
        .map(|place| place.display().to_string())
}

/// The shell commands that undo what [`super::node`] and [`network`] do. Taken before anything is changed.
pub(super) fn sweep() -> String {
    let settings = SYSCTLS.iter().filter_map(|name| {
        let path = format!("/proc/sys/{name}");
        let value = fs::read_to_string(&path).ok()?;
        Some(format!("echo {} >{path}", value.trim()))
    });
    let directories = FOREIGN.into_iter().chain(SHARED);
    let made = directories.filter(|directory| !Path::new(directory).exists());
    let made = made.map(|directory| format!("rm -rf {directory}"));
    let lines = [SWEEP.to_owned(), network::sweep()].into_iter();
    let lines = lines.chain(settings).chain(made);
    // A mount that stayed would be emptied together with the directory.
    let last = r#"grep -q " $1/" /proc/mounts && exit 1"#.to_owned();
    lines.chain([last]).collect::<Vec<_>>().join("\n")
}
