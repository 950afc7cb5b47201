//! `moorline keys`: makes key files and adds keys to them.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;

use super::Error;
use crate::config::args::{KeysNewArgs, KeysRotateArgs};
use crate::file::keys::{BEFORE_SIGNING, KeyFile};
use crate::routing::session::SECRET_LEN;

/// Whoever reads a key file can forge sessions.
const OWNER_ONLY: u32 = 0o600;

/// `moorline keys new`
pub(super) fn new(args: &KeysNewArgs, out: &mut impl Write) -> Result<ExitCode, Error> {
    let text = KeyFile::new(Timestamp::now(), secret()?).to_yaml();
    match &args.out {
        None => out.write_all(text.as_bytes())?,
        Some(path) => {
            create(path, &text, OWNER_ONLY).map_err(Error::write_file(path))?;
            writeln!(out, "{}: a key file with one key; name it in session_keys: {{ file: … }}", path.display())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `moorline keys rotate`
pub(super) fn rotate(args: &KeysRotateArgs, out: &mut impl Write) -> Result<ExitCode, Error> {
    // Behind a symbolic link it is the file that is replaced, not the link.
    let path = args.file.canonicalize().map_err(Error::read(&args.file))?;
    let text = std::fs::read_to_string(&path).map_err(Error::read(&args.file))?;
    let mut keys = KeyFile::parse(&text).map_err(|problems| Error::KeyFile { path: args.file.clone(), problems })?;
    let before = keys.count();
    keys.rotate(Timestamp::now(), args.lifetime, secret()?)?;
    replace(&path, &keys.to_yaml()).map_err(Error::write_file(&args.file))?;
    let (count, dropped, wait) = (keys.count(), before + 1 - keys.count(), BEFORE_SIGNING.as_secs());
    writeln!(out, "{}: a new key signs in {wait} s; {dropped} dropped, {count} in all", args.file.display())?;
    Ok(ExitCode::SUCCESS)
}

/// In one step, so that a proxy that reads the file again finds the old keys or the new ones.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mode = std::fs::metadata(path)?.permissions().mode();
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    let replaced = create(&beside, text, mode).and_then(|()| std::fs::rename(&beside, path));
    if replaced.is_err() {
        // Whether it was made or not: what matters to the operator is the first error.
        let _ = std::fs::remove_file(&beside);
    }
    replaced
}

fn create(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn secret() -> Result<[u8; SECRET_LEN], Error> {
    let mut secret = [0; SECRET_LEN];
    aws_lc_rs::rand::fill(&mut secret).map_err(|_| Error::Random)?;
    Ok(secret)
}
