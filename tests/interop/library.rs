//! The four libraries: where each comes from and how its program is built and started. Guarantees: exactly the
//! packages of the committed lock files, installed once for all checkouts, and never a silent absence.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use entra_lab::cache;

/// A library, by its language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    Python,
    Node,
    Go,
    Java,
}

/// A program and its arguments.
type Line = &'static [&'static str];

/// How a library is installed and started.
struct Recipe {
    /// Directory below `tests/interop`, with the lock files and the program.
    folder: &'static str,
    /// What the result depends on beside the directory.
    version: Line,
    /// Run one after the other in a copy of the directory.
    steps: &'static [Line],
    /// Starts the program there.
    start: Line,
    /// Packages of a Debian system.
    needs: &'static str,
}

const PYTHON: Recipe = Recipe {
    folder: "python",
    version: &["python3", "--version"],
    steps: &[&[
        "python3",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "--only-binary=:all:",
        "--target=packages",
        "--requirement=requirements.txt",
    ]],
    start: &["python3", "driver.py"],
    needs: "python3 and python3-pip",
};

const NODE: Recipe = Recipe {
    folder: "node",
    version: &["node", "--version"],
    steps: &[&["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]],
    start: &["node", "driver.mjs"],
    needs: "nodejs (20 or newer) and npm",
};

const GO: Recipe = Recipe {
    folder: "go",
    version: &["go", "version"],
    steps: &[&["go", "build", "-mod=readonly", "-o", "driver", "."]],
    start: &["./driver"],
    needs: "golang-go (1.26 or newer)",
};

const JAVA: Recipe = Recipe {
    folder: "java",
    version: &["javac", "-version"],
    steps: &[
        &[
            "mvn",
            "--quiet",
            "--batch-mode",
            "--no-transfer-progress",
            "dependency:copy-dependencies",
            "-DoutputDirectory=jars",
        ],
        &["sha256sum", "--check", "--quiet", "--strict", "jars.sha256"],
        &["javac", "-d", "classes", "-classpath", "jars/*", "Driver.java"],
    ],
    // Compiling hot code would cost more than it saves in a second of life.
    start: &[
        "java",
        "-XX:TieredStopAtLevel=1",
        "-classpath",
        "classes:jars/*",
        "Driver",
    ],
    needs: "default-jdk-headless and maven",
};

impl Library {
    const fn recipe(self) -> &'static Recipe {
        match self {
            Self::Python => &PYTHON,
            Self::Node => &NODE,
            Self::Go => &GO,
            Self::Java => &JAVA,
        }
    }

    /// The command that starts the program, which is installed first if it is not there yet.
    pub(crate) fn command(self) -> Command {
        let recipe = self.recipe();
        let directory = self.installed();
        let mut command = line(recipe.start, directory);
        // Only Python looks there.
        command.env("PYTHONPATH", directory.join("packages"));
        command
    }

    /// Looked up once in a process, because some languages take their time to say their version.
    fn installed(self) -> &'static Path {
        static DIRECTORIES: [OnceLock<PathBuf>; 4] = [const { OnceLock::new() }; 4];
        DIRECTORIES[self as usize].get_or_init(|| {
            let recipe = self.recipe();
            recipe
                .install()
                .unwrap_or_else(|error| panic!("MSAL for {}: {error}", recipe.folder))
        })
    }
}

impl Recipe {
    fn install(&self) -> Result<PathBuf, Box<dyn Error>> {
        let sources = self.sources()?;
        let name = format!("msal-{}-{}", self.folder, self.key(&sources)?);
        let path = cache::directory()?.join(name).join("program");
        cache::ensure(&path, |target| self.build(&sources, target))?;
        Ok(path)
    }

    /// The files of the directory; what tools leave below it is not ours.
    fn sources(&self) -> Result<Vec<PathBuf>, Box<dyn Error>> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/interop")
            .join(self.folder);
        let entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
        let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.retain(|path| path.is_file());
        paths.sort();
        Ok(paths)
    }

    fn key(&self, sources: &[PathBuf]) -> Result<String, Box<dyn Error>> {
        let mut parts = vec![self.run(self.version, Path::new("."))?];
        for path in sources {
            parts.push(fs::read(path)?);
        }
        Ok(cache::key(parts))
    }

    fn build(&self, sources: &[PathBuf], target: &Path) -> Result<(), Box<dyn Error>> {
        let name = format!("MSAL for {}", self.folder);
        cache::report(&format!(
            "installing {name}, once; about half a minute on two cores"
        ));
        let started = Instant::now();
        fs::create_dir(target)?;
        for path in sources {
            fs::copy(path, target.join(path.file_name().unwrap_or_default()))?;
        }
        for step in self.steps {
            self.run(step, target)?;
        }
        cache::report(&format!("installed {name} in {} s", started.elapsed().as_secs()));
        Ok(())
    }

    /// Standard output of a command that must succeed.
    fn run(&self, words: Line, directory: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
        let output = line(words, directory)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot run {} ({error}): install {}", words[0], self.needs))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let command = words.join(" ");
        Err(format!(
            "{command} failed ({}), it takes {}:\n{said}",
            output.status, self.needs
        )
        .into())
    }
}

fn line(words: Line, directory: &Path) -> Command {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .current_dir(directory)
        .env("GOWORK", "off");
    command
}
