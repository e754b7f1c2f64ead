//! The images that the node gets: no registry is there to pull them from.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::Error;
use super::node::TOOLS_IMAGE;
use crate::image::{self, workshop::Workshop};

/// Programs of busybox that the pods of the lane call.
const APPLETS: [&str; 6] = ["sh", "date", "sha256sum", "sleep", "cat", "env"];

/// Where Debian's busybox-static puts it.
const BUSYBOX: [&str; 2] = ["/usr/bin/busybox", "/bin/busybox"];

/// Archives of the operator's image and of that with tools, in a directory. Blocks, for minutes the first time.
pub(super) fn archives(directory: &Path, given: Option<PathBuf>) -> Result<[PathBuf; 2], Error> {
    let operator = match given {
        Some(archive) => archive,
        None => exported(&image::current()?, image::TAG, directory.join("operator.tar"))?,
    };
    let workshop = Workshop::kept()?;
    tools(&workshop, directory)?;
    Ok([
        operator,
        exported(&workshop, TOOLS_IMAGE, directory.join("tools.tar"))?,
    ])
}

fn exported(workshop: &Workshop, tag: &str, archive: PathBuf) -> Result<PathBuf, Error> {
    workshop.export(tag, &archive)?;
    Ok(archive)
}

/// Its default is to sleep, for the sandboxes of pods. The entry point has the name of busybox, which looks at it.
fn tools(workshop: &Workshop, directory: &Path) -> Result<(), Error> {
    let context = directory.join("tools");
    let programs = context.join("root/bin");
    std::fs::create_dir_all(&programs).map_err(Error::io("create a directory"))?;
    let there = BUSYBOX.into_iter().find(|path| Path::new(path).exists());
    std::fs::copy(there.unwrap_or("/bin/busybox"), programs.join("busybox"))
        .map_err(Error::io("copy busybox (Debian: busybox-static)"))?;
    for applet in APPLETS {
        symlink("busybox", programs.join(applet)).map_err(Error::io("link a program"))?;
    }
    let text = "FROM scratch\nCOPY root/ /\nUSER 65532:65532\nENTRYPOINT [\"/bin/busybox\"]\nCMD [\"sleep\", \"2147483647\"]\n";
    std::fs::write(context.join("Dockerfile"), text).map_err(Error::io("write a Dockerfile"))?;
    Ok(workshop.assemble(TOOLS_IMAGE, &context)?)
}
