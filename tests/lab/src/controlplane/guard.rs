//! The one who cleans up. Guarantee: when the harness ends, in whatever way, also by SIGKILL, every watched
//! process is killed and the directory is removed; a process that merely reuses a watched pid is not touched.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::Error;

/// The prefix of directories that the guard agrees to remove.
pub(crate) const DIRECTORY_PREFIX: &str = "entra-lab-";

/// Reads one pid per line until the pipe closes; that is when its only writer, the harness, is gone.
/// A shell and not a copy of the harness, because in `cargo test` that would be some test program.
/// `born` prints what tells a process from a later one with the same pid (nothing for a dead one): the
/// start time from `/proc`, or what `ps` says where there is no `/proc`.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
born() {
    if [ -d /proc/self ]; then
        set -- $(cat "/proc/$1/stat" 2>/dev/null)
        [ "${3:-Z}" = Z ] || echo "${22}"
    else
        ps -o lstart= -p "$1" | tr -s ' ' _
    fi
}
living() { [ "$(born "${1%%:*}")" = "${1#*:}" ] && [ -n "${1#*:}" ]; }
watched=
while read -r pid; do
    watched="$watched $pid:$(born "$pid")"
    echo "$pid"
done
for one in $watched; do
    living "$one" && kill -KILL "${one%%:*}"
done
for one in $watched; do
    tries=0
    while living "$one" && [ "$tries" -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
done
eval "$2"
case "${1##*/}" in
    entra-lab-?*) rm -rf -- "$1" ;;
esac
"#;

/// A shell that outlives the harness by moments. Dropping it cleans up and waits for that.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    pids: Option<ChildStdin>,
    acknowledgements: BufReader<ChildStdout>,
}

// === impl Guard ===

impl Guard {
    /// Starts to guard `directory`. In a process group of its own, so that Ctrl-C in the terminal does not
    /// reach it.
    pub(crate) fn over(directory: &Path) -> Result<Self, Error> {
        Self::with_sweep(directory, ":")
    }

    /// The same, with shell commands that clean up what is not in the directory. They run when the watched processes
    /// are dead, before the directory goes; `$1` is the directory.
    pub(crate) fn with_sweep(directory: &Path, sweep: &str) -> Result<Self, Error> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "entra-lab-guard"])
            .arg(directory)
            .arg(sweep)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(Error::io("start the guard"))?;
        let (pids, stdout) = (shell.stdin.take(), shell.stdout.take());
        let stdout = stdout.ok_or_else(|| std::io::ErrorKind::BrokenPipe.into());
        let acknowledgements = BufReader::new(stdout.map_err(Error::io("listen to the guard"))?);
        Ok(Self {
            shell,
            pids,
            acknowledgements,
        })
    }

    /// Returns when the guard knows the process, which must not have been waited for yet.
    pub(crate) fn watch(&mut self, pid: u32) -> Result<(), Error> {
        self.send(pid)
            .map_err(Error::io("tell the guard about a process"))
    }

    fn send(&mut self, pid: u32) -> std::io::Result<()> {
        if let Some(pids) = &mut self.pids {
            writeln!(pids, "{pid}")?;
        }
        let mut acknowledgement = String::new();
        self.acknowledgements.read_line(&mut acknowledgement)?;
        if acknowledgement.trim() == pid.to_string() {
            return Ok(());
        }
        Err(std::io::ErrorKind::BrokenPipe.into())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.pids.take());
        drop(self.shell.wait());
    }
}
