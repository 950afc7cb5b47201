//! The images that the manifests name, built by `deploy/image`.

use std::path::Path;
use std::process::Command;

use super::{root, scratch};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Builds them and loads them into the cluster.
pub(super) fn load() {
    let folder = scratch("images");
    for program in ["moorline", "posts", "users", "logger", "mongo-sidecar"] {
        let archive = folder.join(program).with_extension("tar");
        let mut image = Command::new(root().join("deploy/image"));
        image.args([program, &format!("moorline/{program}:{VERSION}")]).arg(&archive);
        output_of(profile(&mut image));
        load_archive(&archive);
    }
    let mut image = Command::new(root().join("demos/mongo-sidecar/tests/e2e/images"));
    let archive = output_of(profile(image.arg("mongo")));
    load_archive(Path::new(archive.trim()));
}

fn profile(command: &mut Command) -> &mut Command {
    let profile = std::env::var("MOORLINE_IMAGE_PROFILE").unwrap_or_else(|_| "dev".to_owned());
    command.env("MOORLINE_IMAGE_PROFILE", profile)
}

fn load_archive(path: &Path) {
    let load = std::env::var("MOORLINE_E2E_LOAD").unwrap_or_else(|_| "kind load image-archive".to_owned());
    output_of(Command::new("sh").arg("-c").arg(format!("{load} \"$0\"")).arg(path));
}

fn output_of(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
