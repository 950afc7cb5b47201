//! The images: static programs, built here, in archives that a cluster can load.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Once,
};

use super::archive;

/// A tag that the manifests do not know.
pub(super) const TAG: &str = "e2e";

/// The image that they name as they are.
const SHIPPED: &str = concat!("moorline/logger:", env!("CARGO_PKG_VERSION"));

/// A client in a pod.
pub(super) const ASK: &str = "moorline/logger-ask:e2e";

const LOGGER: &str = "moorline-logger";

/// Builds the images and loads them into the cluster. Once per run.
pub(super) fn load() {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        let programs = build();
        let logger = format!("moorline/logger:{TAG}");
        for (name, program) in [(logger.as_str(), LOGGER), (SHIPPED, LOGGER), (ASK, "examples/ask")] {
            let file = name.replace(['/', ':'], "-") + ".tar";
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
            archive::write(&path, name, &programs.join(program));
            load_archive(&path);
        }
    });
}

/// Builds static programs, by the profile that `$MOORLINE_IMAGE_PROFILE` names, or `dev`. Returns where they are.
fn build() -> PathBuf {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let mut cargo = Command::new(env!("CARGO"));
    let profile = std::env::var("MOORLINE_IMAGE_PROFILE").unwrap_or_else(|_| "dev".to_owned());
    cargo.args(["build", "--locked", "--profile", &profile, "--package", "moorline-logger"]);
    cargo.args(["--bin", "moorline-logger", "--example", "ask"]);
    cargo.args(["--target", &target]).arg("--target-dir").arg(folder);
    // A target of its own, so that build scripts and procedural macros stay as they are.
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    assert!(cargo.status().expect("cargo").success(), "the static programs do not build");
    folder.join(target).join(if profile == "dev" { "debug" } else { &profile })
}

fn load_archive(path: &Path) {
    let load = std::env::var("MOORLINE_E2E_LOAD").unwrap_or_else(|_| "kind load image-archive".to_owned());
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{load} \"$0\"")).arg(path);
    assert!(shell.status().expect("a shell").success(), "`{load}` fails; $MOORLINE_E2E_LOAD says how to load an image");
}
