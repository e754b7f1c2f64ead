//! The directory of a mounted Secret, as the kubelet writes it: the keys are links into a directory that is exchanged as a
//! whole.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::{fs, io::ErrorKind};

const DATA: &str = "..data";
const KEYS: [&str; 2] = ["access_token", "expires_on"];

/// Unix seconds; nobody looks at the clock.
const EXPIRES_ON: u64 = 1_900_000_000;

/// It, with a token in it.
#[derive(Debug)]
pub(super) struct Mount {
    path: PathBuf,
    generation: u64,
}

impl Mount {
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        fs::create_dir(path)?;
        let mut mount = Self {
            path: path.to_owned(),
            generation: 0,
        };
        mount.rotate()?;
        for key in KEYS {
            symlink(Path::new(DATA).join(key), path.join(key))?;
        }
        Ok(mount)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The token that stands in the file now.
    pub(super) fn token(&self) -> io::Result<String> {
        fs::read_to_string(self.path.join("access_token"))
    }

    /// Puts another token there.
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        self.generation += 1;
        let name = format!("..{}", self.generation);
        let directory = self.path.join(&name);
        fs::create_dir(&directory)?;
        let [token, expiry] = KEYS.map(|key| directory.join(key));
        fs::write(token, format!("token-{}", self.generation))?;
        fs::write(expiry, (EXPIRES_ON + self.generation).to_string())?;
        let fresh = self.path.join("..data_tmp");
        symlink(name, &fresh)?;
        fs::rename(fresh, self.path.join(DATA))?;
        self.forget(self.generation - 1)
    }

    /// What the links do not lead to any more.
    fn forget(&self, generation: u64) -> io::Result<()> {
        match fs::remove_dir_all(self.path.join(format!("..{generation}"))) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_changes_behind_the_same_path() {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Mount::new(&directory.path().join("mount")).unwrap();
        assert_eq!(mount.token().unwrap(), "token-1");
        mount.rotate().unwrap();
        assert_eq!(mount.token().unwrap(), "token-2");
        let expiry = fs::read_to_string(mount.path().join("expires_on")).unwrap();
        assert_eq!(expiry, (EXPIRES_ON + 2).to_string());
    }
}
