//! The images that the manifests name.

use std::process::Command;

use super::{page_with, root};

/// Builds them as the page says, and loads them into the cluster.
pub(super) fn load() {
    let loads = format!(" {} ", loader());
    let builds = format!("MOORLINE_IMAGE_PROFILE={} deploy/image ", profile());
    assert_eq!(page_with("images", &[(" load ", &loads), ("deploy/image ", &builds)]), 5);
    let mut image = Command::new(root().join("demos/mongo-sidecar/tests/e2e/images"));
    let archive = output_of(image.arg("mongo").env("MOORLINE_IMAGE_PROFILE", profile()));
    output_of(Command::new("sh").arg("-c").arg(format!("{} \"$0\"", loader())).arg(archive.trim()));
}

/// What brings an archive into the nodes.
fn loader() -> String {
    std::env::var("MOORLINE_E2E_LOAD").unwrap_or_else(|_| "kind load image-archive".to_owned())
}

fn profile() -> String {
    std::env::var("MOORLINE_IMAGE_PROFILE").unwrap_or_else(|_| "dev".to_owned())
}

fn output_of(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
