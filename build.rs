//! What the linker is asked for, besides what Rust asks it for (docs/decisions/0024-size-of-the-program.md).
#![expect(
    clippy::disallowed_methods,
    reason = "this is how cargo tells a build script about the target"
)]

use std::env;

/// Functions with the same code are kept once, and what is to be moved at the start is listed by distances.
const WITH_LLD: [&str; 2] = ["-Wl,--icf=all", "-Wl,-z,pack-relative-relocs"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // There Rust links with lld, which knows them; the linker of other targets need not.
    if env::var("TARGET").is_ok_and(|target| target == "x86_64-unknown-linux-gnu") {
        for argument in WITH_LLD {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
}
