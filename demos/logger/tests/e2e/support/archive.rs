//! An image in the form of `docker save`: one layer that holds one static program.

use std::{fs, io::Write, path::Path};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

/// Writes the archive of an image that consists of a program.
pub(super) fn write(archive: &Path, name: &str, program: &Path) {
    let program = fs::read(program).expect("a program");
    let mut layer = Builder::new(Vec::new());
    add(&mut layer, "app", &program, 0o755);
    let layer = layer.into_inner().expect("memory");

    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": { "Entrypoint": ["/app"], "User": "65532:65532" },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))] },
    });
    let config = bytes(&config);
    let config_name = format!("{}.json", sha256(&config));
    let manifest = json!([{ "Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"] }]);

    let mut image = Builder::new(fs::File::create(archive).expect("a file"));
    add(&mut image, &config_name, &config, 0o644);
    add(&mut image, "layer.tar", &layer, 0o644);
    add(&mut image, "manifest.json", &bytes(&manifest), 0o644);
    image.into_inner().expect("room on the disk").flush().expect("room on the disk");
}

/// Always with the same owner and time, so that the same program is the same image.
fn add(archive: &mut Builder<impl Write>, name: &str, data: &[u8], mode: u32) {
    let mut header = Header::new_gnu();
    header.set_size(data.len() as u64);
    header.set_mode(mode);
    header.set_mtime(0);
    archive.append_data(&mut header, name, data).expect("room");
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
