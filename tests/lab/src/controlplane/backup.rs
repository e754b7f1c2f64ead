//! Backups of etcd. Guarantees: a backup is what a power failure at that moment would have left; after a restore all
//! components run, with the same addresses, and resourceVersions count on from those of the backup.

use std::fs;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{Component, ControlPlane, Error};

/// What etcd held at one moment. It goes with the directory of its control plane.
#[derive(Debug)]
pub struct Backup(PathBuf);

impl ControlPlane {
    /// Takes a backup. etcd is frozen for a moment.
    ///
    /// # Errors
    /// [`Error::NotRunning`] if etcd does not run, [`Error::Io`].
    pub async fn back_up(&self) -> Result<Backup, Error> {
        let target = self.directory().join(format!("backup-{}", Uuid::new_v4()));
        self.pause(Component::Etcd).await?;
        let copied = copy(&self.etcd_data_directory(), &target);
        self.resume(Component::Etcd)?;
        copied?;
        Ok(Backup(target))
    }

    /// Sets etcd back to a backup, as Kubernetes asks for it: nothing runs meanwhile.
    ///
    /// # Errors
    /// As of [`ControlPlane::launch`], and [`Error::Io`].
    pub async fn restore(&self, backup: &Backup) -> Result<(), Error> {
        let all = [
            Component::ControllerManager,
            Component::ApiServer,
            Component::Etcd,
        ];
        for component in all {
            self.stop(component).await?;
        }
        let data = self.etcd_data_directory();
        fs::remove_dir_all(&data).map_err(Error::io("remove the data of etcd"))?;
        copy(&backup.0, &data)?;
        for component in all.into_iter().rev() {
            self.launch(component).await?;
        }
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    copy_directory(from, to).map_err(Error::io("copy the data of etcd"))
}

fn copy_directory(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
