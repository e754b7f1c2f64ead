//! One program of the control plane as a child process. Guarantees: it does not begin before the guard knows
//! it, nothing of the surrounding environment reaches it, and only the process that we started is signalled.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::{Binaries, Component, Error, Options, flags::Layout, guard::Guard};

/// Waits for a line before it becomes the program: until then the guard may not know the pid yet, and if the
/// harness dies in between, the pipe closes and the program never begins.
const GATE: &str = r#"read -r go && exec "$@" </dev/null"#;
/// How much of a log explains a failure.
const EXPLANATION_LINES: usize = 25;

/// A program, its arguments and, while it runs, its process.
#[derive(Debug)]
pub(super) struct Process {
    component: Component,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

/// Dropped from top to bottom: clients before servers, and the guard, who removes the directory, last.
#[derive(Debug)]
pub(super) struct Processes {
    controller_manager: Process,
    apiserver: Process,
    etcd: Process,
    guard: Guard,
}

// === impl Process ===

impl Process {
    /// Describes a program; nothing runs yet. Its log goes to `directory`, across restarts to the same file.
    pub(super) fn new(
        component: Component,
        program: &Path,
        arguments: Vec<String>,
        directory: &Path,
    ) -> Self {
        let log = directory.join(format!("{component}.log"));
        Self {
            component,
            program: program.to_owned(),
            arguments,
            log,
            child: None,
        }
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts the program, unless it runs.
    pub(super) fn launch(&mut self, guard: &mut Guard) -> Result<(), Error> {
        if self.child.is_some() && self.exit_status()?.is_none() {
            return Ok(());
        }
        let child = self
            .spawn()
            .map_err(Error::io(format!("start {}", self.program.display())))?;
        let child = self.child.insert(child);
        guard.watch(child.id())?;
        open_gate(child).map_err(Error::io(format!("start {}", self.program.display())))
    }

    fn spawn(&self) -> io::Result<Child> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        Command::new("/bin/sh")
            .args(["-c", GATE, "entra-lab-gate"])
            .arg(&self.program)
            .args(&self.arguments)
            // ETCD_*, KUBECONFIG and proxy variables would change what the programs do.
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
    }

    /// How the program ended, or nothing while it runs or before it was started.
    pub(super) fn exit_status(&mut self) -> Result<Option<ExitStatus>, Error> {
        let status = self.child.as_mut().map(Child::try_wait).transpose();
        Ok(status
            .map_err(Error::io(format!("ask for the state of {}", self.component)))?
            .flatten())
    }

    /// Fails if the program has ended although it should run.
    pub(super) fn check_alive(&mut self) -> Result<(), Error> {
        match self.exit_status()? {
            None => Ok(()),
            Some(status) => Err(Error::Exited {
                component: self.component,
                status,
                log: self.log_end(),
            }),
        }
    }

    /// Sends a signal, if the program runs. The child has not been waited for, so its pid is still its own.
    pub(super) fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        if self.exit_status()?.is_some() {
            return Ok(());
        }
        match self.child.as_ref().map(Pid::from_child) {
            Some(pid) => kill_process(pid, signal)
                .map_err(|errno| Error::io(format!("signal {}", self.component))(errno.into())),
            None => Ok(()),
        }
    }

    /// Whether all of the program's threads have stopped. Neither the answer nor the end of the process is
    /// consumed: [`Child`] waits for that.
    pub(super) fn has_stopped(&self) -> Result<bool, Error> {
        let Some(pid) = self.child.as_ref().map(Pid::from_child) else {
            return Ok(false);
        };
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let state = waitid(WaitId::Pid(pid), options)
            .map_err(|errno| Error::io(format!("ask for the state of {}", self.component))(errno.into()))?;
        Ok(state.is_some_and(|state| state.stopped()))
    }

    /// Asks the program to end, also when it is paused.
    pub(super) fn terminate(&mut self) -> Result<(), Error> {
        self.signal(Signal::TERM)?;
        self.signal(Signal::CONT)
    }

    /// Ends the program at once and waits for its end.
    pub(super) fn kill(&mut self) -> Result<(), Error> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let ended = child.kill().and_then(|()| child.wait());
        ended
            .map(drop)
            .map_err(Error::io(format!("kill {}", self.component)))
    }

    /// The last lines of the log.
    pub(super) fn log_end(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().count();
        text.lines()
            .skip(lines.saturating_sub(EXPLANATION_LINES))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.kill());
    }
}

// === impl Processes ===

impl Processes {
    pub(super) fn new(layout: &Layout, binaries: &Binaries, options: &Options, guard: Guard) -> Self {
        let process = |component, program: &Path, arguments| {
            Process::new(component, program, arguments, &layout.directory)
        };
        let apiserver_arguments = layout.apiserver_arguments(options.keep_history, &options.apiserver_flags);
        Self {
            controller_manager: process(
                Component::ControllerManager,
                &binaries.kube_controller_manager,
                layout.controller_manager_arguments(),
            ),
            apiserver: process(
                Component::ApiServer,
                &binaries.kube_apiserver,
                apiserver_arguments,
            ),
            etcd: process(Component::Etcd, &binaries.etcd, layout.etcd_arguments()),
            guard,
        }
    }

    pub(super) fn one(&mut self, component: Component) -> (&mut Process, &mut Guard) {
        let process = match component {
            Component::Etcd => &mut self.etcd,
            Component::ApiServer => &mut self.apiserver,
            Component::ControllerManager => &mut self.controller_manager,
        };
        (process, &mut self.guard)
    }

    pub(super) fn launch(&mut self, component: Component) -> Result<(), Error> {
        let (process, guard) = self.one(component);
        process.launch(guard)
    }
}

fn open_gate(child: &mut Child) -> io::Result<()> {
    let mut gate = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    gate.write_all(b"go\n")
}
