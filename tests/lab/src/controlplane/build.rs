//! Builds etcd and Kubernetes with Go. Guarantees: the sources are exactly those of the committed `go.sum`,
//! the result is a static program that reports its real version, and stderr says how far it is.

use std::{
    collections::VecDeque,
    fs,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    Error,
    binaries::{Program, Release},
};
use crate::cache::report;

/// How often a running build says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How many of its last lines explain a failed build.
const EXPLANATION_LINES: usize = 15;

/// The directory of the Go module that a program is built from. etcd has one of its own, because etcd as a program and
/// etcd's client inside Kubernetes want different versions.
pub(super) fn module_directory(program: Program, release: Release) -> PathBuf {
    let module = match (program, release) {
        (Program::Etcd, _) => "etcd",
        (_, Release::Newest) => "kubernetes",
        (_, Release::Oldest) => "kubernetes-oldest",
    };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(module)
}

/// What `go version` says inside the Kubernetes module, where `go.mod` may select a newer tool chain.
pub(super) fn go_version(release: Release) -> Result<Vec<u8>, Error> {
    let output = go(Program::ApiServer, release)
        .arg("version")
        .output()
        .map_err(no_go)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Error::Go {
        command: "go version".into(),
        status: output.status,
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Builds `program` as the file `target`.
pub(super) fn go_build(program: Program, release: Release, target: &Path) -> Result<(), Error> {
    let flags = linker_flags(program, release)?;
    announce(program);
    let mut command = go(program, release);
    command
        .args(["build", "-v", "-trimpath", "-ldflags", &flags, "-o"])
        .arg(target)
        .arg(package(program));
    run_with_progress(program, &mut command)
}

fn announce(program: Program) {
    report(&format!(
        "building {} from Go modules, once; about {} min on two cores with cold caches",
        program.file_name(),
        program.minutes()
    ));
}

/// The user's Go settings must not change what is built.
fn go(program: Program, release: Release) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(module_directory(program, release))
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off")
        .stdin(Stdio::null());
    command
}

fn no_go(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        let programs = [Program::Etcd, Program::ApiServer, Program::ControllerManager];
        return Error::NoControlPlane {
            minutes: programs.map(Program::minutes).iter().sum(),
        };
    }
    Error::io("run go")(error)
}

fn package(program: Program) -> &'static str {
    match program {
        Program::Etcd => "go.etcd.io/etcd/server/v3",
        Program::ApiServer => "k8s.io/kubernetes/cmd/kube-apiserver",
        Program::ControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
        Program::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
        Program::Scheduler => "k8s.io/kubernetes/cmd/kube-scheduler",
        Program::Kubelet => "k8s.io/kubernetes/cmd/kubelet",
    }
}

/// Without a version, the API server calls itself v0.0.0-master, and Helm's `kubeVersion` refuses that.
fn linker_flags(program: Program, release: Release) -> Result<String, Error> {
    let strip = "-s -w".to_owned();
    if program == Program::Etcd {
        return Ok(strip);
    }
    let version = kubernetes_version(release)?;
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (
        numbers.next().unwrap_or_default(),
        numbers.next().unwrap_or_default(),
    );
    let set = |name: &str, value: &str| format!(" -X k8s.io/component-base/version.{name}={value}");
    Ok(strip
        + &set("gitVersion", &version)
        + &set("gitMajor", major)
        + &set("gitMinor", minor)
        + &set("gitTreeState", "clean"))
}

/// The one place that says which Kubernetes this is, is `go.mod`.
fn kubernetes_version(release: Release) -> Result<String, Error> {
    let path = module_directory(Program::ApiServer, release).join("go.mod");
    let text = fs::read_to_string(&path).map_err(Error::io(format!("read {}", path.display())))?;
    version_of(&text, "k8s.io/kubernetes").ok_or_else(|| Error::Io {
        action: format!("find the version of k8s.io/kubernetes in {}", path.display()),
        source: io::ErrorKind::InvalidData.into(),
    })
}

fn version_of(go_mod: &str, module: &str) -> Option<String> {
    go_mod.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word == "require");
        (words.next()? == module).then(|| words.next().map(str::to_owned))?
    })
}

/// `go build -v` names each package as it is compiled.
fn run_with_progress(program: Program, command: &mut Command) -> Result<(), Error> {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(no_go)?;
    let started = Instant::now();
    let last_lines = child
        .stderr
        .take()
        .map(|stderr| follow(program, BufReader::new(stderr), started));
    let status = child.wait().map_err(Error::io("wait for go build"))?;
    if status.success() {
        report(&format!(
            "built {} in {} s",
            program.file_name(),
            started.elapsed().as_secs()
        ));
        return Ok(());
    }
    Err(Error::Go {
        command: format!("go build {}", package(program)),
        status,
        output: last_lines.unwrap_or_default(),
    })
}

fn follow(program: Program, lines: impl BufRead, started: Instant) -> String {
    let mut spoke = started;
    let mut last = VecDeque::new();
    for (number, line) in lines.lines().map_while(Result::ok).enumerate() {
        if spoke.elapsed() >= HEARTBEAT {
            spoke = Instant::now();
            let seconds = started.elapsed().as_secs();
            report(&format!(
                "building {}: {number} packages after {seconds} s",
                program.file_name()
            ));
        }
        last.push_back(line);
        if last.len() > EXPLANATION_LINES {
            last.pop_front();
        }
    }
    last.make_contiguous().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::written::KUBERNETES;

    #[test]
    fn version_is_read_from_both_forms_of_require() {
        let block = "module m\n\nrequire (\n\tk8s.io/kubernetes v1.37.1\n)\n";
        assert_eq!(version_of(block, "k8s.io/kubernetes").as_deref(), Some("v1.37.1"));
        let line = "require k8s.io/kubernetes v1.33.0\n";
        assert_eq!(version_of(line, "k8s.io/kubernetes").as_deref(), Some("v1.33.0"));
    }

    #[test]
    fn linker_flags_carry_the_committed_version() -> Result<(), Error> {
        for release in [Release::Newest, Release::Oldest] {
            let flags = linker_flags(Program::ApiServer, release)?;
            let version = kubernetes_version(release)?;
            assert!(
                flags.contains(&format!("version.gitVersion={version} ")),
                "{flags}"
            );
            assert!(flags.contains("version.gitMajor=1 "), "{flags}");
        }
        Ok(())
    }

    #[test]
    fn the_oldest_is_what_the_chart_asks_for() -> Result<(), Error> {
        let version = kubernetes_version(Release::Oldest)?;
        let minor = KUBERNETES.rsplit_once('.').map(|(minor, _)| format!("v{minor}."));
        assert!(
            minor.is_some_and(|minor| version.starts_with(&minor)),
            "{version}"
        );
        Ok(())
    }
}
